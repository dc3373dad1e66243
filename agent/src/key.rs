//! The key by which a collector knows this agent: Ed25519, in the state directory, for its owner
//! alone. It never leaves the machine.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Octets;
use serde::{Deserialize, Serialize};

use crate::durable;

mod ring;

pub use ring::KeyRing;

/// A key's file is some 100 bytes; what is longer than this is something else.
const FILE_BYTES_MAX: u64 = 1024;

/// A key.
pub struct Key {
    pair: Ed25519KeyPair,
    public_key: Octets<32>,
    fingerprint: Fingerprint,
    made_at: Timestamp,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.fingerprint).finish()
    }
}

/// What is in the file.
#[derive(Deserialize, Serialize)]
struct KeyFile {
    made_at: Timestamp,
    seed: Octets<32>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file refuses.
    #[error("cannot {action} the key {path}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file may be read by others, who may have done so.
    #[error(
        "the key {path} can be read by others (mode {mode:03o}), expected 600: if nobody can have \
         read it, chmod 600 it; else delete it and join again, and revoke the old one on the \
         collector", path = .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is there, and is no key.
    #[error(
        "{path} holds no key; put the right one back, or delete the file and join again",
        path = .path.display()
    )]
    Garbage {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("cannot make a key: the system gives no random numbers")]
    NoRandomness,
}

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self::NoRandomness
    }
}

impl Key {
    /// The key in this file, where there is one.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is open to others, or is none. It is left alone.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let failed = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
        let Some(file) = durable::open(path).map_err(failed)? else { return Ok(None) };
        Self::from_open(file, path).map(Some)
    }

    /// The mode is that of the very file that is read, whatever has its name by now.
    fn from_open(file: File, path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path: path.to_owned(), mode });
        }
        let bytes = durable::whole(file, FILE_BYTES_MAX).map_err(failed)?;
        // What the parser says could quote the key.
        let garbage = || KeyError::Garbage { path: path.to_owned() };
        let file: KeyFile = serde_json::from_slice(&bytes).map_err(|_| garbage())?;
        Self::from_file(&file).ok_or_else(garbage)
    }

    /// Makes a key and writes it, whole or not, before anybody can be told of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn make(dir: &Path, name: &str, now: Timestamp) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed)?;
        let file = KeyFile { made_at: now, seed: Octets(seed) };
        let key = Self::from_file(&file).ok_or(KeyError::NoRandomness)?;
        let failed = |source| KeyError::Io { action: "write", path: dir.join(name), source };
        let text = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        durable::write(dir, name, &text).map_err(failed)?;
        Ok(key)
    }

    fn from_file(file: &KeyFile) -> Option<Self> {
        Self::from_seed(&file.seed, file.made_at)
    }

    /// The key of this seed, of an agent that has no state directory: a simulated one.
    #[must_use]
    pub fn from_seed(seed: &Octets<32>, made_at: Timestamp) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed.0).ok()?;
        let public_key = Octets(pair.public_key().as_ref().try_into().ok()?);
        let fingerprint = fingerprint_of(&public_key.0);
        Some(Self { pair, public_key, fingerprint, made_at })
    }

    /// The half that everybody may know.
    #[must_use]
    pub fn public_key(&self) -> Octets<32> {
        self.public_key
    }

    /// What it is known by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When it was made.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Octets<64> {
        let signature = self.pair.sign(message);
        let mut octets = [0; 64];
        octets.copy_from_slice(signature.as_ref());
        Octets(octets)
    }
}

/// The SHA-256 of what a key is told by.
pub(crate) fn fingerprint_of(public_key: &[u8]) -> Fingerprint {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, public_key).as_ref());
    Fingerprint::of_digest(octets)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_unix_ms(1_800_000_000_000)
    }

    #[test]
    fn a_key_is_read_as_it_was_made_and_signs() {
        let dir = tempfile::tempdir().unwrap();
        let made = Key::make(dir.path(), "key", now()).unwrap();
        let path = dir.path().join("key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Key::read(&path).unwrap().unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(read.made_at(), now());
        let signature = read.sign(b"hello");
        let public = UnparsedPublicKey::new(&ED25519, made.public_key().0);
        public.verify(b"hello", &signature.0).unwrap();
        assert!(public.verify(b"hell0", &signature.0).is_err());
        assert!(Key::read(&dir.path().join("other")).unwrap().is_none());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Key::make(dir.path(), "key", now()).unwrap();
        let path = dir.path().join("key");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let words = Key::read(&path).unwrap_err().to_string();
        assert!(words.contains("mode 640") && words.contains("chmod 600"), "{words}");
    }

    #[test]
    fn the_mode_is_that_of_the_file_that_is_read_and_not_of_what_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        Key::make(dir.path(), "key", now()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let open = durable::open(&path).unwrap().unwrap();
        Key::make(dir.path(), "key", now()).unwrap();
        assert!(matches!(Key::from_open(open, &path), Err(KeyError::Open { mode: 0o644, .. })));
        assert!(Key::read(&path).unwrap().is_some());
    }

    #[test]
    fn garbage_is_named_without_what_it_holds_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for garbage in ["", "canary", r#"{"made_at":"canary"}"#, &"canary".repeat(1000)] {
            durable::write(dir.path(), "key", garbage.as_bytes()).unwrap();
            let error = Key::read(&path).unwrap_err();
            assert!(error.to_string().contains("holds no key"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), garbage.as_bytes());
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::make(dir.path(), "key", now()).unwrap();
        assert_eq!(format!("{key:?}"), format!("Key({})", key.fingerprint()));
    }
}
