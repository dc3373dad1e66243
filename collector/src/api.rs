//! What the collector answers. The guard stands in front of all of it.

pub mod guard;
pub mod problem;

pub mod body;
pub mod durable;
pub mod precondition;
pub mod query;

pub mod health;
pub mod list;

pub mod hosts;
pub mod models;
pub mod services;

pub mod alerts;
pub mod history;
pub mod nodes;
pub mod owner;
pub mod samples;
pub mod silences;
pub mod snapshot;

pub mod catalogs;
pub mod discovery;
pub mod heartbeat_alerts;
pub mod metrics;
pub mod skills;
pub mod stats;

pub mod graph;
pub mod leases;
pub mod pick;

pub mod audit;
pub mod people;
pub mod session;
pub mod tokens;

#[cfg(test)]
pub(crate) mod testing;

pub mod agent;
pub mod enrolment;
pub mod events;
pub mod live;

pub mod contract;
pub mod legacy;

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alerts::{Kept, Silences};
use crate::auth::{Access, Action};
use crate::catalog::Catalogs;
use crate::enrol::Enrolment;
use crate::history::History;
use crate::ingest::Desk;
use crate::journal::HeartbeatAlerts;
use crate::metrics::meters::Meters;
use crate::registry::Registry;
use crate::seal::Seal;
use crate::series::SampleHistory;
use crate::store::{Reader, Store};

use guard::Routes;
use live::Feed;
use precondition::KnownTags;
use problem::{Kind, Problem};

/// What handlers work with. Each request clones it, so it is one reference.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

/// What all handlers share.
#[derive(Debug)]
pub struct Parts {
    /// The register.
    pub registry: Arc<Registry>,
    /// Seals what is secret before the register gets it.
    pub seal: Arc<Seal>,
    /// Who may come in; `None`: no credentials are demanded.
    pub enrolment: Option<Arc<Enrolment>>,
    /// Where agents connect, in join lines.
    pub join_url: Arc<str>,
    /// What every agent's connection needs.
    pub desk: Desk,
    /// Owns every connection that was upgraded.
    pub tasks: TaskTracker,
    /// Ends them.
    pub stop: CancellationToken,
    /// What is kept.
    pub store: Arc<Store>,
    /// Who may get in.
    pub access: Arc<Access>,
    /// Reads who did what.
    pub audit: Arc<Reader>,
    /// What happened.
    pub history: History,
    /// What hosts measured.
    pub series: SampleHistory,
    /// What viewers of the live feed share.
    pub feed: Feed,
    /// What became of services that beat.
    pub heartbeat_alerts: HeartbeatAlerts,
    /// The alerts that are kept.
    pub alerts: Arc<Kept>,
    /// Of which of them nobody wants to be told.
    pub silences: Arc<Silences>,
    /// What the collector counts of itself.
    pub meters: Arc<Meters>,
    /// What was loaded from folders.
    pub catalogs: Arc<Catalogs>,
}

impl From<Parts> for Api {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The routes over the registry.
#[must_use]
pub fn routes(api: Api) -> Routes {
    Routes::new()
        .on(Action::ReadFleet, "/api/v1/snapshot", get(snapshot::get))
        .on(Action::ReadFleet, "/api/v1/hosts", get(hosts::list))
        .on(Action::Change, "/api/v1/hosts", patch(hosts::write::patch_many))
        .on(Action::ReadFleet, "/api/v1/hosts/{id}", get(hosts::get))
        .on(Action::Change, "/api/v1/hosts/{id}", patch(hosts::write::patch))
        .on(Action::Change, "/api/v1/hosts/{id}", delete(hosts::write::remove))
        .on(Action::ReadFleet, "/api/v1/hosts/{id}/sessions", get(history::sessions))
        .on(Action::ReadFleet, "/api/v1/hosts/{id}/history", get(history::of_host))
        .on(Action::ReadFleet, "/api/v1/services/{id}/history", get(history::of_service))
        .on(Action::ReadFleet, "/api/v1/services", get(services::list))
        .on(Action::Register, "/api/v1/services", post(services::register))
        .on(Action::ReadFleet, "/api/v1/services/{id}", get(services::get))
        .on(Action::Deregister, "/api/v1/services/{id}", delete(services::remove))
        .on(Action::Change, "/api/v1/services/{id}", patch(services::patch))
        .on(Action::Change, "/api/v1/services/{id}/promote", post(services::promote))
        .on(Action::Change, "/api/v1/services/{id}/drain", post(services::drain))
        .on(Action::Beat, "/api/v1/services/{id}/heartbeat", put(services::heartbeat::put))
        .on(Action::ReadFleet, "/api/v1/models", get(models::list))
        .on(Action::ReadFleet, "/api/v1/models/{name}", get(models::get))
        .on(Action::Pick, "/api/v1/pick", get(pick::get))
        .on(Action::ReadFleet, "/api/v1/leases", get(leases::list))
        .on(Action::Lease, "/api/v1/leases", post(leases::take))
        .on(Action::Lease, "/api/v1/leases/{id}", delete(leases::give_back))
        .on(Action::ReadFleet, "/api/v1/graph", get(graph::get))
        .on(Action::Watch, "/api/v1/live", get(live::upgrade))
        .on(Action::Knock, "/api/v1/agent", get(agent::upgrade))
        .merge(heartbeat_alerts::routes())
        .merge(alerts::routes())
        .merge(silences::routes())
        .merge(metrics::routes())
        .merge(stats::routes())
        .merge(discovery::routes())
        .merge(events::routes())
        .merge(legacy::routes())
        .merge(samples::routes())
        .merge(nodes::routes())
        .merge(catalogs::routes())
        .merge(skills::routes())
        .merge(enrolment::routes())
        .merge(session::routes())
        .merge(people::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
        .with_state(api)
        .merge(contract::routes())
}

/// Looks through the fleet and writes an answer beside the thread that carries all sockets: with
/// 10,000 hosts this takes tens of milliseconds.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::new(Kind::Internal, "the answer could not be written"))?
}

/// Serves an upgraded connection in a task of `tasks`, since the one that upgrades has no owner: a
/// panic in it would be seen by nobody.
async fn owned(
    tasks: &TaskTracker,
    what: &'static str,
    connection: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = tasks.spawn(connection).await
        && error.is_panic()
    {
        tracing::error!(%error, "the task of an upgraded connection panicked: {what}");
    }
}

/// JSON that was written already.
fn json(text: impl IntoResponse) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// One entity with its revision as a tag; to whoever knows that revision only the tag.
fn entity_unless(known: &KnownTags, revision: u64, text: impl FnOnce() -> String) -> Response {
    if !known.hold(revision) {
        return entity(revision, text());
    }
    let mut response = entity(revision, String::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// One entity with its revision as a tag.
fn entity(revision: u64, text: String) -> Response {
    let mut response = json(text);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_panics_ends_alone() {
        let tasks = TaskTracker::new();
        owned(&tasks, "test", async { panic!("a bug") }).await;
        owned(&tasks, "test", async {}).await;
        tasks.close();
        tasks.wait().await;
    }
}
