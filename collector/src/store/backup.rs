//! What people do to keep a collector beyond its machine: a backup of the database to a file, while
//! the collector runs, and back again, while it does not.

use std::io;
use std::path::{Path, PathBuf};

use herdbook_shared::time::Timestamp;
use rusqlite::Connection;

use super::aside::make_room;
use super::copy::{self, CopyError, Pace};
use super::file::{verdict, with_suffix};
use super::migrations::{MigrateError, format_of};
use super::place::FileId;
use super::{DATABASE, OpenError, Said, lock};

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it.
    Keep,
    /// Put the backup in its place, once that is whole.
    Replace,
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The format of the database.
    pub format: i64,
    /// How many hosts are in it.
    pub n_hosts: u64,
    /// How many services are in it.
    pub n_services: u64,
}

/// A backup could not be made, or not be put back. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing to make a backup of.
    #[error("there is no {DATABASE} in {}; name the collector's directory with --data-dir", dir.display())]
    NoDatabase {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is there.
    #[error("{} is there already; choose another name, or add --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It would be written over what is to be kept, or is lost together with it.
    #[error(
        "{} is in the data directory {}, or one of its files; name a file elsewhere, best on \
         another disk", path.display(), dir.display()
    )]
    Own {
        /// The file.
        path: PathBuf,
        /// The directory.
        dir: PathBuf,
    },
    /// The file is none that a collector wrote, or it is damaged.
    #[error("{} is no whole backup of a collector ({verdict}); nothing was changed", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        verdict: String,
    },
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is in use, or a newer version wrote the file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The database cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Said,
    },
}

/// Writes the database in `dir` as it is now to a file, for its owner alone. The collector may run.
///
/// # Errors
///
/// [`BackupError`].
pub fn back_up(dir: &Path, to: &Path, existing: Existing) -> Result<Summary, BackupError> {
    let database = dir.join(DATABASE);
    if !database.is_file() {
        return Err(BackupError::NoDatabase { dir: dir.to_owned() });
    }
    if is_own(dir, to) {
        return Err(BackupError::Own { path: to.to_owned(), dir: dir.to_owned() });
    }
    if existing == Existing::Keep && to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let read =
        |error: rusqlite::Error| BackupError::Read { path: database.clone(), source: error.into() };
    let source = copy::open_source(&database).map_err(read)?;
    format(&source, &database)?;
    copy::copy(&source, to, Pace::Fast)?;
    let copied = copy::open_source(to).map_err(read)?;
    summary(&copied, to)
}

/// Whether `to` is in the directory, or is another name of a file in it.
fn is_own(dir: &Path, to: &Path) -> bool {
    let into = to.parent().filter(|into| !into.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where one of them is not to be found, there is nothing to write over.
    if let (Ok(dir), Ok(into)) = (dir.canonicalize(), into.canonicalize())
        && into.starts_with(dir)
    {
        return true;
    }
    let Ok(id) = FileId::of(to) else { return false };
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.into_iter().any(|file| FileId::of(&file.path()).is_ok_and(|own| own == id))
}

/// Puts a backup in the place of the database in `dir`, which is kept beside it. Returns what was
/// in the backup, and where the database went that was there.
///
/// # Errors
///
/// [`BackupError`]; also where a collector uses the directory.
pub fn restore(dir: &Path, from: &Path) -> Result<(Summary, Option<PathBuf>), BackupError> {
    let lock = lock::take(dir)?;
    let database = dir.join(DATABASE);
    let part = with_suffix(&database, ".part");
    let restored = put_back(&database, from, &part);
    if restored.is_err() {
        copy::remove(&part);
    }
    drop(lock);
    restored
}

fn put_back(
    database: &Path,
    from: &Path,
    part: &Path,
) -> Result<(Summary, Option<PathBuf>), BackupError> {
    if from.is_dir() {
        let verdict = "it is a folder".to_owned();
        return Err(BackupError::NoBackup { path: from.to_owned(), verdict });
    }
    let io = |error| CopyError::io(part, error);
    take_in(from, part).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            BackupError::Unreadable { path: from.to_owned(), source: error }
        }
        _ => io(error).into(),
    })?;
    let summary = whole(part, from)?;
    let replaced = set_aside(database).map_err(io)?;
    copy::settle(part, database).map_err(io)?;
    Ok((summary, replaced))
}

