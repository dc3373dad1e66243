//! Hosts: the list with its filters, and one. What people say of them is in [`write`](mod@write).

pub mod write;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::Registry;
use crate::registry::encode;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::list::{Page, one_of};
use super::precondition::KnownTags;
use super::problem::{Checked, Problem};
use super::{Api, beside, entity_unless, json};

/// Which hosts.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "HostFilter")]
#[serde(default)]
pub struct Filter {
    #[schemars(with = "Option<HostStatus>")]
    status: Option<String>,
    role: Option<String>,
    /// `key` or `key=value`.
    label: Option<String>,
    name: Option<String>,
    /// Hosts with a service that has this model.
    model: Option<String>,
    /// Part of a name, id or label, in any case.
    q: Option<String>,
    #[schemars(with = "Option<View>")]
    view: Option<String>,
}

/// `GET /api/v1/hosts`
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
    let text = beside(move || {
        let snapshot = api.registry.snapshot(Moment::now());
        let hosts = filter.select(&api.registry, &snapshot.hosts)?;
        page.of(
            &snapshot,
            "hosts",
            &hosts,
            |host| host.id.as_str(),
            |host| encode::host(host, view),
        )
    });
    text.await.map(json)
}

/// `GET /api/v1/hosts/{id}`
///
/// # Errors
///
/// Where there is no such host.
pub async fn get(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    known: KnownTags,
) -> Result<Response, Problem> {
    let host = api.registry.host(&id);
    let host = host.ok_or_else(|| Problem::not_found(format!("there is no host {id:?}")))?;
    Ok(entity_unless(&known, host.revision, || encode::host(&host, View::Full)))
}

/// The view that a query asks for.
///
/// # Errors
///
/// Where there is no such view.
pub fn view(text: Option<&str>, default: View) -> Result<View, Problem> {
    let words = [("summary", View::Summary), ("full", View::Full)];
    Ok(one_of("view", text, &words)?.unwrap_or(default))
}

impl Filter {
    /// Those of `hosts` that it lets through, in the same order.
    fn select<'a>(
        &self,
        registry: &Registry,
        hosts: &'a [Arc<HostEntry>],
    ) -> Result<Vec<&'a Arc<HostEntry>>, Problem> {
        let words: Vec<_> = HostStatus::ALL.iter().map(|status| (status.word(), *status)).collect();
        let status = one_of("status", self.status.as_deref(), &words)?;
        let with_model = self.model.as_deref().map(|model| {
            let services = registry.services_of_model(model);
            services.iter().filter_map(|service| service.host_id().cloned()).collect::<HashSet<_>>()
        });
        let hosts = hosts.iter().filter(|host| {
            status.is_none_or(|status| host.status == status)
                && with_model.as_ref().is_none_or(|ids| ids.contains(&host.id))
                && self.lets_through(host)
        });
        Ok(hosts.collect())
    }

    fn lets_through(&self, host: &HostEntry) -> bool {
        let facts = &host.facts;
        let label = |wanted: &str| match wanted.split_once('=') {
            Some((key, value)) => host.labels().get(key).is_some_and(|label| label == value),
            None => host.labels().contains_key(wanted),
        };
        self.role.as_ref().is_none_or(|role| host.role() == role)
            && self.name.as_ref().is_none_or(|name| facts.name == *name)
            && self.label.as_deref().is_none_or(label)
            && self.q.as_deref().is_none_or(|q| is_about(host, &q.to_lowercase()))
    }
}

fn is_about(host: &HostEntry, q: &str) -> bool {
    let facts = &host.facts;
    let holds = |text: &str| text.to_lowercase().contains(q);
    holds(&facts.name)
        || holds(host.id.as_str())
        || host.labels().iter().any(|(key, value)| holds(key) || holds(value))
}

#[cfg(test)]
mod tests;
