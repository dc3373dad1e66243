//! Services: the list with its filters, and one.

pub mod heartbeat;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::service::{ServiceEntry, ServiceStatus, Word};
use crate::registry::view::View;

use super::hosts::view;
use super::list::{Page, one_of};
use super::problem::{Checked, Problem};
use super::{Api, beside, entity, json};

/// Which services.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// The host's id.
    host: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    model: Option<String>,
    /// What one of its models can do.
    cap: Option<String>,
    /// Part of an id or name, in any case.
    q: Option<String>,
    view: Option<String>,
}

/// `GET /api/v1/services`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(filter)): Checked<Query<Filter>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let words: Vec<_> = ServiceStatus::ALL.iter().map(|status| (status.word(), *status)).collect();
    let status = one_of("status", filter.status.as_deref(), &words)?;
    let view = view(filter.view.as_deref(), View::Full)?;
    let text = beside(move || {
        let snapshot = api.registry.snapshot(Moment::now());
        let services = snapshot.services.iter().filter(|service| {
            status.is_none_or(|status| service.shown_status() == status)
                && filter.lets_through(service)
        });
        let services: Vec<&Arc<ServiceEntry>> = services.collect();
        let encode = |service: &&Arc<ServiceEntry>| encode::service(service, view);
        page.of(&snapshot, "services", &services, |service| service.id.as_str(), encode)
    });
    text.await.map(json)
}

/// `GET /api/v1/services/{id}`
///
/// # Errors
///
/// Where there is no such service.
pub async fn get(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let service = api.registry.service(&id);
    let service =
        service.ok_or_else(|| Problem::not_found(format!("there is no service {id:?}")))?;
    Ok(entity(service.revision, encode::service(&service, View::Full)))
}

impl Filter {
    fn lets_through(&self, service: &ServiceEntry) -> bool {
        let facts = &service.facts;
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        let can = |cap: &String| service.capabilities().contains(&cap.as_str());
        let q = |q: &String| {
            let q = q.to_lowercase();
            service.id.as_str().to_lowercase().contains(&q)
                || facts.name.to_lowercase().contains(&q)
        };
        self.host
            .as_ref()
            .is_none_or(|host| service.host_id().is_some_and(|id| id.as_str() == host))
            && is(&self.name, &facts.name)
            && is(&self.kind, &facts.kind)
            && self.cap.as_ref().is_none_or(can)
            && self.model.as_ref().is_none_or(|model| service.model(model).is_some())
            && self.q.as_ref().is_none_or(q)
    }
}
