//! A cursor: which changes a reader knows. What it means is decided by the ring.

use std::fmt;
use std::sync::Arc;

use crate::api::problem::Problem;

/// The longest name of a run that can be one.
const EPOCH_BYTES: usize = 64;

/// All changes of a run up to a number, written `epoch:seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    epoch: Arc<str>,
    seq: u64,
}

impl Cursor {
    /// Of this run, after this change.
    #[must_use]
    pub fn new(epoch: Arc<str>, seq: u64) -> Self {
        Self { epoch, seq }
    }

    /// Reads one, as `field` of a request gives it.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(field: &'static str, text: &str) -> Result<Self, Problem> {
        Self::parse(text).ok_or_else(|| {
            let expected = "epoch:seq, such as the `next` of an answer";
            Problem::bad_field(field, format!("{text:?} is no cursor"), expected)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once(':')?;
        let is_word = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_number = seq.bytes().all(|byte| byte.is_ascii_digit());
        if !is_word || epoch.len() > EPOCH_BYTES || !is_number {
            return None;
        }
        Some(Self { epoch: epoch.into(), seq: seq.parse().ok()? })
    }

    /// Which run of the collector.
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    /// The number of the last change that is known.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor::new("67255c057de94cf1".into(), 17);
        assert_eq!(cursor.to_string(), "67255c057de94cf1:17");
        assert_eq!(Cursor::read("since", &cursor.to_string()).unwrap(), cursor);
    }

    #[test]
    fn what_is_no_cursor_is_refused_by_the_name_of_its_field() {
        let long = format!("{}:1", "a".repeat(EPOCH_BYTES + 1));
        let texts =
            ["17", "a:", ":17", "a:b", "a:-1", "a:+1", "a: 1", "a:1:2", "ä:1", "a:1e3", "", &long];
        for text in texts.into_iter().chain(["a:18446744073709551616"]) {
            let problem = serde_json::to_value(Cursor::read("since", text).unwrap_err()).unwrap();
            assert_eq!((&problem["status"], &problem["field"]), (&422.into(), &"since".into()));
        }
    }
}
