//! `GET /api/v1/stats`: the fleet and the collector in figures, on one page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use herdbook_shared::time::Timestamp;
use serde::Serialize;

use crate::auth::Action;
use crate::metrics::disk::DiskUse;
use crate::metrics::figures::{ByWord, Figures};
use crate::metrics::process::Process;
use crate::registry::moment::Moment;
use crate::registry::snapshot::Counts;
use crate::store::StoreState;

use super::guard::Routes;
use super::problem::Problem;
use super::{Api, beside};

/// The one path.
pub(super) fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/api/v1/stats", get(all))
}

/// The answer. What is counted (`…_total`) is counted since the collector's start.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Stats {
    /// This run of the collector.
    pub epoch: String,
    /// The number of the last change.
    pub seq: u64,
    /// When this was so.
    pub at: Timestamp,
    /// How long the collector has run.
    pub uptime_s: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// Its version.
    pub version: &'static str,
    /// What a snapshot counts.
    #[serde(flatten)]
    pub counted: Counts,
    /// The same, under the name that it has in a snapshot.
    pub counts: Counts,
    /// Agents that are connected.
    pub agents: usize,
    /// Sessions of agents that were opened.
    pub sessions_opened_total: u64,
    /// Sessions of agents that ended, by reason.
    pub sessions_closed: BTreeMap<&'static str, u64>,
    /// Over the last ten seconds.
    pub samples_per_second: f64,
    /// Samples that were taken in.
    pub samples_total: u64,
    /// Changes that were numbered.
    pub changes_total: u64,
    /// What agents said and was not used, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Services that found no place in the register.
    pub services_unlisted_total: u64,
    /// Services that were gone and forgotten early, since their host had too many.
    pub services_let_go_total: u64,
    /// Times that a host told that it had slept.
    pub host_sleeps_total: u64,
    /// How late the last look for silent hosts came.
    pub sweep_lateness_ms: u64,
    /// Times that it came so late that every deadline started anew.
    pub sweep_pauses_total: u64,
    /// Times that the thread of all sockets did not get on for more than 20 ms.
    pub stalls_total: u64,
    /// How long those were together.
    pub stalled_ms_total: u64,
    /// How the database does.
    pub store_state: StoreState,
    /// Entities, rows and batches that are not on the disk yet.
    pub store_queue: usize,
    /// Those of them that are rows of history.
    pub history_waiting: usize,
    /// Rows of history that were lost.
    pub history_dropped_total: u64,
    /// Changes to which a follower can go back.
    pub ring_changes: usize,
    /// What they take in memory, about.
    pub ring_bytes: usize,
    /// Viewers of the live feed.
    pub viewers: usize,
    /// Leases that are out.
    pub leases: usize,
    /// Alerts that are open, by severity.
    pub alerts_open: BTreeMap<&'static str, u64>,
    /// Messages on alerts to the targets of `[notify]`, by what became of them.
    pub notifications: BTreeMap<&'static str, u64>,
    /// What the data directory takes; `null` where it was not measured within a minute, as just after
    /// the start, or where the disk does not answer.
    pub disk: Option<DiskUse>,
    /// What the collector's process uses.
    pub process: Process,
}

/// `GET /api/v1/stats`
///
/// # Errors
///
/// Where they could not be written, which is a fault.
pub async fn all(State(api): State<Api>) -> Result<Json<Stats>, Problem> {
    let stats = beside(move || {
        let snapshot = api.registry.snapshot(Moment::now());
        let figures = Figures::of(&api, &snapshot);
        Ok(Stats::of(figures, (&snapshot.epoch, snapshot.seq), snapshot.at))
    });
    stats.await.map(Json)
}

impl Stats {
    fn of(figures: Figures, (epoch, seq): (&str, u64), at: Timestamp) -> Self {
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let by_word = |words: ByWord| words.into_iter().collect::<BTreeMap<_, _>>();
        Self {
            epoch: epoch.to_owned(),
            seq,
            at,
            uptime_s: figures.uptime.as_secs(),
            started_at: figures.started_at,
            version: env!("CARGO_PKG_VERSION"),
            store_queue: figures.store_queue(),
            counted: figures.counts.clone(),
            counts: figures.counts,
            agents: figures.agents,
            sessions_opened_total: figures.sessions_opened,
            sessions_closed: by_word(figures.sessions_closed),
            samples_per_second: figures.samples_per_second,
            samples_total: figures.samples,
            changes_total: figures.changes,
            dropped: by_word(figures.dropped),
            services_unlisted_total: figures.services_unlisted,
            services_let_go_total: figures.services_let_go,
            host_sleeps_total: figures.host_sleeps,
            sweep_lateness_ms: ms(figures.sweep_lateness),
            sweep_pauses_total: figures.sweep_pauses,
            stalls_total: figures.stalls,
            stalled_ms_total: ms(figures.stalled),
            store_state: figures.store_state,
            history_waiting: figures.history_waiting,
            history_dropped_total: figures.history_dropped,
            ring_changes: figures.depths.ring_changes,
            ring_bytes: figures.depths.ring_bytes,
            viewers: figures.viewers,
            leases: figures.leases,
            alerts_open: by_word(figures.alerts_open),
            notifications: by_word(figures.notifications),
            disk: figures.disk,
            process: figures.process,
        }
    }
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
