//! The key that counts, and while it is about to be replaced, its successor.
//!
//! The successor is on the disk before the collector hears of it, and takes the place of the old
//! one when the collector has said that it counts. Cut anywhere in between, the next start has
//! both: it begins with the old one, and where the collector does not know that any more, the
//! successor counts already.

use std::path::{Path, PathBuf};

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::{ChannelSecret, Octets, Rekey, rekeyed};
use herdbook_shared::wire::hello::RefusalCode;

use super::{Key, KeyError};
use crate::durable;

/// The key that counts.
const KEY: &str = "key";
/// Its successor.
const NEXT: &str = "key.next";
/// A key is replaced when it is as old as this.
const ROTATE_AFTER_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The keys of one state directory.
#[derive(Debug)]
pub struct KeyRing {
    dir: PathBuf,
    key: Key,
    next: Option<Key>,
    turn: Turn,
}

/// Which of two keys is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Key,
    Next,
}

impl KeyRing {
    /// The keys that are there; makes the first one.
    ///
    /// # Errors
    ///
    /// Where a key cannot be read or made, or is none.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, KeyError> {
        let key = match Key::read(&dir.join(KEY))? {
            Some(key) => key,
            None => Key::make(dir, KEY, now)?,
        };
        let next = Key::read(&dir.join(NEXT))?;
        Ok(Self { dir: dir.to_owned(), key, next, turn: Turn::Key })
    }

    /// Keeps the keys of this directory aside: the next one to be opened makes another.
    ///
    /// # Errors
    ///
    /// Where they cannot be renamed.
    pub fn set_aside(dir: &Path) -> Result<(), KeyError> {
        for name in [NEXT, KEY] {
            if dir.join(name).exists() {
                let path = dir.join(name);
                let failed = |source| KeyError::Io { action: "set aside", path, source };
                durable::rename(dir, name, &format!("{name}.old")).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The key to sign with.
    #[must_use]
    pub fn current(&self) -> &Key {
        match (&self.next, self.turn) {
            (Some(next), Turn::Next) => next,
            _ => &self.key,
        }
    }

    /// The collector did not take the key: where another one is there, it is tried next.
    pub fn refused(&mut self, code: RefusalCode) {
        let is_about_the_key =
            matches!(code, RefusalCode::UnknownKey | RefusalCode::Revoked | RefusalCode::Pending);
        if is_about_the_key && self.next.is_some() {
            self.turn = if self.turn == Turn::Key { Turn::Next } else { Turn::Key };
        }
    }

    /// The collector knows the key that was tried.
    ///
    /// # Errors
    ///
    /// Where that was the successor, and it cannot take its place on the disk.
    pub fn accepted(&mut self) -> Result<(), KeyError> {
        if self.turn == Turn::Next { self.succeed() } else { Ok(()) }
    }

    /// Whether the key is to be replaced, for its age or since it was begun.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_some() || now.ms_since(self.key.made_at()) >= ROTATE_AFTER_MS
    }

    /// What to tell the collector so that the successor counts.
    ///
    /// # Errors
    ///
    /// Where the successor cannot be made.
    pub fn rekey(
        &mut self,
        nonce: &Octets<32>,
        channel: &ChannelSecret,
        now: Timestamp,
    ) -> Result<Rekey, KeyError> {
        let next = match self.next.take() {
            Some(next) => next,
            None => Key::make(&self.dir, NEXT, now)?,
        };
        let public_key = next.public_key();
        let signed = rekeyed(nonce, channel, &public_key);
        let signature_by_new = next.sign(&signed);
        self.next = Some(next);
        Ok(Rekey { public_key, signature_by_old: self.key.sign(&signed), signature_by_new })
    }

    /// The collector says that this key counts. Whether it is the successor.
    ///
    /// # Errors
    ///
    /// Where the successor cannot take its place on the disk.
    pub fn rekeyed(&mut self, fingerprint: Fingerprint) -> Result<bool, KeyError> {
        if self.next.as_ref().is_none_or(|next| next.fingerprint() != fingerprint) {
            return Ok(false);
        }
        self.turn = Turn::Next;
        self.succeed().map(|()| true)
    }

    fn succeed(&mut self) -> Result<(), KeyError> {
        let failed = |source| KeyError::Io { action: "replace", path: self.dir.join(KEY), source };
        durable::rename(&self.dir, NEXT, KEY).map_err(failed)?;
        if let Some(next) = self.next.take() {
            self.key = next;
        }
        self.turn = Turn::Key;
        Ok(())
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
