//! The key file of a data directory: made once, whole or not at all, for its owner alone.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::Generate;

/// The name of the key file in its directory.
pub const KEY_FILE: &str = "credentials.key";
const KEY_BYTES: usize = 32;
const OWNER_ONLY: u32 = 0o600;

/// The key of a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or made.
    #[error("failed to read or make the key file {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{} holds no key: restore it from a backup, or delete it and give every credential again",
        path.display()
    )]
    NotAKey {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads the key of a directory, or makes it.
pub(super) fn of_dir(dir: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let path = dir.join(KEY_FILE);
    let key = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir, &path).map(Some),
        other => other,
    };
    match key {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(KeyError::NotAKey { path }),
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

fn read(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the key file: closed to them");
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

/// Under another name first, so that a power cut leaves a whole key or none.
fn make(dir: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let key = <[u8; KEY_BYTES]>::try_generate().map_err(io::Error::other)?;
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_ONLY).open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        std::fs::metadata(dir.join(KEY_FILE)).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // What a power cut left behind is no key.
        std::fs::write(dir.path().join("credentials.new"), "half").unwrap();
        let key = of_dir(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), OWNER_ONLY);
        assert_eq!(of_dir(dir.path()).unwrap(), key);
        assert_ne!(of_dir(other.path()).unwrap(), key);
    }

    #[test]
    fn a_key_that_others_could_read_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        of_dir(dir.path()).unwrap();
        let open = Permissions::from_mode(0o644);
        std::fs::set_permissions(dir.path().join(KEY_FILE), open).unwrap();
        of_dir(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), OWNER_ONLY);
    }

    #[test]
    fn a_file_that_holds_no_key_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "short", &"x".repeat(KEY_BYTES + 1)] {
            std::fs::write(dir.path().join(KEY_FILE), text).unwrap();
            let error = of_dir(dir.path()).unwrap_err();
            assert!(error.to_string().contains(KEY_FILE), "{error}");
            assert_eq!(std::fs::read_to_string(dir.path().join(KEY_FILE)).unwrap(), text);
        }
    }
}
