//! `If-Match`: a change goes through only if its entity is still as whoever asks saw it.

use axum::http::{HeaderMap, header};

use super::problem::{Kind, Problem};

const EXPECTED: &str = "one revision as it was told in ETag, such as \"12\", or *";

/// The revision that an entity must still have; `None`: any.
///
/// # Errors
///
/// Where the header names no revision.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let revision = revision.and_then(|text| text.parse().ok());
    let wrong = || Problem::bad_field("If-Match", "If-Match names no revision", EXPECTED);
    revision.map(Some).ok_or_else(wrong)
}

/// The entity has another revision by now.
#[must_use]
pub fn stale(words: String, revision: u64) -> Problem {
    Problem::new(Kind::PreconditionFailed, words).about("If-Match", format!("\"{revision}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_as_it_was_told_and_nothing_else_is() {
        let read = |text: &str| {
            let headers = [(header::IF_MATCH, text.parse().unwrap())].into_iter().collect();
            if_match(&headers)
        };
        assert_eq!(if_match(&HeaderMap::new()), Ok(None));
        assert_eq!(read("*"), Ok(None));
        assert_eq!(read("\"12\""), Ok(Some(12)));
        for wrong in ["12", "\"x\"", "", "W/\"12\"", "\"1\", \"2\"", "\"-1\""] {
            assert_eq!(read(wrong).unwrap_err().status(), 422, "{wrong}");
        }
    }
}
