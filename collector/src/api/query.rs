//! Parameters of requests that do something: one that is not known is refused, since a misspelt
//! one would have the request do more than was meant. Lists ignore theirs.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use super::problem::Problem;

/// A request that takes no parameter has none.
#[derive(Clone, Copy, Debug)]
pub struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        match form_urlencoded::parse(query.as_bytes()).next() {
            Some((name, _)) => Err(unknown(&name, "no parameters")),
            None => Ok(Self),
        }
    }
}

/// What a parameter says, where an empty one says nothing.
pub(super) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The refusal of a query that was not read, in the words of who could not.
pub(super) fn unread(words: &str) -> Problem {
    let name = words.split('`').nth(1).unwrap_or("query").to_owned();
    if words.contains("unknown field") {
        let known =
            words.rsplit_once(", expected ").map_or("no such parameter", |(_, known)| known);
        return unknown(&name, known.replace('`', ""));
    }
    if words.contains("duplicate field") {
        return Problem::bad_field(name, "the parameter stands twice", "each parameter once");
    }
    Problem::bad_field("query", "the parameters cannot be read", "name=value&name=value")
}

fn unknown(name: &str, expected: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::bad_field(name.to_owned(), format!("{name:?} is no parameter here"), expected)
}
