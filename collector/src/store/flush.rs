//! Has the writer fetch what changed: at once where a command waits for it, else a little later, so
//! that entities that change again meanwhile are written once. What cannot be written stays where
//! it is, one entry an entity.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Row, Store, StoreState, WriteError};

/// How long what was observed is gathered after the first.
const COALESCE: Duration = Duration::from_millis(200);
/// The first pause after a failure, and by how much each further one is longer.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause after a failure: within it the store recovers once space returns.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long the last flush may take after the stop.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// How much of what changed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// What somebody waits for.
    Urgent,
    /// All.
    All,
}

/// Rows on their way to the disk.
#[derive(Debug, Default)]
pub struct Batch {
    /// The rows, and each one's number where it is urgent.
    pub rows: Vec<(Option<u64>, Row)>,
    /// Once it is kept, everything urgent up to this number is.
    pub through: u64,
    /// There was more.
    pub is_cut: bool,
}

/// What has entities to keep. The writer's thread takes them, so that it never waits for the thread
/// that carries all sockets, and what comes while it writes goes together with the next batch.
pub trait DirtySource: Send + Sync {
    /// Told (`notify_one`) when something becomes dirty for which somebody waits.
    fn urgent(&self) -> &Notify;
    /// Told (`notify_one`) when something becomes dirty.
    fn dirty(&self) -> &Notify;
    /// Whether somebody waits.
    fn has_urgent(&self) -> bool;
    /// Takes up to about `max` dirty entities as they are now, urgent ones first.
    fn take(&self, extent: Extent, max: usize) -> Batch;
    /// A batch is on the disk.
    fn kept(&self, through: u64);
    /// A batch could not be written: marks its entities dirty again.
    fn give_back(&self, batch: Batch, why: &WriteError);
}

/// Writes what becomes dirty until `stop`, then the rest within 5 s, and notes how the store does.
pub async fn flush(store: &Store, source: Arc<dyn DirtySource>, stop: CancellationToken) {
    let mut flusher = Flusher { store, source, due: None };
    if stop.run_until_cancelled(flusher.run()).await.is_none() {
        flusher.finish().await;
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(RETRY_MAX)
}

struct Flusher<'a> {
    store: &'a Store,
    source: Arc<dyn DirtySource>,
    /// When what was observed has been gathered for long enough.
    due: Option<Instant>,
}

impl Flusher<'_> {
    async fn run(&mut self) {
        loop {
            let extent = self.wanted().await;
            let mut pause = RETRY;
            while let Err(error) = self.write(extent).await {
                self.note(Some(&error));
                sleep(pause).await;
                pause = longer(pause);
            }
            self.note(None);
        }
    }

    /// Waits until something is to be written.
    async fn wanted(&mut self) -> Extent {
        loop {
            let due = self.due;
            let gathered = async { sleep_until(due.unwrap_or_else(Instant::now)).await };
            tokio::select! {
                biased;
                () = self.source.urgent().notified() => return Extent::Urgent,
                () = gathered, if due.is_some() => {
                    self.due = None;
                    return Extent::All;
                }
                () = self.source.dirty().notified(), if due.is_none() => {
                    self.due = Some(Instant::now() + COALESCE);
                }
            }
        }
    }

    /// Writes one batch of what is urgent, after which the writer goes on by itself; or all.
    async fn write(&self, extent: Extent) -> Result<(), WriteError> {
        while self.store.write_dirty(&self.source, extent).await? && extent == Extent::All {}
        Ok(())
    }

    async fn finish(&self) {
        match timeout(LAST_FLUSH, self.write(Extent::All)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the last changes could not be kept"),
            Err(_) => tracing::error!("the last changes could not be kept in time"),
        }
    }

    /// Tells how the store does, and logs when that changes.
    fn note(&self, error: Option<&WriteError>) {
        let now = match error {
            None => StoreState::Ok,
            Some(WriteError::DiskFull) => StoreState::DiskFull,
            Some(WriteError::Io(_) | WriteError::Closed) => StoreState::Failing,
        };
        let before = self.store.state.send_replace(now);
        match error {
            Some(error) if before != now => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, "changes are kept in memory only, for now");
            }
            None if before != now => tracing::info!("changes are kept on the disk again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
