//! The code by which the first admin signs up: printed at the start, in memory only, good once and
//! for an hour. It holds 100 bits, so that tries need not be counted: whoever makes wrong ones on
//! purpose must not keep the right one out.

use std::time::Duration;

use tokio::time::Instant;

use super::secret::{Digest, digest, random};
use crate::secret::Secret;

const LASTS: Duration = Duration::from_hours(1);
/// Of the alphabet of RFC 4648 §6, which leaves out what is easily mistaken.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHARACTERS: usize = 20;
const GROUP: usize = 5;

/// See the module's words.
#[derive(Debug)]
pub(super) struct FirstAdmin {
    digest: Digest,
    until: Instant,
}

impl FirstAdmin {
    /// A new code. `None`: the system gives no randomness.
    pub(super) fn new(now: Instant) -> Option<(Self, Secret)> {
        let code: String = random::<CHARACTERS>()?
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect();
        let groups: Vec<_> = code.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
        let told = Secret::new(groups.join("-"));
        Some((Self { digest: digest(&code), until: now + LASTS }, told))
    }

    /// Whether this is the code, as people write it.
    pub(super) fn is(&self, code: &str, now: Instant) -> bool {
        let code: String = code
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(CHARACTERS + 1)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        // Of digests nobody learns anything from how long they are compared.
        now < self.until && digest(&code) == self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_people_write_it() {
        let now = Instant::now();
        let (first, code) = FirstAdmin::new(now).unwrap();
        let code = code.expose();
        assert_eq!((code.len(), code.split('-').count()), (23, 4));
        for written in [code.to_owned(), code.to_lowercase(), code.replace('-', " ")] {
            assert!(first.is(&written, now), "{written}");
        }
        assert!(!first.is(&format!("{code}A"), now));
        assert!(!first.is("", now));
    }

    #[test]
    fn it_is_void_after_an_hour_and_not_by_wrong_tries() {
        let now = Instant::now();
        let (first, code) = FirstAdmin::new(now).unwrap();
        assert!(!first.is(code.expose(), now + LASTS));
        assert!(first.is(code.expose(), now));
        for _ in 0..100 {
            assert!(!first.is("AAAAA-AAAAA-AAAAA-AAAAA", now));
        }
        assert!(first.is(code.expose(), now));
    }
}
