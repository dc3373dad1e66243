//! Files of the state directory: whole or not there, for their owner alone.
//!
//! What is written belongs to whoever owns the directory, also where root writes it: the agent that
//! runs there has to read it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Makes the directory where it is missing.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Written beside, synced, then renamed: a crash or a full disk leaves what was there before rather
/// than half of this.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let written = write_new(dir, &new, bytes).and_then(|()| fs::rename(&new, dir.join(name)));
    let written = written.and_then(|()| sync(dir));
    if written.is_err() {
        // Best effort: what stays behind is removed by the next write.
        let _ = fs::remove_file(&new);
    }
    written
}

fn write_new(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    give_to_owner(dir, &file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Lets the owner of the directory have a file that root made in it.
pub(crate) fn give_to_owner(dir: &Path, file: &File) -> io::Result<()> {
    let owner = fs::metadata(dir)?;
    if !geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// The whole of a file that is no longer than `bytes_max`; one byte more of one that is, so that it
/// can be told. None where there is no file. No link is followed: root reads here too.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    open(path)?.map(|file| whole(file, bytes_max)).transpose()
}

/// The file, where there is one, to look at what is then read.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What [`read`] reads of a file.
pub(crate) fn whole(file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives a file another name, in place of what has it.
pub(crate) fn rename(dir: &Path, from: &str, to: &str) -> io::Result<()> {
    fs::rename(dir.join(from), dir.join(to))?;
    sync(dir)
}

/// Removes a file; one that is not there is removed already.
pub(crate) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    remove_if_there(&dir.join(name))?;
    sync(dir)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_written_is_there_whole_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.new"), "left by a crash").unwrap();
        write(dir.path(), "a", b"one").unwrap();
        write(dir.path(), "a", b"two").unwrap();
        let path = dir.path().join("a");
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        remove(dir.path(), "a").unwrap();
        remove(dir.path(), "a").unwrap();
        assert_eq!(read(&path, 10).unwrap(), None);
    }

    #[test]
    fn what_is_long_is_told_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("long"), "0123456789").unwrap();
        assert_eq!(read(&dir.path().join("long"), 3).unwrap().unwrap(), b"0123");
        symlink(dir.path().join("long"), dir.path().join("link")).unwrap();
        assert!(read(&dir.path().join("link"), 3).is_err());
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        assert!(write(dir.path(), "a", b"one").is_err());
        assert!(dir.path().join("a").is_dir() && !dir.path().join("a.new").exists());
    }
}
