//! Lists in pages: a stable order, a limit, and a cursor that names the last entry of the page
//! before.

use serde::Deserialize;

use crate::api::problem::{Kind, Problem};
use crate::registry::encode::json;
use crate::registry::snapshot::Snapshot;

/// Entries of a page that did not ask for a number.
pub const LIMIT_DEFAULT: usize = 1_000;
/// Most entries of a page.
pub const LIMIT_MAX: usize = 10_000;

/// What one entry is likely to take at least, written.
const ENTRY_BYTES: usize = 512;

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Page {
    #[schemars(with = "Option<u64>")]
    limit: Option<String>,
    cursor: Option<String>,
}

impl Page {
    /// How many entries at most.
    ///
    /// # Errors
    ///
    /// Where the limit is no limit.
    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = &self.limit else { return Ok(LIMIT_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| {
            let expected = format!("a number from 1 to {LIMIT_MAX}");
            Problem::bad_field("limit", format!("{text:?} is no limit"), expected)
        })
    }

    /// The end of the page before.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Takes this page out of all entries, which stand in the order of their keys, and writes it
    /// as `{"epoch":…,"seq":…,"<name>":[…],"next_cursor":…}`.
    ///
    /// # Errors
    ///
    /// Where the limit is no limit.
    pub fn of<T>(
        &self,
        snapshot: &Snapshot,
        name: &str,
        entries: &[T],
        key: impl Fn(&T) -> &str,
        encode: impl Fn(&T) -> String,
    ) -> Result<String, Problem> {
        let push = |text: &mut Vec<u8>, entry: &T| text.extend_from_slice(encode(entry).as_bytes());
        let text = self.at((&snapshot.epoch, snapshot.seq), name, entries, key, push)?;
        String::from_utf8(text)
            .map_err(|_| Problem::new(Kind::Internal, "the answer could not be written"))
    }

    /// The same, of entries that hold all changes up to a number, written one behind the other.
    ///
    /// # Errors
    ///
    /// Where the limit is no limit.
    pub fn at<T>(
        &self,
        (epoch, seq): (&str, u64),
        name: &str,
        entries: &[T],
        key: impl Fn(&T) -> &str,
        push: impl Fn(&mut Vec<u8>, &T),
    ) -> Result<Vec<u8>, Problem> {
        let limit = self.limit()?;
        let start = match &self.cursor {
            Some(cursor) => entries.partition_point(|entry| key(entry) <= cursor.as_str()),
            None => 0,
        };
        let rest = entries.get(start..).unwrap_or_default();
        let page = rest.get(..limit).unwrap_or(rest);
        let is_last = page.len() == rest.len();
        let next = page.last().filter(|_| !is_last).map(key);
        let mut text = Vec::with_capacity(ENTRY_BYTES * (page.len() + 1));
        text.extend_from_slice(
            format!("{{\"epoch\":{},\"seq\":{seq},\"{name}\":[", json(&epoch)).as_bytes(),
        );
        for (index, entry) in page.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            push(&mut text, entry);
        }
        text.extend_from_slice(format!("],\"next_cursor\":{}}}", json(&next)).as_bytes());
        Ok(text)
    }
}

/// A word of a fixed set in a query.
///
/// # Errors
///
/// Where it is none of them; the problem names all.
pub fn one_of<T: Copy>(
    field: &'static str,
    text: Option<&str>,
    words: &[(&'static str, T)],
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Problem::bad_field(field, format!("{text:?} is not known here"), all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Liveness;
    use crate::registry::Registry;
    use crate::registry::moment::Moment;

    use super::*;

    fn page(limit: Option<&str>, cursor: Option<&str>) -> Result<serde_json::Value, Problem> {
        let snapshot = Registry::new(Liveness::default()).snapshot(Moment::now());
        let entries = ["a", "b", "c"];
        let own = |text: Option<&str>| text.map(str::to_owned);
        let page = Page { limit: own(limit), cursor: own(cursor) };
        let text = page.of(&snapshot, "letters", &entries, |letter| letter, json)?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_repetition() {
        let first = page(Some("2"), None).unwrap();
        assert_eq!(first["letters"], serde_json::json!(["a", "b"]));
        let second = page(Some("2"), first["next_cursor"].as_str()).unwrap();
        assert_eq!(second["letters"], serde_json::json!(["c"]));
        assert!(second["next_cursor"].is_null());
    }

    #[test]
    fn a_cursor_whose_entry_is_gone_still_has_its_place() {
        let after = page(None, Some("aa")).unwrap();
        assert_eq!(after["letters"], serde_json::json!(["b", "c"]));
    }

    #[test]
    fn what_is_no_limit_is_named() {
        for limit in ["0", "-1", "many", "10001"] {
            assert!(page(Some(limit), None).is_err(), "{limit}");
        }
    }
}
