//! The code by which the first admin signs up: printed at the start, in memory only, good once, for
//! an hour, and for ten tries.

use std::time::Duration;

use tokio::time::Instant;

use super::secret::{Digest, digest, random};
use crate::secret::Secret;

const LASTS: Duration = Duration::from_hours(1);
const TRIES: u32 = 10;
/// Of the alphabet of RFC 4648 §6, which leaves out what is easily mistaken.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHARACTERS: usize = 20;
const GROUP: usize = 5;

/// See the module's words.
#[derive(Debug)]
pub(super) struct FirstAdmin {
    digest: Digest,
    until: Instant,
    tries_left: u32,
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
        let until = now + LASTS;
        Some((Self { digest: digest(&code), until, tries_left: TRIES }, told))
    }

    /// Whether this is the code, as people write it. A wrong one costs a try.
    pub(super) fn is(&mut self, code: &str, now: Instant) -> bool {
        if self.tries_left == 0 || now >= self.until {
            return false;
        }
        let code: String = code
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(CHARACTERS + 1)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        // Of digests nobody learns anything from how long they are compared.
        let is_right = digest(&code) == self.digest;
        if !is_right {
            self.tries_left -= 1;
        }
        is_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_people_write_it() {
        let now = Instant::now();
        let (mut first, code) = FirstAdmin::new(now).unwrap();
        let code = code.expose();
        assert_eq!((code.len(), code.split('-').count()), (23, 4));
        for written in [code.to_owned(), code.to_lowercase(), code.replace('-', " ")] {
            assert!(first.is(&written, now), "{written}");
        }
        assert!(!first.is(&format!("{code}A"), now));
        assert!(!first.is("", now));
    }

    #[test]
    fn it_is_void_after_ten_tries_and_after_an_hour() {
        let now = Instant::now();
        let (mut first, code) = FirstAdmin::new(now).unwrap();
        assert!(!first.is(code.expose(), now + LASTS));
        assert!(first.is(code.expose(), now));
        for _ in 0..TRIES {
            assert!(!first.is("AAAAA-AAAAA-AAAAA-AAAAA", now));
        }
        assert!(!first.is(code.expose(), now));
    }
}