/// A copy of the file, and of what SQLite keeps beside it where that was not folded in.
fn take_in(from: &Path, part: &Path) -> io::Result<()> {
    copy::copy_file(from, part)?;
    let log = with_suffix(from, "-wal");
    if log.is_file() {
        copy::copy_file(&log, &with_suffix(part, "-wal"))?;
    }
    Ok(())
}

/// Checks a copy of a backup and folds all of it into one file.
fn whole(part: &Path, from: &Path) -> Result<Summary, BackupError> {
    let damaged = |error: rusqlite::Error| BackupError::NoBackup {
        path: from.to_owned(),
        verdict: error.to_string(),
    };
    let copy = copy::open_source(part).map_err(damaged)?;
    format(&copy, from).map_err(no_register)?;
    let verdict = verdict(&copy).map_err(damaged)?;
    if verdict != "ok" {
        return Err(BackupError::NoBackup { path: from.to_owned(), verdict });
    }
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(damaged)?;
    let summary = summary(&copy, from)?;
    copy.close().map_err(|(_, error)| damaged(error))?;
    Ok(summary)
}

/// A file that was given says nothing of the directory.
fn no_register(error: BackupError) -> BackupError {
    match error {
        BackupError::Open(OpenError::Foreign { path }) => {
            let verdict = "it holds no register of Herdbook: another program wrote it, or it is \
                           another file of the collector, such as history.db";
            BackupError::NoBackup { path, verdict: verdict.to_owned() }
        }
        other => other,
    }
}

/// Keeps the database that is there under another name, and none of its log under its own: that
/// would be taken for the log of what comes in its place.
fn set_aside(database: &Path) -> io::Result<Option<PathBuf>> {
    let suffix = format!(".replaced-{}", Timestamp::now().unix_ms());
    let aside = with_suffix(database, &suffix);
    let snapshots = database.with_file_name("snapshots");
    if snapshots.is_dir() {
        make_room(&snapshots, "replaced");
        std::fs::rename(&snapshots, with_suffix(&snapshots, &suffix))?;
    }
    if !database.exists() {
        return Ok(None);
    }
    make_room(database, "replaced");
    if let Ok(there) = copy::open_source(database) {
        // Where it cannot be folded in, its log goes along as it is.
        let _ = there.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    for suffix in ["-wal", "-shm"] {
        let log = with_suffix(database, suffix);
        if log.exists() {
            std::fs::rename(&log, with_suffix(&aside, suffix))?;
        }
    }
    // Two names for a moment: at no time is there none.
    std::fs::hard_link(database, &aside).or_else(|_| std::fs::rename(database, &aside))?;
    copy::sync_dir_of(database)?;
    Ok(Some(aside))
}

fn format(connection: &Connection, path: &Path) -> Result<i64, BackupError> {
    let path = path.to_owned();
    match format_of(connection) {
        Ok(Some(format)) => Ok(format),
        Ok(None) => Err(BackupError::NoBackup { path, verdict: "it is empty".to_owned() }),
        Err(MigrateError::Newer { found, known }) => {
            Err(OpenError::Newer { path, found, known }.into())
        }
        Err(MigrateError::Foreign) => Err(OpenError::Foreign { path }.into()),
        Err(MigrateError::Sqlite(error)) => {
            Err(BackupError::NoBackup { path, verdict: error.to_string() })
        }
    }
}

fn summary(connection: &Connection, path: &Path) -> Result<Summary, BackupError> {
    let count = |select: &str| {
        let n = connection.query_row(select, [], |row| row.get::<_, i64>(0));
        n.map(i64::unsigned_abs)
            .map_err(|error| BackupError::Read { path: path.to_owned(), source: error.into() })
    };
    Ok(Summary {
        format: format(connection, path)?,
        n_hosts: count("SELECT count(*) FROM hosts")?,
        n_services: count("SELECT count(*) FROM services")?,
    })
}

#[cfg(test)]
mod tests;
