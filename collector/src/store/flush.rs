//! Carries what changed to the store, a little later: entities that change again meanwhile are
//! written once, and what cannot be written waits where it is, one entry an entity.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Row, Store, StoreState, WriteError};

/// How long changes are gathered after the first.
const COALESCE: Duration = Duration::from_millis(200);
/// Most rows of one batch.
const BATCH_ROWS: usize = 1000;
/// The first pause after a failure, and by how much each further one is longer.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause after a failure: within it the store recovers once space returns.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long the last flush may take after the stop.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// What has entities to keep.
pub trait DirtySource: Send + Sync {
    /// Told (`notify_one`) when something becomes dirty.
    fn dirty(&self) -> &Notify;
    /// Takes up to `max` dirty entities as they are now.
    fn take_dirty(&self, max: usize) -> Vec<Row>;
    /// Marks them dirty again, unless they have become so meanwhile: the later state wins.
    fn give_back(&self, rows: Vec<Row>);
}

/// Writes what becomes dirty until `stop`, then the rest within 5 s. `state` tells how it goes.
pub async fn flush(
    store: &Store,
    source: &impl DirtySource,
    state: &watch::Sender<StoreState>,
    stop: CancellationToken,
) {
    let flusher = Flusher { store, source, state };
    if stop.run_until_cancelled(flusher.run()).await.is_none() {
        flusher.finish().await;
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(RETRY_MAX)
}

struct Flusher<'a, S> {
    store: &'a Store,
    source: &'a S,
    state: &'a watch::Sender<StoreState>,
}

/// Rows on their way to the disk. Dropped before they arrive, they go back to where they came from.
struct Taken<'a, S: DirtySource> {
    source: &'a S,
    rows: Vec<Row>,
}

impl<S: DirtySource> Flusher<'_, S> {
    async fn run(&self) {
        loop {
            self.source.dirty().notified().await;
            sleep(COALESCE).await;
            let mut pause = RETRY;
            while let Err(error) = self.write_all().await {
                self.note(Some(&error));
                sleep(pause).await;
                pause = longer(pause);
            }
            self.note(None);
        }
    }

    async fn finish(&self) {
        match timeout(LAST_FLUSH, self.write_all()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the last changes could not be kept"),
            Err(_) => tracing::error!("the last changes could not be kept in time"),
        }
    }

    /// Writes until nothing is dirty.
    async fn write_all(&self) -> Result<(), WriteError> {
        loop {
            let rows = self.source.take_dirty(BATCH_ROWS);
            if rows.is_empty() {
                return Ok(());
            }
            let mut taken = Taken { source: self.source, rows };
            self.store.write(taken.rows.clone()).await?;
            taken.rows.clear();
        }
    }

    /// Tells how the store does, and logs when that changes.
    fn note(&self, error: Option<&WriteError>) {
        let now = match error {
            None => StoreState::Ok,
            Some(WriteError::DiskFull) => StoreState::DiskFull,
            Some(WriteError::Io(_) | WriteError::Closed) => StoreState::Failing,
        };
        let before = self.state.send_replace(now);
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

impl<S: DirtySource> Drop for Taken<'_, S> {
    fn drop(&mut self) {
        if !self.rows.is_empty() {
            self.source.give_back(std::mem::take(&mut self.rows));
        }
    }
}

#[cfg(test)]
mod tests;
