//! What the data directory takes, and how much room is left beside it. It is measured in a task of
//! its own and kept: a disk that hangs must not hold up whoever asks for figures.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(10);
/// What was measured longer ago than this is no longer told.
const OUTDATED: Duration = Duration::from_secs(60);
/// A database is its file and its write-ahead log.
const LOG_SUFFIX: &str = "-wal";

/// What the data directory takes. What cannot be read is missing.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DiskUse {
    /// The data directory.
    pub data_dir: String,
    /// When this was measured.
    pub at: Timestamp,
    /// Room on its file system for whom the collector runs as.
    pub free_bytes: Option<u64>,
    /// All room of that file system.
    pub total_bytes: Option<u64>,
    /// `state.db` and its log: hosts, services, what happened.
    pub state_db_bytes: Option<u64>,
    /// `history.db` and its log: what hosts measured.
    pub history_db_bytes: Option<u64>,
}

impl DiskUse {
    /// Of this directory, now. May wait for the disk.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        let space = rustix::fs::statvfs(data_dir).ok();
        let in_bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
        Self {
            data_dir: data_dir.display().to_string(),
            at: Timestamp::now(),
            free_bytes: space.as_ref().map(|space| in_bytes(space.f_bavail, space.f_frsize)),
            total_bytes: space.as_ref().map(|space| in_bytes(space.f_blocks, space.f_frsize)),
            state_db_bytes: database_bytes(data_dir, "state.db"),
            history_db_bytes: database_bytes(data_dir, "history.db"),
        }
    }
}

fn database_bytes(data_dir: &Path, name: &str) -> Option<u64> {
    let size = |name: &str| std::fs::metadata(data_dir.join(name)).map(|file| file.len());
    let log = size(&format!("{name}{LOG_SUFFIX}")).unwrap_or(0);
    size(name).ok().map(|bytes| bytes.saturating_add(log))
}

/// Measures in a thread of its own: one that a disk keeps for good must be none of the pool's few,
/// and must not keep the collector from ending. There is one at a time.
async fn measured(data_dir: PathBuf) -> Option<DiskUse> {
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name("disk-use".to_owned());
    // Nobody listens any more where the collector ends.
    let started = thread.spawn(move || drop(tell.send(DiskUse::of(&data_dir))));
    started.ok()?;
    told.await.ok()
}

/// The last measurement.
#[derive(Debug, Default)]
pub struct Disk(Mutex<Option<(Instant, DiskUse)>>);

impl Disk {
    /// What was measured last, unless that is long ago, as where the disk does not answer.
    #[must_use]
    pub fn last(&self) -> Option<DiskUse> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|(at, _)| at.elapsed() < OUTDATED);
        last.map(|(_, measured)| measured.clone())
    }

    /// Measures until `stop`, one at a time however long the disk takes.
    pub async fn run(self: Arc<Self>, data_dir: PathBuf, stop: CancellationToken) {
        let measuring = async {
            loop {
                if let Some(measured) = measured(data_dir.clone()).await {
                    self.keep(measured);
                }
                sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(measuring).await;
    }

    fn keep(&self, measured: DiskUse) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), measured));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_measured_with_its_log_and_what_is_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.db"), [0; 4096]).unwrap();
        std::fs::write(dir.path().join("state.db-wal"), [0; 100]).unwrap();
        let measured = DiskUse::of(dir.path());
        assert_eq!((measured.state_db_bytes, measured.history_db_bytes), (Some(4196), None));
        assert!(measured.free_bytes <= measured.total_bytes && measured.total_bytes > Some(0));
        let gone = DiskUse::of(&dir.path().join("gone"));
        assert_eq!((gone.free_bytes, gone.total_bytes, gone.state_db_bytes), (None, None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_measured_long_ago_is_not_told() {
        let (disk, dir) = (Disk::default(), tempfile::tempdir().unwrap());
        assert_eq!(disk.last(), None);
        disk.keep(DiskUse::of(dir.path()));
        tokio::time::advance(OUTDATED - Duration::from_secs(1)).await;
        assert!(disk.last().is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(disk.last(), None);
    }

    #[tokio::test]
    async fn it_measures_at_once_and_ends_when_it_is_told_to() {
        let (disk, dir) = (Arc::<Disk>::default(), tempfile::tempdir().unwrap());
        let stop = CancellationToken::new();
        let running = Arc::clone(&disk).run(dir.path().to_owned(), stop.clone());
        let asking = async {
            while disk.last().is_none() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(running, asking);
        assert_eq!(disk.last().unwrap().data_dir, dir.path().display().to_string());
    }
}
