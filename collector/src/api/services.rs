//! Services: the list with its filters, one, and what is done with one by hand.

mod change;
mod refusal;
mod register;

pub mod heartbeat;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::encode;
use crate::registry::lookup::{self, Listed};
use crate::registry::service::{ServiceEntry, Word};
use crate::registry::view::View;

pub use change::{drain, patch, promote, remove};
pub use register::register;

use super::hosts::view;
use super::list::{Page, one_of};
use super::precondition::KnownTags;
use super::problem::{Checked, Problem};
use super::{Api, beside, entity_unless, json};

/// Most services of a model that are written on the thread that carries all sockets: what it takes
/// to write them is below what it takes to hand them to another thread and back.
const WRITTEN_HERE_MAX: usize = 32;

/// Which services, as a query says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    model: Option<String>,
    name: Option<String>,
    r#type: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    role: Option<String>,
    /// What it or one of its models can do.
    cap: Option<String>,
    /// `key` or `key=value`.
    label: Option<String>,
    /// The host's id.
    host: Option<String>,
    healthy: Option<String>,
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
    let view = view(filter.view.as_deref(), View::Full)?;
    let query = filter.query()?;
    if query.model.is_some() {
        let listed = api.registry.list_services(&query);
        if listed.services.len() <= WRITTEN_HERE_MAX {
            return write(&listed, &page, view).map(json);
        }
        return beside(move || write(&listed, &page, view)).await.map(json);
    }
    let text = beside(move || write(&api.registry.list_services(&query), &page, view));
    text.await.map(json)
}

fn write(listed: &Listed, page: &Page, view: View) -> Result<Vec<u8>, Problem> {
    let cursor = (&*listed.epoch, listed.seq);
    let push = |text: &mut Vec<u8>, service: &Arc<ServiceEntry>| {
        encode::push_service(text, service, view);
    };
    page.at(cursor, "services", &listed.services, |service| service.id.as_str(), push)
}

/// `GET /api/v1/services/{id}`, under its id or another name.
///
/// # Errors
///
/// Where there is no such service.
pub async fn get(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    known: KnownTags,
) -> Result<Response, Problem> {
    let service = api.registry.resolve(&id);
    let service =
        service.ok_or_else(|| Problem::not_found(format!("there is no service {id:?}")))?;
    Ok(entity_unless(&known, service.revision, || encode::service(&service, View::Full)))
}

impl Filter {
    /// What a query asks for.
    ///
    /// # Errors
    ///
    /// Where a parameter has a value that is not allowed.
    pub(super) fn query(self) -> Result<lookup::Query, Problem> {
        let label = |label: String| match label.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (label, None),
        };
        Ok(lookup::Query {
            r#type: word("type", self.r#type.as_deref())?,
            status: word("status", self.status.as_deref())?,
            role: word("role", self.role.as_deref())?,
            healthy: one_of(
                "healthy",
                self.healthy.as_deref(),
                &[("true", true), ("false", false)],
            )?,
            model: self.model,
            name: self.name,
            kind: self.kind,
            cap: self.cap,
            label: self.label.map(label),
            host: self.host,
            q: self.q,
        })
    }
}

/// A word of a fixed set.
fn word<W: Word>(field: &'static str, text: Option<&str>) -> Result<Option<W>, Problem> {
    let words: Vec<_> = W::ALL.iter().map(|value| (value.word(), *value)).collect();
    one_of(field, text, &words)
}

#[cfg(test)]
mod given_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
