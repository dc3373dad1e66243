//! Secrets at rest: the credentials that checks send are sealed before they reach the registry, so
//! that neither the database, nor a view, nor a log can tell them.
//!
//! The key is a file of the data directory, for its owner alone. Whoever takes the database
//! without the key has nothing; whoever loses the key has to give every credential anew.

mod key;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::registry::service::record::Credential;
use crate::secret::Secret;

pub use key::{KEY_FILE, KeyError};

/// Bytes of a nonce, which stands before what it sealed.
const NONCE_BYTES: usize = 24;

/// Seals and opens with the key of one data directory.
pub struct Seal {
    cipher: XChaCha20Poly1305,
}

/// A secret cannot be sealed: the system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to seal the credential")]
pub struct NotSealed;

/// A secret cannot be opened, in words for whoever looks at its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its credential was sealed with a key that this collector no longer has: give the credential \
     again"
)]
pub struct KeyLost;

impl Seal {
    /// The seal of a data directory, whose key is made where there is none.
    ///
    /// # Errors
    ///
    /// Where the key cannot be read or made.
    pub fn of_dir(dir: &std::path::Path) -> Result<Self, KeyError> {
        Ok(Self { cipher: XChaCha20Poly1305::new(&key::of_dir(dir)?.into()) })
    }

    /// Seals what a header shall hold. Sealing one value twice gives two texts; where `known` is
    /// the same header and value, it stays as it is.
    ///
    /// # Errors
    ///
    /// Where the system gives no random bytes.
    pub fn seal(
        &self,
        header: &str,
        value: &Secret,
        known: Option<&Credential>,
    ) -> Result<Credential, NotSealed> {
        let is_same = |known: &&Credential| {
            known.header == header && self.open(known).is_ok_and(|opened| opened == *value)
        };
        if let Some(known) = known.filter(is_same) {
            return Ok(known.clone());
        }
        let nonce = XNonce::try_generate().map_err(|_| NotSealed)?;
        let payload = Payload { msg: value.expose().as_bytes(), aad: header.as_bytes() };
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| NotSealed)?;
        let whole = [nonce.as_slice(), &sealed].concat();
        Ok(Credential { header: header.to_owned(), sealed: STANDARD.encode(whole) })
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    ///
    /// Where it was sealed with another key, or is not what was sealed.
    pub fn open(&self, credential: &Credential) -> Result<Secret, KeyLost> {
        let whole = STANDARD.decode(&credential.sealed).map_err(|_| KeyLost)?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_BYTES).ok_or(KeyLost)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| KeyLost)?;
        let payload = Payload { msg: sealed, aad: credential.header.as_bytes() };
        let opened = self.cipher.decrypt(&nonce, payload).map_err(|_| KeyLost)?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| KeyLost)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "Bearer canary-5d1c";

    fn secret() -> Secret {
        Secret::new(CANARY.to_owned())
    }

    #[test]
    fn what_was_sealed_is_opened_after_a_restart_and_tells_nothing_before() {
        let dir = tempfile::tempdir().unwrap();
        let seal = Seal::of_dir(dir.path()).unwrap();
        let sealed = seal.seal("authorization", &secret(), None).unwrap();
        let told = format!("{sealed:?} {:?} {seal:?}", secret());
        assert!(!told.contains("canary"), "{told}");
        let raw = STANDARD.decode(&sealed.sealed).unwrap();
        assert!(!String::from_utf8_lossy(&raw).contains("canary"));
        let after = Seal::of_dir(dir.path()).unwrap();
        assert_eq!(after.open(&sealed).unwrap().expose(), CANARY);
    }

    #[test]
    fn without_its_key_or_with_another_header_nothing_is_opened() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seal = Seal::of_dir(dir.path()).unwrap();
        let sealed = seal.seal("authorization", &secret(), None).unwrap();
        assert_eq!(Seal::of_dir(other.path()).unwrap().open(&sealed), Err(KeyLost));
        let moved = Credential { header: "x-trace".to_owned(), ..sealed.clone() };
        assert_eq!(seal.open(&moved), Err(KeyLost));
        for sealed in ["", "AAAA", "not base64"] {
            let broken = Credential { sealed: sealed.to_owned(), ..moved.clone() };
            assert_eq!(seal.open(&broken), Err(KeyLost), "{sealed}");
        }
    }

    #[test]
    fn the_same_value_keeps_its_text_and_another_one_gets_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let seal = Seal::of_dir(dir.path()).unwrap();
        let first = seal.seal("x-key", &secret(), None).unwrap();
        assert_eq!(seal.seal("x-key", &secret(), Some(&first)).unwrap(), first);
        assert_ne!(seal.seal("x-key", &secret(), None).unwrap(), first);
        let other = Secret::new("another".to_owned());
        let second = seal.seal("x-key", &other, Some(&first)).unwrap();
        assert_eq!(seal.open(&second).unwrap(), other);
    }
}
