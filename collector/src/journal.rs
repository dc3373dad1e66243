//! The two logs in `events/`: all alerts, and those of services that beat in the shape that their
//! first clients know.
//!
//! It follows the registry as any subscriber does, with a cursor and no hold on it, and appends
//! lines to files, beside the thread that carries all sockets. What cannot be written waits,
//! bounded, and is written once the disk has room. Not here: who is told of alerts
//! ([`crate::notify`]) and which there are.

mod beats;
mod files;
mod line;
mod pending;
mod recent;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::notices::Notices;
use crate::registry::Registry;
use crate::registry::change::Change;
use crate::registry::moment::Moment;

use beats::Beats;
use files::Files;
use line::{Day, Line};
use pending::Pending;

pub use line::{AlertLine, AlertLineType, HeartbeatAction, HeartbeatAlert, HeartbeatAlertType};
pub use recent::HeartbeatAlerts;

/// The folder in the data directory.
const FOLDER: &str = "events";
/// How long changes are gathered after the first.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
/// Changes that are looked at before the sockets get their turn.
const CHANGES_A_TURN: usize = 200;
/// How long lines are gathered after the first: each batch costs a sync of the disk.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Lines of one batch.
const BATCH: usize = 500;
/// The first pause after a failed write, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What became of lines, since the start.
#[derive(Debug, Default)]
pub struct JournalCounts {
    n_written: AtomicU64,
    n_failed: AtomicU64,
    pending: Pending,
}

impl JournalCounts {
    /// Lines that were written.
    #[must_use]
    pub fn n_written(&self) -> u64 {
        self.n_written.load(Ordering::Relaxed)
    }

    /// Writes that failed; their lines were kept.
    #[must_use]
    pub fn n_failed(&self) -> u64 {
        self.n_failed.load(Ordering::Relaxed)
    }

    /// Lines that were dropped, as too many waited.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.pending.n_dropped()
    }

    /// Lines that wait.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.pending.len()
    }
}

/// Follows the registry and writes both logs.
#[derive(Debug)]
pub struct Journal {
    registry: Arc<Registry>,
    follower: Follower,
    writer: Writer,
    ready: Notify,
}

impl Journal {
    /// Begins with the registry as it is: what it restored was written already. What is written
    /// of services that beat is pushed to `recent` as well.
    #[must_use]
    pub fn new(registry: Arc<Registry>, data_dir: &Path, recent: HeartbeatAlerts) -> Self {
        let files = Files::new(data_dir.join(FOLDER));
        let follower = Follower::new(&registry, recent);
        let writer = Writer { files, counts: Arc::default() };
        Self { registry, follower, writer, ready: Notify::new() }
    }

    /// What becomes of lines.
    #[must_use]
    pub fn counts(&self) -> Arc<JournalCounts> {
        Arc::clone(&self.writer.counts)
    }

    /// Writes until `stop`, then what has happened until then, within 5 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let Self { registry, follower, writer, ready } = &mut self;
        let pending = &writer.counts.pending;
        let writing = writer.run(ready, &stop);
        let writing = async {
            tokio::select! {
                () = writing => (),
                // A disk that hangs does not hold up the end.
                () = async { stop.cancelled().await; sleep(LAST_WRITE).await } => (),
            }
        };
        tokio::join!(follow(registry, follower, pending, ready, &stop), writing);
        follower.take_all(registry, pending).await;
        let last = timeout(LAST_WRITE, writer.write_all()).await;
        if !matches!(last, Ok(Ok(()))) {
            tracing::error!(n_lost = pending.len(), "the last alerts could not be logged");
        }
    }
}

async fn follow(
    registry: &Arc<Registry>,
    follower: &mut Follower,
    pending: &Pending,
    ready: &Notify,
    stop: &CancellationToken,
) {
    let mut changed = registry.watch();
    // What happened between the snapshot and now wakes nobody.
    changed.mark_changed();
    while let Some(Ok(())) = stop.run_until_cancelled(changed.changed()).await {
        sleep(FOLLOW_EVERY).await;
        changed.mark_unchanged();
        follower.take_all(registry, pending).await;
        if pending.len() > 0 {
            ready.notify_one();
        }
    }
}

