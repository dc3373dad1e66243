//! `GET /api/v1/sd/prometheus`: the services as targets, in the shape of Prometheus' `http_sd_configs`
//! (<https://prometheus.io/docs/prometheus/latest/http_sd/>).
//!
//! What is reached from its own host alone is left out unless it is asked for: a Prometheus elsewhere
//! would scrape its own machine instead.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::auth::Action;
use crate::registry::Registry;
use crate::registry::service::{Reachable, ServiceEntry, Word};
use crate::registry::url::ServiceUrl;

use super::guard::Routes;
use super::list::one_of;
use super::problem::{Checked, Problem};
use super::services::Filter;
use super::{Api, beside};

/// Before the name of every label that only relabelling sees.
const META: &str = "__meta_herdbook_service_";

/// The one path.
pub(super) fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/api/v1/sd/prometheus", get(list))
}

/// What is left out unless it is asked for.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Wanted {
    /// Services that listen on loopback alone.
    #[schemars(with = "Option<bool>")]
    loopback: Option<String>,
}

/// One target and its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TargetGroup {
    /// `host:port`, one.
    pub targets: [String; 1],
    /// For relabelling, and the scheme to use.
    pub labels: BTreeMap<String, String>,
}

/// `GET /api/v1/sd/prometheus`, with the filters of the list of services.
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(filter)): Checked<Query<Filter>>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
) -> Result<Json<Vec<TargetGroup>>, Problem> {
    let query = filter.query()?;
    let words = [("true", true), ("false", false)];
    let with_loopback = one_of("loopback", wanted.loopback.as_deref(), &words)?.unwrap_or(false);
    let groups = beside(move || {
        let mut services = api.registry.list_services(&query).services;
        services.retain(|service| with_loopback || service.facts.reachable != Reachable::Loopback);
        Ok(services.iter().filter_map(|service| group(&api.registry, service)).collect())
    });
    groups.await.map(Json)
}

/// `None` where its URL is none, which none in the register is.
fn group(registry: &Registry, service: &ServiceEntry) -> Option<TargetGroup> {
    let facts = &service.facts;
    let url = ServiceUrl::parse(&facts.url).ok()?;
    let scheme = if facts.url.starts_with("https:") { "https" } else { "http" };
    let host = service.host_id().and_then(|id| registry.host(id.as_str()));
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    let words = [
        ("id", service.id.as_str()),
        ("name", &facts.name),
        ("type", facts.r#type.word()),
        ("kind", &facts.kind),
        ("role", facts.role.word()),
        ("status", service.shown_status().word()),
        ("check", facts.check.word()),
        ("reachable", facts.reachable.word()),
        ("version", facts.version.as_deref().unwrap_or_default()),
        ("url", &facts.url),
        ("host", host.as_ref().map_or("", |host| &host.facts.name)),
        ("host_id", service.host_id().map_or("", |id| id.as_str())),
    ];
    labels.extend(words.map(|(name, value)| (format!("{META}{name}"), value.to_owned())));
    for (key, value) in &*facts.labels {
        // Where two keys become one, the first in their order stays.
        labels.entry(format!("{META}label_{}", label_name(key))).or_insert_with(|| value.clone());
    }
    labels.insert("__scheme__".to_owned(), scheme.to_owned());
    Some(TargetGroup { targets: [url.key()], labels })
}

/// A label's key with what a name in Prometheus cannot hold as `_`.
fn label_name(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
