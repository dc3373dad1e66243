//! What a request wants to be true before anything is done: `If-Match` and `If-None-Match`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;

use super::problem::{Kind, Problem, header_field};

/// The revision that an entity must still have, as its `ETag` told it; `None`: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

/// Whether there may be no such entity yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// It may be there.
    Any,
    /// It must not.
    New,
}

/// The revisions that whoever reads an entity has already, as `If-None-Match` tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTags(Vec<Tag>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Any,
    Revision(u64),
}

/// Most tags that are looked at.
const TAGS_MAX: usize = 32;

impl KnownTags {
    /// Whether this revision is among them.
    #[must_use]
    pub fn hold(&self, revision: u64) -> bool {
        self.0.iter().any(|tag| matches!(tag, Tag::Any) || *tag == Tag::Revision(revision))
    }
}

/// What no entity has as its revision.
const NEVER: u64 = 0;

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let expected = "the ETag that was read, \"12\" say";
        match only(&parts.headers, IF_MATCH, expected)? {
            None | Some("*") => Ok(Self(None)),
            Some(text) => {
                let revision = revision(text);
                let wrong = || Problem::bad_field("If-Match", "it is no single tag", expected);
                revision.map(|revision| Self(Some(revision))).ok_or_else(wrong)
            }
        }
    }
}

/// What is no tag was never told, and is nothing that is known.
impl<S: Sync> FromRequestParts<S> for KnownTags {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(IF_NONE_MATCH).iter();
        let texts = values.filter_map(|value| value.to_str().ok()).flat_map(|t| t.split(','));
        let tags = texts.take(TAGS_MAX).filter_map(|text| match text.trim() {
            "*" => Some(Tag::Any),
            tag => revision(tag).map(Tag::Revision),
        });
        Ok(Self(tags.collect()))
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match only(&parts.headers, IF_NONE_MATCH, "*")? {
            None => Ok(Self::Any),
            Some("*") => Ok(Self::New),
            Some(_) => Err(Problem::bad_field("If-None-Match", "only * is known here", "*")),
        }
    }
}

/// An entity changed since it was read.
#[must_use]
pub fn stale(revision: u64) -> Problem {
    let detail = "it was changed since it was read: read it again";
    Problem::new(Kind::PreconditionFailed, detail).about("If-Match", format!("\"{revision}\""))
}

/// A tag as it is told, or its number alone; proxies that compress make it a weak one. A tag that
/// was never told matches nothing.
fn revision(text: &str) -> Option<u64> {
    let tag = text.strip_prefix("W/").unwrap_or(text);
    match tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) {
        Some(inner) if inner.contains('"') => None,
        Some(inner) => Some(inner.parse().unwrap_or(NEVER)),
        None => tag.parse().ok(),
    }
}

fn only<'a>(
    headers: &'a HeaderMap,
    name: HeaderName,
    expected: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    let (first, more) = (values.next(), values.next());
    if more.is_some() {
        let detail = "the header stands more than once";
        return Err(Problem::bad_field(header_field(&name), detail, expected));
    }
    let text = first.map(|value| value.to_str().map(str::trim)).transpose();
    text.map_err(|_| Problem::bad_field(header_field(&name), "it is no tag", expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_told() {
        for text in ["\"12\"", "W/\"12\"", "12"] {
            assert_eq!(revision(text), Some(12), "{text}");
        }
        assert_eq!(revision("\"another\""), Some(NEVER));
        for text in ["", "\"1\", \"2\"", "twelve", "\"", "-1"] {
            assert_eq!(revision(text), None, "{text}");
        }
    }
}