/// From changes of the registry to lines.
#[derive(Debug)]
struct Follower {
    notices: Notices,
    beats: Beats,
    recent: HeartbeatAlerts,
}

impl Follower {
    fn new(registry: &Registry, recent: HeartbeatAlerts) -> Self {
        let snapshot = registry.snapshot(Moment::now());
        let departed_after = registry.checks().departed_after;
        let beats = Beats::new(&snapshot, &registry.departed_services(), departed_after);
        Self { notices: Notices::new(&snapshot), beats, recent }
    }

    /// Takes in all changes that there are.
    async fn take_all(&mut self, registry: &Arc<Registry>, pending: &Pending) {
        loop {
            match registry.changes_since(self.notices.seq(), CHANGES_A_TURN) {
                Ok(changes) if changes.is_empty() => return,
                Ok(changes) => {
                    for change in changes {
                        pending.push(self.take(&change));
                    }
                }
                Err(_) => pending.push(self.resume(registry).await),
            }
            yield_now().await;
        }
    }

    fn take(&mut self, change: &Change) -> Vec<Line> {
        let notice = self.notices.take(change);
        let alert = self.beats.take(change);
        let heartbeat = alert.map(|alert| {
            let line = Line::of_heartbeat(&alert);
            self.recent.push(alert);
            line
        });
        notice.iter().map(Line::of_alert).chain(heartbeat).collect()
    }

    /// Goes on from a snapshot, which is taken beside the thread that carries all sockets: with
    /// 10,000 hosts this takes tens of milliseconds.
    async fn resume(&mut self, registry: &Arc<Registry>) -> Vec<Line> {
        let registry = Arc::clone(registry);
        let look = move || (registry.snapshot(Moment::now()), registry.departed_services());
        let Some((snapshot, departed)) = beside(look).await else { return Vec::new() };
        let notices = self.notices.resume(&snapshot);
        let alerts = self.beats.resume(&snapshot, &departed);
        let heartbeats = alerts.iter().map(Line::of_heartbeat);
        let lines = notices.iter().map(Line::of_alert).chain(heartbeats).collect();
        alerts.into_iter().for_each(|alert| self.recent.push(alert));
        lines
    }
}

/// From lines to the disk.
#[derive(Debug)]
struct Writer {
    files: Files,
    counts: Arc<JournalCounts>,
}

impl Writer {
    async fn run(&self, ready: &Notify, stop: &CancellationToken) {
        let mut pruned = None;
        self.prune(&mut pruned).await;
        let (mut pause, mut is_failing) = (RETRY.0, false);
        while stop.run_until_cancelled(ready.notified()).await.is_some() {
            sleep(WRITE_EVERY).await;
            while let Err(error) = self.write_all().await {
                if !is_failing {
                    tracing::error!(%error, "alerts cannot be logged, and wait");
                }
                is_failing = true;
                if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(RETRY.1);
            }
            if std::mem::take(&mut is_failing) {
                tracing::info!(n_dropped = self.counts.n_dropped(), "alerts are logged again");
            }
            pause = RETRY.0;
            self.prune(&mut pruned).await;
        }
    }

    /// Writes until nothing waits.
    async fn write_all(&self) -> io::Result<()> {
        loop {
            let batch = self.counts.pending.first(BATCH);
            if batch.lines.is_empty() {
                return Ok(());
            }
            let (files, lines) = (self.files.clone(), batch.lines.clone());
            let Some((n_written, done)) = beside(move || files.append(&lines)).await else {
                return Ok(());
            };
            self.counts.pending.forget(&batch, n_written);
            self.counts.n_written.fetch_add(n_written as u64, Ordering::Relaxed);
            if done.is_err() {
                self.counts.n_failed.fetch_add(1, Ordering::Relaxed);
            }
            done?;
        }
    }

    /// Looks once a day for what is too old, and after as many lines as may fill a file.
    async fn prune(&self, pruned: &mut Option<(Day, u64)>) {
        let now = Timestamp::now();
        let due = Some((Day::of(now), self.counts.n_written() / 10_000));
        if *pruned != due {
            *pruned = due;
            let files = self.files.clone();
            beside(move || files.prune(now)).await;
        }
    }
}

/// Works on a thread that may wait; nothing comes of it where the runtime ends.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(panicked) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
