//! The collector in figures, at one moment: what `/metrics` and `/api/v1/stats` tell of it.

use std::collections::BTreeMap;
use std::time::Duration;

use herdbook_shared::time::Timestamp;

use crate::api::Api;
use crate::registry::finding::Severity;
use crate::registry::ledger::Depths;
use crate::registry::snapshot::{Counts, Snapshot};
use crate::store::StoreState;

use super::disk::DiskUse;
use super::process::Process;

/// Counts by the word of their reason, status or severity.
pub type ByWord = Vec<(&'static str, u64)>;

/// See the module's words. What is counted is counted since the start.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields of the answer of /api/v1/stats, documented there")]
pub struct Figures {
    pub started_at: Timestamp,
    pub uptime: Duration,
    pub counts: Counts,
    pub agents: usize,
    pub sessions_opened: u64,
    pub sessions_closed: ByWord,
    pub samples: u64,
    pub samples_per_second: f64,
    pub changes: u64,
    pub dropped: ByWord,
    pub turned_away: ByWord,
    pub services_unlisted: u64,
    pub services_let_go: u64,
    pub host_sleeps: u64,
    pub stalls: u64,
    pub stalled: Duration,
    pub sweep_lateness: Duration,
    pub sweep_pauses: u64,
    pub store_state: StoreState,
    pub depths: Depths,
    pub store_batches: usize,
    pub history_waiting: usize,
    pub history_dropped: u64,
    pub viewers: usize,
    pub leases: usize,
    pub alerts_open: ByWord,
    pub notifications: ByWord,
    pub alert_lines_waiting: usize,
    pub alert_lines_dropped: u64,
    pub disk: Option<DiskUse>,
    pub process: Process,
}

impl Figures {
    /// Of a collector whose register is like this. Looks through all of it.
    #[must_use]
    pub fn of(api: &Api, snapshot: &Snapshot) -> Self {
        let (registry, meters) = (&api.registry, &api.meters);
        let (sessions, told) = (registry.sessions(), meters.told.get());
        Self {
            started_at: meters.started_at,
            uptime: meters.uptime(),
            counts: snapshot.counts(),
            agents: snapshot.hosts.iter().filter(|host| host.session.is_some()).count(),
            sessions_opened: sessions.n_opened(),
            sessions_closed: sessions.closed(),
            samples: registry.n_samples(),
            samples_per_second: meters.samples_per_second(),
            changes: snapshot.seq,
            dropped: api.desk.dropped.each(),
            turned_away: meters.turned.each(),
            services_unlisted: registry.n_unlisted(),
            services_let_go: registry.n_let_go(),
            host_sleeps: registry.n_gaps(),
            stalls: meters.n_stalls(),
            stalled: meters.stalled(),
            sweep_lateness: meters.sweep.last(),
            sweep_pauses: meters.sweep.n_pauses(),
            store_state: *meters.store.borrow(),
            depths: registry.depths(),
            store_batches: api.store.n_waiting(),
            history_waiting: meters.backlog.n_waiting(),
            history_dropped: meters.backlog.n_dropped(),
            viewers: api.feed.n_viewers(),
            leases: registry.n_leases(),
            alerts_open: alerts_open(snapshot),
            notifications: told.map(|told| told.messages().to_vec()).unwrap_or_default(),
            alert_lines_waiting: told.map_or(0, |told| told.journal.n_waiting()),
            alert_lines_dropped: told.map_or(0, |told| told.journal.n_dropped()),
            disk: meters.disk.last(),
            process: Process::now(),
        }
    }

    /// Entities, rows and batches of rows that are not on the disk yet.
    #[must_use]
    pub fn store_queue(&self) -> usize {
        self.depths.dirty + self.history_waiting + self.store_batches
    }
}

fn alerts_open(snapshot: &Snapshot) -> ByWord {
    let severities = [Severity::Info, Severity::Warning, Severity::Critical];
    let mut open: BTreeMap<Severity, u64> = severities.map(|severity| (severity, 0)).into();
    for alert in &snapshot.alerts {
        *open.entry(alert.severity).or_default() += 1;
    }
    open.into_iter().map(|(severity, n)| (severity.word(), n)).collect()
}
