//! What is told of the collector itself, and of the fleet in all.

use std::collections::BTreeMap;

use crate::store::StoreState;

use super::disk::DiskUse;
use super::family::{Family, Number, counter, counter_by, gauge, gauge_by, info};
use super::figures::{ByWord, Figures};

/// The collector's figures, and what this answer leaves out.
#[derive(Clone, Debug)]
pub struct Own {
    /// The figures.
    pub figures: Figures,
    /// Models that have no series here, since there are too many.
    pub n_models_left_out: usize,
}

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family<Own>] = &[
    info("herdbook_build_info", &["version"], "Always 1; which version this is.", |_| {
        Some(vec![env!("CARGO_PKG_VERSION")])
    }),
    gauge(
        "herdbook_collector_uptime_seconds",
        "How long the collector has run, by the monotonic clock.",
        |own| Some(own.figures.uptime.as_secs_f64().into()),
    ),
    gauge_by("herdbook_collector_hosts", "status", "Hosts that are listed.", |own| {
        of_counts(&own.figures.counts.hosts)
    }),
    gauge_by("herdbook_collector_services", "status", "Services that are listed.", |own| {
        of_counts(&own.figures.counts.services)
    }),
    gauge("herdbook_collector_agents", "Agents that are connected.", |own| {
        Some(own.figures.agents.into())
    }),
    counter(
        "herdbook_collector_sessions_opened_total",
        "Sessions of agents that were opened.",
        |own| Some(own.figures.sessions_opened.into()),
    ),
    counter_by(
        "herdbook_collector_sessions_closed_total",
        "reason",
        "Sessions of agents that ended.",
        |own| of_words(&own.figures.sessions_closed),
    ),
    counter("herdbook_collector_samples_total", "Samples that were taken in.", |own| {
        Some(own.figures.samples.into())
    }),
    counter("herdbook_collector_changes_total", "Changes that were numbered.", |own| {
        Some(own.figures.changes.into())
    }),
    counter_by(
        "herdbook_collector_dropped_total",
        "reason",
        "What agents said and was not used.",
        |own| of_words(&own.figures.dropped),
    ),
    counter_by(
        "herdbook_collector_turned_away_total",
        "reason",
        "Connections that were closed before a request, or to make room for others.",
        |own| of_words(&own.figures.turned_away),
    ),
    counter(
        "herdbook_collector_services_unlisted_total",
        "Services that found no place in the register.",
        |own| Some(own.figures.services_unlisted.into()),
    ),
    counter(
        "herdbook_collector_services_let_go_total",
        "Services that were gone, and forgotten early since their host had too many.",
        |own| Some(own.figures.services_let_go.into()),
    ),
    counter(
        "herdbook_collector_host_sleeps_total",
        "Times that a host told that it had slept.",
        |own| Some(own.figures.host_sleeps.into()),
    ),
    counter(
        "herdbook_collector_stalls_total",
        "Times that the thread of all sockets did not get on for more than 20 ms.",
        |own| Some(own.figures.stalls.into()),
    ),
    counter(
        "herdbook_collector_stalled_seconds_total",
        "How long those stalls were together.",
        |own| Some(own.figures.stalled.as_secs_f64().into()),
    ),
    gauge(
        "herdbook_collector_sweep_lateness_seconds",
        "How late the last look for silent hosts came.",
        |own| Some(own.figures.sweep_lateness.as_secs_f64().into()),
    ),
    counter(
        "herdbook_collector_sweep_pauses_total",
        "Times that it came so late that every deadline started anew.",
        |own| Some(own.figures.sweep_pauses.into()),
    ),
    gauge_by(
        "herdbook_collector_store_state",
        "state",
        "1 for how the database does: ok, disk_full or failing; 0 for the others.",
        |own| states(own.figures.store_state),
    ),
    gauge(
        "herdbook_collector_store_queue",
        "Entities, rows and batches that are not on the disk yet.",
        |own| Some(own.figures.store_queue().into()),
    ),
    gauge(
        "herdbook_collector_history_waiting",
        "Those of them that are rows of history: sessions and changes of status.",
        |own| Some(own.figures.history_waiting.into()),
    ),
    counter(
        "herdbook_collector_history_dropped_total",
        "Rows of history that were lost, since the disk took none for too long.",
        |own| Some(own.figures.history_dropped.into()),
    ),
    gauge("herdbook_collector_ring_changes", "Changes to which a follower can go back.", |own| {
        Some(own.figures.depths.ring_changes.into())
    }),
    gauge("herdbook_collector_ring_bytes", "What they take in memory, about.", |own| {
        Some(own.figures.depths.ring_bytes.into())
    }),
    gauge("herdbook_collector_viewers", "Viewers of the live feed.", |own| {
        Some(own.figures.viewers.into())
    }),
    gauge("herdbook_collector_leases", "Leases that are out.", |own| {
        Some(own.figures.leases.into())
    }),
    gauge_by("herdbook_collector_alerts_open", "severity", "Alerts that are open.", |own| {
        of_words(&own.figures.alerts_open)
    }),
    counter_by(
        "herdbook_collector_notifications_total",
        "outcome",
        "Messages on alerts to the targets of [notify].",
        |own| of_words(&own.figures.notifications),
    ),
    gauge(
        "herdbook_collector_alert_lines_waiting",
        "Lines of the logs of alerts that are not on the disk yet.",
        |own| Some(own.figures.alert_lines_waiting.into()),
    ),
    counter(
        "herdbook_collector_alert_lines_dropped_total",
        "Lines of them that were lost, since the disk took none for too long.",
        |own| Some(own.figures.alert_lines_dropped.into()),
    ),
    gauge(
        "herdbook_collector_disk_free_bytes",
        "Room that is left on the file system of the data directory.",
        |own| own.figures.disk.as_ref()?.free_bytes.map(Into::into),
    ),
    gauge("herdbook_collector_disk_total_bytes", "All room of that file system.", |own| {
        own.figures.disk.as_ref()?.total_bytes.map(Into::into)
    }),
    gauge_by(
        "herdbook_collector_database_bytes",
        "database",
        "What a database takes on the disk, its log included.",
        |own| own.figures.disk.as_ref().map(databases).unwrap_or_default(),
    ),
    gauge(
        "herdbook_collector_models_left_out",
        "Models of services that have no series here, since there are too many.",
        |own| Some(own.n_models_left_out.into()),
    ),
    counter("process_cpu_seconds_total", "Time on processors of the collector's process.", |own| {
        own.figures.process.cpu_seconds.map(Into::into)
    }),
    gauge("process_resident_memory_bytes", "Its memory in RAM.", |own| {
        own.figures.process.resident_memory_bytes.map(Into::into)
    }),
    gauge("process_virtual_memory_bytes", "Its address space.", |own| {
        own.figures.process.virtual_memory_bytes.map(Into::into)
    }),
    gauge("process_threads", "Its threads.", |own| own.figures.process.threads.map(Into::into)),
    gauge("process_open_fds", "Its open descriptors.", |own| {
        own.figures.process.open_fds.map(Into::into)
    }),
    gauge("process_max_fds", "Most descriptors that it may open.", |own| {
        own.figures.process.max_fds.map(Into::into)
    }),
    gauge(
        "process_start_time_seconds",
        "When it started, by its wall clock, since the epoch of Unix.",
        |own| Some(super::family::unix_seconds(own.figures.started_at)),
    ),
];

fn of_words(words: &ByWord) -> Vec<(&'static str, Number)> {
    words.iter().map(|(word, n)| (*word, Number::from(*n))).collect()
}

fn of_counts(counts: &BTreeMap<&'static str, usize>) -> Vec<(&'static str, Number)> {
    counts.iter().map(|(word, n)| (*word, Number::from(*n))).collect()
}

fn databases(disk: &DiskUse) -> Vec<(&'static str, Number)> {
    let databases = [("state", disk.state_db_bytes), ("history", disk.history_db_bytes)];
    databases.into_iter().filter_map(|(name, bytes)| Some((name, bytes?.into()))).collect()
}

fn states(now: StoreState) -> Vec<(&'static str, Number)> {
    StoreState::ALL.iter().map(|state| (state.word(), Number::from(*state == now))).collect()
}
