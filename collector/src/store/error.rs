//! Why the store cannot be opened, or a batch is not kept.

use std::path::PathBuf;
use std::sync::Arc;

use super::copy::CopyError;
use super::said::Said;

/// The store cannot be opened: a matter of the directory that was configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("failed to use the data directory {}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another collector is using it.
    #[error("another collector{} is using {}; stop it, or choose another --data-dir",
        pid.map_or_else(String::new, |pid| format!(" (process {pid})")), dir.display())]
    InUse {
        /// Which.
        dir: PathBuf,
        /// Its process, where it told.
        pid: Option<u32>,
    },
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer herdbook-collector (format {found}; this one knows up to \
         {known}); install that version again, or choose another --data-dir", path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// It is a database, but none of ours.
    #[error("{} belongs to another program; choose another --data-dir", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// No space left.
    #[error("the disk of {} is full; free some space and start again", path.display())]
    DiskFull {
        /// Which file.
        path: PathBuf,
    },
    /// An older database cannot be kept as it was.
    #[error("failed to keep {} as it is before it is brought up to date", path.display())]
    NotKept {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CopyError,
    },
    /// SQLite is older than what is safe.
    #[error("SQLite {0} has a known fault in its write-ahead log; 3.51.3 or newer is needed")]
    OldSqlite(&'static str),
    /// Something else.
    #[error("failed to open {}", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Said,
    },
}

/// A batch was not kept. The writer goes on, and the next batch may succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// No space left, on the disk or within the bound of the database.
    #[error("the disk is full")]
    DiskFull,
    /// Something else.
    #[error("failed to write to the database")]
    Io(#[source] Arc<rusqlite::Error>),
    /// The store is closed, or its writer is gone.
    #[error("the store is closed")]
    Closed,
}
