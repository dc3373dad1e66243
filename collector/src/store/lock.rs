//! One collector a directory: a lock that the kernel lets go of however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::OpenError;

const NAME: &str = "collector.lock";

/// Held for as long as the store is open.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// A child that was forked and has not yet become its program still holds the descriptor, so
    /// closing ours alone would let go later than whoever comes next may expect.
    fn drop(&mut self) {
        // Closing it follows, which says the same.
        let _ = self.0.unlock();
    }
}

pub(super) fn take(dir: &Path) -> Result<Lock, OpenError> {
    let directory = |source| OpenError::Directory { dir: dir.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(dir.join(NAME)).map_err(directory)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { dir: dir.to_owned(), pid: read_pid(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(directory(source)),
    }
    // Only a courtesy for the message above: a full disk must not fail here.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Lock(file))
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_let_go_though_a_fork_still_holds_the_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        assert!(take(dir.path()).is_err());
        let _as_a_fork_has_it = first.0.try_clone().unwrap();
        drop(first);
        take(dir.path()).unwrap();
    }
}
