//! Passwords: argon2id, beside the thread that carries all sockets, and two at one time at most.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// What a password may be.
pub(super) const EXPECTED: &str = "12 to 256 characters";
const CHARACTERS: std::ops::RangeInclusive<usize> = 12..=256;

/// What a guess costs, as OWASP proposes: 19 MiB, two passes.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many are computed at one time.
const AT_ONCE: usize = 2;

/// Of no password: what is computed for a name that nobody has, so that it takes as long.
const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
                         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Hashed(Arc<str>);

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

/// Computes hashes of passwords.
#[derive(Debug)]
pub(super) struct Hasher(Arc<Semaphore>);

impl Default for Hasher {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Hasher {
    /// What is to be kept of this password. `None`: the system gives no randomness.
    pub(super) async fn hash(&self, password: Secret) -> Option<Hashed> {
        let hash = move || {
            let hash = argon2()?.hash_password(password.expose().as_bytes()).ok()?;
            Some(Hashed(hash.to_string().into()))
        };
        self.beside(hash).await.flatten()
    }

    /// Whether this is the password of which that is kept. It takes as long where nothing is.
    pub(super) async fn matches(&self, password: Secret, kept: Option<Hashed>) -> bool {
        let matches = move || {
            let hash = kept.as_ref().map_or(OF_NOBODY, |kept| &kept.0);
            let matches = argon2().is_some_and(|argon2| {
                argon2.verify_password(password.expose().as_bytes(), hash).is_ok()
            });
            matches && kept.is_some()
        };
        self.beside(matches).await.unwrap_or(false)
    }

    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.ok()
    }
}

/// Whether a password may be one. Its length is all that is asked for.
pub(super) fn is_allowed(password: &str) -> bool {
    CHARACTERS.contains(&password.chars().count())
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_one_matches_and_no_other() {
        let hasher = Hasher::default();
        let kept = hasher.hash(secret("correct horse battery")).await.unwrap();
        let again = hasher.hash(secret("correct horse battery")).await.unwrap();
        assert_ne!(kept, again, "each has its own salt");
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.0);
        assert!(hasher.matches(secret("correct horse battery"), Some(kept.clone())).await);
        assert!(!hasher.matches(secret("correct horse batterz"), Some(kept.clone())).await);
        assert!(!hasher.matches(secret("correct horse battery"), None).await);
        assert_eq!(format!("{kept:?}"), "[hash]");
    }

    #[test]
    fn what_is_computed_for_nobody_is_a_whole_hash_of_the_same_cost() {
        let parsed = argon2::password_hash::phc::PasswordHash::new(OF_NOBODY).unwrap();
        assert_eq!(parsed.params.get_decimal("m"), Some(MEMORY_KIB));
        assert_eq!(parsed.params.get_decimal("t"), Some(PASSES));
        assert_eq!(parsed.hash.unwrap().as_bytes().len(), 32);
    }

    #[test]
    fn its_length_is_all_that_is_asked_for() {
        for (password, allowed) in [
            ("short", false),
            ("elevenchars", false),
            ("aaaaaaaaaaaa", true),
            ("pässwörter!!", true),
            (&"x".repeat(256), true),
            (&"x".repeat(257), false),
        ] {
            assert_eq!(is_allowed(password), allowed, "{password}");
        }
    }
}
