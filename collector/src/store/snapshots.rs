//! Copies that the collector makes of its own database, for the day on which that turns out
//! damaged: the newest three, each checked when it was made.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::Store;
use super::copy::{self, CopyError, Pace};
use super::file::with_suffix;
use super::migrations::format_of;

/// How many are kept.
const KEPT: usize = 3;
/// How much older the newest one gets while something changes.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// How often that is looked at, so that a collector that often starts anew makes some, too.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// A larger database is not copied while somebody waits for the collector to end.
const AT_STOP_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a copy leaves of the disk at least, besides as much as itself.
const SPARED_BYTES: u64 = 64 * 1024 * 1024;

/// The snapshots of one database.
#[derive(Clone, Debug)]
pub(super) struct Snapshots {
    database: PathBuf,
    dir: PathBuf,
}

/// Why there is no new one.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("the disk has too little space for a snapshot")]
    NoSpace,
    /// It would take the place of one that is good.
    #[error("the database is empty")]
    Empty,
}

impl Snapshots {
    /// Those beside this database.
    pub(super) fn of(database: &Path) -> Self {
        Self { database: database.to_owned(), dir: database.with_file_name("snapshots") }
    }

    /// All, the newest first, each with when it was made.
    pub(super) fn all(&self) -> Vec<(Timestamp, PathBuf)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries.filter_map(|entry| stamped(entry.path())).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all
    }

    /// Whether the newest one is too old, or of a time that is yet to come.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let age_ms = self.all().first().map(|(at, _)| now.ms_since(*at));
        let every_ms = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX);
        !age_ms.is_some_and(|age_ms| (0..every_ms).contains(&age_ms))
    }

    /// Makes one, and removes those that are too many.
    pub(super) fn take(&self, pace: Pace) -> Result<(), SnapshotError> {
        let sqlite = |error| CopyError::sqlite(&self.dir, error);
        let source = copy::open_source(&self.database).map_err(sqlite)?;
        self.take_of(&source, pace)
    }

    /// Makes one of a database that is open.
    pub(super) fn take_of(&self, source: &Connection, pace: Pace) -> Result<(), SnapshotError> {
        if matches!(format_of(source), Ok(None)) {
            return Err(SnapshotError::Empty);
        }
        self.has_space()?;
        let io = |error| CopyError::io(&self.dir, error);
        make_dir(&self.dir).map_err(io)?;
        let name = format!("state-{}.db", Timestamp::now().unix_ms());
        let to = self.dir.join(name);
        copy::copy(source, &to, pace)?;
        for (_, old) in self.all().into_iter().skip(KEPT) {
            if let Err(error) = std::fs::remove_file(&old) {
                tracing::warn!(path = %old.display(), %error, "an old snapshot stays");
            }
        }
        Ok(())
    }

    /// One at the end, unless that would take long.
    pub(super) fn take_at_stop(&self) {
        let n_bytes = std::fs::metadata(&self.database).map_or(0, |file| file.len());
        if n_bytes > AT_STOP_BYTES_MAX {
            return;
        }
        if let Err(error) = self.take(Pace::Fast) {
            note(&error);
        }
    }

    /// Puts a snapshot where the database was.
    pub(super) fn put_in_place(&self, snapshot: &Path) -> std::io::Result<()> {
        let part = with_suffix(&self.database, ".part");
        let placed =
            copy::copy_file(snapshot, &part).and_then(|()| copy::settle(&part, &self.database));
        if placed.is_err() {
            copy::remove(&part);
        }
        placed
    }

    fn has_space(&self) -> Result<(), SnapshotError> {
        let n_bytes = std::fs::metadata(&self.database).map_or(0, |file| file.len());
        let Some(dir) = self.database.parent() else { return Ok(()) };
        let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        let needed_bytes = n_bytes.saturating_mul(2).saturating_add(SPARED_BYTES);
        if free_bytes < needed_bytes { Err(SnapshotError::NoSpace) } else { Ok(()) }
    }
}

/// Makes a snapshot an hour, if something changed, until `stop`. It is made on a thread of its own
/// and in small steps: the writer goes on.
pub async fn keep_snapshots(store: &Store, stop: CancellationToken) {
    let keeping = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            take_if_due(store).await;
        }
    };
    let _: Option<()> = stop.run_until_cancelled(keeping).await;
}

async fn take_if_due(store: &Store) {
    let n_before = store.n_since_snapshot.load(Ordering::Relaxed);
    let snapshots = Snapshots::of(&store.path);
    if n_before == 0 || !snapshots.is_due(Timestamp::now()) {
        return;
    }
    match tokio::task::spawn_blocking(move || snapshots.take(Pace::Gentle)).await {
        Ok(Ok(())) => {
            store.n_since_snapshot.fetch_sub(n_before, Ordering::Relaxed);
        }
        Ok(Err(error)) => note(&error),
        Err(error) => tracing::error!(%error, "making a snapshot broke"),
    }
}

/// Tells that a snapshot could not be made: the next one is tried all the same.
pub(super) fn note(error: &SnapshotError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, "no snapshot of the database was made");
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn stamped(path: PathBuf) -> Option<(Timestamp, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    let at_ms = name.strip_prefix("state-")?.strip_suffix(".db")?.parse().ok()?;
    Some((Timestamp::from_unix_ms(at_ms), path))
}
