//! What happened to hosts and services: their sessions, and how their statuses changed and why.
//!
//! It follows the registry as any subscriber does, with a cursor and no hold on it, and appends
//! what is worth remembering to the store. What cannot be written waits, bounded. Not here: how
//! rows are kept and pruned ([`crate::store`]), and samples.

mod follow;
mod pending;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::store::{
    Entry, Numbered, ReadError, Reader, SessionRow, StatusRow, Store, Whose, WriteError,
};

use follow::Follower;
use pending::{Batch, Pending};

pub use pending::Backlog;
pub use rows::session_row;

/// How long changes are gathered after the first. The ring holds what 10,000 hosts do meanwhile.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
/// Changes that are looked at before the sockets get their turn.
const CHANGES_A_TURN: usize = 200;
/// How long entries are gathered after the first: each batch costs a sync of the disk.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Entries of one batch. The more go together, the fewer pages are written for each; they leave room
/// in their transaction for those who wait for an answer.
const BATCH: usize = 800;
/// How often it is noted that the collector lives, and what is too old is removed.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// The first pause after a failed write, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(5);
/// How many may read at once; more wait.
const READERS: usize = 4;

/// Where histories are read.
#[derive(Clone, Debug)]
pub struct History {
    reader: Arc<Reader>,
    slots: Arc<Semaphore>,
}

impl History {
    /// Reads what was appended to this store.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self { reader: Arc::new(store.reader()), slots: Arc::new(Semaphore::new(READERS)) }
    }

    /// The sessions of a host that ended, the last that was opened first.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn sessions(
        &self,
        host_id: String,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Numbered<SessionRow>>, ReadError> {
        self.read(move |reader| reader.sessions(&host_id, before, limit)).await
    }

    /// Changes of the status of a host or service, the latest first.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn statuses(
        &self,
        whose: Whose,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Numbered<StatusRow>>, ReadError> {
        self.read(move |reader| reader.statuses(&whose, before, limit)).await
    }

    /// Reads beside the thread that carries all sockets.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<Vec<T>, ReadError> + Send + 'static,
    ) -> Result<Vec<T>, ReadError> {
        // The semaphore is never closed; a reader too many would be no harm.
        let _slot = self.slots.acquire().await;
        let reader = Arc::clone(&self.reader);
        // Where the runtime ends, whoever asks does with it.
        beside(move || query(&reader)).await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// Follows the registry and writes its history.
#[derive(Debug)]
pub struct Recorder {
    registry: Arc<Registry>,
    store: Arc<Store>,
    follower: Follower,
    pending: Arc<Pending>,
    ready: Notify,
}

impl Recorder {
    /// Begins with the registry as it is: what it restored is no change.
    #[must_use]
    pub fn new(registry: Arc<Registry>, store: Arc<Store>) -> Self {
        let departed_after = registry.checks().departed_after;
        let follower = Follower::new(&registry.snapshot(Moment::now()), departed_after);
        let pending = Arc::<Pending>::default();
        Self { registry, store, follower, pending, ready: Notify::new() }
    }

    /// What waits to be written, for whoever asks.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog(Arc::clone(&self.pending))
    }

    /// Records until `stop`, then what has happened until then, within 5 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let Self { registry, store, follower, pending, ready } = &mut self;
        let (pending, ready) = (&**pending, &*ready);
        let writing = write(store, pending, ready, &stop);
        let patience = async {
            stop.cancelled().await;
            sleep(LAST_WRITE).await;
        };
        let writing = async {
            tokio::select! {
                () = writing => (),
                // A disk that hangs does not hold up the end.
                () = patience => (),
            }
        };
        tokio::join!(follow(registry, follower, pending, ready, &stop), writing);
        take_all(registry, follower, pending).await;
        pending.push(follower.release_all());
        let last = timeout(LAST_WRITE, write_all(store, pending)).await;
        if !matches!(last, Ok(Ok(()))) {
            tracing::error!(n_lost = pending.len(), "the last of the history could not be kept");
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
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {
                sleep(FOLLOW_EVERY).await;
                changed.mark_unchanged();
                take_all(registry, follower, pending).await;
            }
            _ = alive.tick() => note_alive(follower, pending),
        }
        if !pending.is_empty() {
            ready.notify_one();
        }
    }
}

fn note_alive(follower: &mut Follower, pending: &Pending) {
    let at = Moment::now().at;
    pending.push(follower.release(at));
    pending.push(vec![Entry::Alive(at), Entry::Prune(at)]);
}

/// Takes in all changes that there are.
async fn take_all(registry: &Arc<Registry>, follower: &mut Follower, pending: &Pending) {
    loop {
        match registry.changes_since(follower.seq(), CHANGES_A_TURN) {
            Ok(changes) if changes.is_empty() => return,
            Ok(changes) => pending.push(follower.take(&changes)),
            Err(_) => resume(registry, follower, pending).await,
        }
        yield_now().await;
    }
}

/// Goes on from a snapshot, beside the thread that carries all sockets: with 10,000 hosts this takes
/// tens of milliseconds.
async fn resume(registry: &Arc<Registry>, follower: &mut Follower, pending: &Pending) {
    let (mut lagging, registry) = (std::mem::take(follower), Arc::clone(registry));
    let resumed = beside(move || {
        let entries = lagging.resume(&registry.snapshot(Moment::now()));
        (lagging, entries)
    });
    let Some((resumed, entries)) = resumed.await else { return };
    *follower = resumed;
    pending.push(entries);
}

/// Works on a thread that may wait; nothing comes of it where the runtime ends.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(panicked) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
        Err(_) => None,
    }
}

async fn write(store: &Store, pending: &Pending, ready: &Notify, stop: &CancellationToken) {
    let mut pause = RETRY.0;
    let mut is_failing = false;
    while stop.run_until_cancelled(ready.notified()).await.is_some() {
        sleep(WRITE_EVERY).await;
        while let Err(error) = write_all(store, pending).await {
            if !is_failing {
                tracing::error!(%error, "the history is kept in memory only, for now");
            }
            is_failing = true;
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(RETRY.1);
        }
        if std::mem::take(&mut is_failing) {
            let n_dropped = pending.n_dropped();
            tracing::info!(n_dropped, "the history is kept on the disk again");
        }
        pause = RETRY.0;
    }
}

/// Writes until nothing waits. What is being written waits until it is known to be kept.
async fn write_all(store: &Store, pending: &Pending) -> Result<(), WriteError> {
    loop {
        let Batch { mut entries, end } = pending.first(BATCH);
        if entries.is_empty() {
            return Ok(());
        }
        let at = Moment::now().at;
        entries.extend([Entry::Alive(at), Entry::Prune(at)]);
        store.append(entries).await?;
        pending.forget_until(end);
    }
}

#[cfg(test)]
mod tests;
