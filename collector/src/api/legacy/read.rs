//! What old clients ask: who is there, who can be used, and how many.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::list::one_of;
use crate::api::problem::{Checked, Problem};
use crate::api::{Api, beside, json};
use crate::registry::Registry;
use crate::registry::lookup;
use crate::registry::service::{Role, ServiceEntry, ServiceStatus, ServiceType, Word};

use super::entry;

/// What to discover; what is empty counts as not said.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(in crate::api) struct Wanted {
    name: Option<String>,
    #[schemars(with = "Option<ServiceType>")]
    r#type: Option<String>,
    #[schemars(with = "Option<Role>")]
    role: Option<String>,
    cap: Option<String>,
}

/// How many services there are, and how they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ServiceStats")]
pub(in crate::api) struct Stats {
    total_services: usize,
    healthy_services: usize,
    degraded_services: usize,
    down_services: usize,
    unknown_services: usize,
    unhealthy_services: usize,
    draining_services: usize,
    /// When the last of them was heard or asked.
    last_check: Option<Timestamp>,
}

/// `GET /services`
pub(super) async fn services(State(api): State<Api>) -> Result<Response, Problem> {
    listed(api, lookup::Query::default(), |_| true).await
}

/// `GET /discover`: those that can be used.
pub(super) async fn discover(
    State(api): State<Api>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
) -> Result<Response, Problem> {
    listed(api, wanted.query()?, entry::is_discovered).await
}

/// `GET /services/{id}`
pub(super) async fn service(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Json<Map<String, Value>>, Problem> {
    let service = api.registry.resolve(&id);
    let service = service.ok_or_else(|| Problem::not_found(format!("there is no service {id:?}")));
    Ok(Json(entry::of(&*service?)))
}

/// `GET /stats`
pub(super) async fn stats(State(api): State<Api>) -> Result<Json<Stats>, Problem> {
    beside(move || Ok(Stats::of(&api.registry))).await.map(Json)
}

/// All of them at once: old clients know no pages.
async fn listed(
    api: Api,
    query: lookup::Query,
    is_wanted: fn(&ServiceEntry) -> bool,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let services = api.registry.list_services(&query).services;
        let mut text = br#"{"services":["#.to_vec();
        for service in services.iter().filter(|service| is_wanted(service)) {
            if text.last() == Some(&b'}') {
                text.push(b',');
            }
            crate::registry::encode::push(&mut text, &entry::of(service));
        }
        text.extend_from_slice(b"]}");
        Ok(text)
    });
    text.await.map(json)
}

impl Wanted {
    fn query(self) -> Result<lookup::Query, Problem> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(lookup::Query {
            r#type: word("type", said(self.r#type))?,
            role: word("role", said(self.role))?,
            name: said(self.name),
            cap: said(self.cap),
            ..lookup::Query::default()
        })
    }
}

fn word<W: Word>(field: &'static str, text: Option<String>) -> Result<Option<W>, Problem> {
    let words: Vec<_> = W::ALL.iter().map(|value| (value.word(), *value)).collect();
    one_of(field, text.as_deref(), &words)
}

impl Stats {
    fn of(registry: &Registry) -> Self {
        let mut stats = Self::default();
        for service in registry.services() {
            stats.total_services += 1;
            *stats.count(service.shown_status()) += 1;
            let seen = service.live.checked_at().max(service.live.beat_at());
            stats.last_check = stats.last_check.max(seen);
        }
        stats
    }

    fn count(&mut self, status: ServiceStatus) -> &mut usize {
        match status {
            ServiceStatus::Healthy => &mut self.healthy_services,
            ServiceStatus::Degraded => &mut self.degraded_services,
            ServiceStatus::Down => &mut self.down_services,
            ServiceStatus::Unknown => &mut self.unknown_services,
            ServiceStatus::Unhealthy => &mut self.unhealthy_services,
            ServiceStatus::Draining => &mut self.draining_services,
        }
    }
}
