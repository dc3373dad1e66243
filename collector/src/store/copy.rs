//! Copies of a database while it is used: SQLite's online backup over one read transaction, so that
//! the copy is of one moment and nobody waits for it. A copy is whole, checked and on the disk
//! before it gets its name.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Said;
use super::file::{BUSY_TIMEOUT, verdict, with_suffix};

/// Only the owner reads it.
const MODE: u32 = 0o600;
/// Between two steps of a gentle copy.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a lock on what is copied is waited for, in all.
const LOCKED_MAX: u32 = 1000;

/// How much of the disk a copy takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A mebibyte, then a pause: others write meanwhile.
    Gentle,
    /// All it can.
    Fast,
}

/// A copy could not be made; there is none then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// No space left.
    #[error("the disk of {} is full", path.display())]
    DiskFull {
        /// Which file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be copied.
    #[error("failed to copy the database to {}", path.display())]
    Sqlite {
        /// To where.
        path: PathBuf,
        /// Why.
        source: Said,
    },
    /// The copy is not whole, most likely since the database is not.
    #[error("the copy {} came out damaged ({verdict})", path.display())]
    Damaged {
        /// To where.
        path: PathBuf,
        /// What is wrong with it.
        verdict: String,
    },
}

impl CopyError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            _ => Self::Sqlite { path, source: source.into() },
        }
    }
}

/// Opens a database that somebody else may be using, to read it. It is not made where it is not.
pub(super) fn open_source(path: &Path) -> rusqlite::Result<Connection> {
    // A database that nobody has open needs its shared memory made, which reading alone may not do.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Copies what `source` sees to the file `to`, whatever was there.
pub(super) fn copy(source: &Connection, to: &Path, pace: Pace) -> Result<(), CopyError> {
    let part = with_suffix(to, ".part");
    let copied = fresh(&part)
        .map_err(|error| CopyError::io(&part, error))
        .and_then(|_| fill(source, &part, pace))
        .and_then(|()| settle(&part, to).map_err(|error| CopyError::io(to, error)));
    if copied.is_err() {
        remove(&part);
    }
    copied
}

/// An empty file for its owner alone, in the place of what a copy that was cut short left.
fn fresh(part: &Path) -> io::Result<File> {
    remove(part);
    OpenOptions::new().write(true).create_new(true).mode(MODE).open(part)
}

/// Copies the bytes of a file, and none of its permissions: what can only be read is of no use here.
pub(super) fn copy_file(from: &Path, part: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    io::copy(&mut from, &mut fresh(part)?).map(|_| ())
}

pub(super) fn remove(part: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        // What is not there is what is wanted; what cannot be removed cannot be made anew.
        let _ = std::fs::remove_file(with_suffix(part, suffix));
    }
}

fn fill(source: &Connection, part: &Path, pace: Pace) -> Result<(), CopyError> {
    let sqlite = |error| CopyError::sqlite(part, error);
    let mut target = open_source(part).map_err(sqlite)?;
    pages(source, &mut target, pace).map_err(sqlite)?;
    // One file, which can be read where nothing can be written.
    finish(&target).map_err(sqlite)?;
    let verdict = verdict(&target).map_err(sqlite)?;
    target.close().map_err(|(_, error)| sqlite(error))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        _ => Err(CopyError::Damaged { path: part.to_owned(), verdict }),
    }
}

fn pages(source: &Connection, target: &mut Connection, pace: Pace) -> rusqlite::Result<()> {
    // The copy is synced as a whole, once it is one.
    target.pragma_update(None, "synchronous", "OFF")?;
    // The moment that is copied, however long that takes.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(source, target)?;
    let n_pages = if pace == Pace::Gentle { 256 } else { 16_384 };
    let mut n_locked = 0;
    loop {
        match backup.step(n_pages)? {
            StepResult::Done => break,
            StepResult::More if pace == Pace::Fast => {}
            StepResult::More => std::thread::sleep(PAUSE),
            _ if n_locked < LOCKED_MAX => {
                n_locked += 1;
                std::thread::sleep(PAUSE);
            }
            _ => {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(code, None));
            }
        }
    }
    drop(backup);
    moment.finish()
}

fn finish(target: &Connection) -> rusqlite::Result<()> {
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
}

/// Has a whole file get its name, for good.
pub(super) fn settle(part: &Path, to: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    std::fs::rename(part, to)?;
    sync_dir_of(to)
}

/// Has the names in the directory of a file be on the disk.
pub(super) fn sync_dir_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}
