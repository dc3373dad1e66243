//! The fingerprints of revoked keys, one a line, beside the database and written before it: when an
//! older copy of the database takes its place, a key that was revoked since stays so.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use herdbook_shared::fingerprint::Fingerprint;

/// The name of the file in the data directory.
const NAME: &str = "revoked";
/// Largest file that is read: 600,000 keys.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The file cannot be read: without it nobody knows who was revoked.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {}, which holds the keys that were revoked; make it readable for this user",
    path.display())]
pub struct RevokedError {
    path: PathBuf,
    source: io::Error,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct RevokedFile {
    path: PathBuf,
}

impl RevokedFile {
    /// Of a data directory, and what stands in it. A line that was cut off by a crash was never
    /// answered for, and is left out.
    ///
    /// # Errors
    ///
    /// Where it is there and cannot be read.
    pub(super) fn of_dir(dir: &Path) -> Result<(Self, Vec<Fingerprint>), RevokedError> {
        let path = dir.join(NAME);
        let mut text = String::new();
        let read =
            File::open(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text));
        match read {
            Ok(n) if n as u64 > BYTES_MAX => {
                let source = io::Error::other("it is larger than 32 MiB");
                return Err(RevokedError { path, source });
            }
            Ok(_) => (),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(source) => return Err(RevokedError { path, source }),
        }
        let revoked = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        Ok((Self { path }, revoked))
    }

    /// Adds one; answered once it is on the disk.
    pub(super) fn add(&self, fingerprint: &Fingerprint) -> io::Result<()> {
        let is_new = !self.path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
        // Whatever a crash or a full disk left of the last line is ended first.
        file.write_all(format!("\n{fingerprint}\n").as_bytes())?;
        file.sync_data()?;
        match self.path.parent().filter(|_| is_new) {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_again_and_half_a_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (file, revoked) = RevokedFile::of_dir(dir.path()).unwrap();
        assert_eq!(revoked, []);
        let all = [Fingerprint::of_digest([1; 32]), Fingerprint::of_digest([2; 32])];
        file.add(&all[0]).unwrap();
        let mut torn = OpenOptions::new().append(true).open(dir.path().join(NAME)).unwrap();
        torn.write_all(b"sha256:AAAA").unwrap();
        file.add(&all[1]).unwrap();
        assert_eq!(RevokedFile::of_dir(dir.path()).unwrap().1, all);
    }

    #[test]
    fn one_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(NAME)).unwrap();
        let error = RevokedFile::of_dir(dir.path()).unwrap_err();
        assert!(error.to_string().contains("/revoked, which holds"), "{error}");
    }
}
