//! Services: the list with its filters, and one.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::encode;
use crate::registry::service::{ServiceEntry, ServiceStatus};
use crate::registry::view::View;

use super::hosts::view;
use super::list::{Page, one_of};
use super::problem::{Checked, Problem};
use super::{Api, entity, json};

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
    let mut services = match &filter.model {
        Some(model) => api.registry.services_of_model(model),
        None => api.registry.services(),
    };
    services.retain(|service| {
        status.is_none_or(|status| service.status == status) && filter.lets_through(service)
    });
    services.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let encode = |service: &Arc<ServiceEntry>| encode::service(service, view);
    page.of(&api.registry, "services", &services, |service| service.id.as_str(), encode).map(json)
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
        is(&self.host, facts.host_id.as_str())
            && is(&self.name, &facts.name)
            && is(&self.kind, &facts.kind)
            && self.cap.as_ref().is_none_or(can)
            && self.q.as_ref().is_none_or(q)
    }
}
