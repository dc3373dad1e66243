//! Whether the file that is open still has its name. One that was removed or replaced takes what is
//! written to it along when the process ends, and SQLite does not say so.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::copy::Pace;
use super::file::StateFile;
use super::snapshots::{Snapshots, note};

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|file| Self::from(&file))
    }
}

impl From<&Metadata> for FileId {
    fn from(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

impl StateFile {
    /// Fails where the database is no longer in its place. One look at the directory costs nothing
    /// beside the sync of a transaction.
    pub(super) fn is_in_place(&mut self) -> rusqlite::Result<()> {
        match FileId::of(&self.path) {
            Ok(found) if found == self.id => return Ok(()),
            // Whether it is there is not known: the transaction tells.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Ok(()),
            _ => {}
        }
        // It is let go of after the first failure: this is told once.
        if let Some(connection) = &self.connection {
            tracing::error!(
                path = %self.path.display(),
                "the database was removed or replaced while the collector runs: nothing is kept \
                 until it is back; without it, start the collector again"
            );
            // All that was answered for is still there to be read, for the next start.
            if let Err(error) = Snapshots::of(&self.path).take_of(connection, Pace::Fast) {
                note(&error);
            }
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY_DBMOVED);
        let words = "the database was removed or replaced".to_owned();
        Err(rusqlite::Error::SqliteFailure(code, Some(words)))
    }
}
