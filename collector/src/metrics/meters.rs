//! What the collector counts of itself that no other part counts: how late its thread and its sweep
//! come, and where it reads what the others count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::history::Backlog;
use crate::journal::JournalCounts;
use crate::notify::NotifyCounts;
use crate::registry::Registry;
use crate::serve::Turned;
use crate::store::StoreState;
use crate::sweep::Lateness;

use super::disk::Disk;
use super::probe::Probe;

/// Answers with all series that may be on their way at one time.
pub const SCRAPES_MAX: usize = 8;

/// See the module's words. All counts are since the start.
#[derive(Debug)]
pub struct Meters {
    /// When the collector started, by its wall clock.
    pub started_at: Timestamp,
    started: Instant,
    n_stalls: AtomicU64,
    stalled_us: AtomicU64,
    /// Thousandths of a sample a second.
    sample_rate: AtomicU64,
    /// How late the sweep comes.
    pub sweep: Arc<Lateness>,
    /// What the data directory takes.
    pub disk: Arc<Disk>,
    /// Connections that were turned away.
    pub turned: Arc<Turned>,
    /// How the store does.
    pub store: watch::Receiver<StoreState>,
    /// What of the history waits to be written.
    pub backlog: Backlog,
    /// Room for answers with all series.
    pub scrapes: Arc<Semaphore>,
    /// What becomes of alerts that are told: those who tell begin after the meters.
    pub told: OnceLock<Told>,
}

/// What becomes of alerts that are told.
#[derive(Debug)]
pub struct Told {
    /// Of the lines of the logs.
    pub journal: Arc<JournalCounts>,
    /// Of the messages, one entry for each URL.
    pub messages: Vec<Arc<NotifyCounts>>,
}

impl Told {
    /// Messages that were sent, failed and were dropped.
    #[must_use]
    pub fn messages(&self) -> [(&'static str, u64); 3] {
        let sum = |count: fn(&NotifyCounts) -> u64| self.messages.iter().map(|of| count(of)).sum();
        [
            ("sent", sum(NotifyCounts::n_sent)),
            ("failed", sum(NotifyCounts::n_failed)),
            ("dropped", sum(NotifyCounts::n_dropped)),
        ]
    }
}

impl Meters {
    /// Of a collector that starts now.
    #[must_use]
    pub fn new(store: watch::Receiver<StoreState>, backlog: Backlog) -> Self {
        Self {
            started_at: Timestamp::now(),
            started: Instant::now(),
            n_stalls: AtomicU64::new(0),
            stalled_us: AtomicU64::new(0),
            sample_rate: AtomicU64::new(0),
            sweep: Arc::default(),
            disk: Arc::default(),
            turned: Arc::default(),
            store,
            backlog,
            scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)),
            told: OnceLock::new(),
        }
    }

    /// Watches until `stop` how late the thread is that carries all sockets.
    pub async fn run(self: Arc<Self>, registry: Arc<Registry>, stop: CancellationToken) {
        let probe = Probe::new(&self, &registry);
        stop.run_until_cancelled(probe.run()).await;
    }

    /// How long the collector runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// How often the thread that carries all sockets did not get on.
    #[must_use]
    pub fn n_stalls(&self) -> u64 {
        self.n_stalls.load(Ordering::Relaxed)
    }

    /// For how long in all.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        Duration::from_micros(self.stalled_us.load(Ordering::Relaxed))
    }

    /// Samples of hosts a second, over the last ten.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "thousandths below 2^53")]
    pub fn samples_per_second(&self) -> f64 {
        self.sample_rate.load(Ordering::Relaxed) as f64 / 1000.0
    }

    pub(super) fn count_stall(&self, late: Duration) {
        self.n_stalls.fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.stalled_us.fetch_add(us, Ordering::Relaxed);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float stays within bounds, and a rate is not below 0"
    )]
    pub(super) fn write_sample_rate(&self, per_second: f64) {
        self.sample_rate.store((per_second * 1000.0).round() as u64, Ordering::Relaxed);
    }
}
