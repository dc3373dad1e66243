//! What a refused request is told: problem JSON (RFC 9457), with the field that is wrong.

mod rejections;

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

pub use rejections::Checked;

/// One refusal. Its type is a stable word that programs may compare; the rest is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Cow<'static, str>>,
    /// When whoever asks may ask again, seconds.
    #[serde(skip)]
    retry_after_s: Option<NonZeroU16>,
}

/// Longest value that is repeated, characters.
const VALUE_CHARS: usize = 80;
/// Longest name of a field that is repeated, characters.
const FIELD_CHARS: usize = 64;
/// When whoever comes at a bad moment may ask again, seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The sorts of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read.
    BadRequest,
    /// A field, parameter or header has a value that is not allowed.
    BadField,
    /// Nobody knows who asks.
    Unauthorized,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such thing, or no such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    Timeout,
    /// What is asked for contradicts what is there.
    Conflict,
    /// It is no longer as whoever asks knows it.
    PreconditionFailed,
    /// The cursor is of the past.
    Gone,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The request was meant for another host.
    Misdirected,
    /// The connection cannot be upgraded as asked.
    UpgradeRequired,
    /// Too often.
    TooManyRequests,
    /// A fault of the collector.
    Internal,
    /// Not now: starting, or stopping.
    Unavailable,
    /// The disk is full.
    StorageFull,
}

impl Kind {
    pub(in crate::api) const fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => {
                (StatusCode::BAD_REQUEST, "urn:herdbook:bad_request", "Unreadable request")
            }
            Self::BadField => {
                (StatusCode::UNPROCESSABLE_ENTITY, "urn:herdbook:bad_field", "Wrong value")
            }
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "urn:herdbook:unauthorized", "Credentials needed")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "urn:herdbook:forbidden", "Not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "urn:herdbook:not_found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "urn:herdbook:method_not_allowed",
                "Method not allowed",
            ),
            Self::Timeout => {
                (StatusCode::REQUEST_TIMEOUT, "urn:herdbook:timeout", "Request too slow")
            }
            Self::Conflict => (StatusCode::CONFLICT, "urn:herdbook:conflict", "Conflict"),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "urn:herdbook:precondition_failed",
                "Changed since",
            ),
            Self::Gone => (StatusCode::GONE, "urn:herdbook:gone", "Gone"),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "urn:herdbook:too_large", "Body too large")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "urn:herdbook:unsupported_media_type",
                "Body is not JSON",
            ),
            Self::Misdirected => {
                (StatusCode::MISDIRECTED_REQUEST, "urn:herdbook:misdirected", "Wrong host name")
            }
            Self::UpgradeRequired => (
                StatusCode::UPGRADE_REQUIRED,
                "urn:herdbook:upgrade_required",
                "WebSocket upgrade expected",
            ),
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "urn:herdbook:too_many_requests", "Too often")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "urn:herdbook:internal", "Internal error")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "urn:herdbook:unavailable", "Not available now")
            }
            Self::StorageFull => {
                (StatusCode::INSUFFICIENT_STORAGE, "urn:herdbook:storage_full", "Disk full")
            }
        }
    }
}

impl Problem {
    /// A refusal with its words.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let (status, kind, title) = kind.words();
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: with_short_quotes(detail.into()),
            field: None,
            expected: None,
            retry_after_s: None,
        }
    }

    /// It was asked too often; again after `wait`.
    pub fn too_many(detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        let seconds = u16::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u16::MAX);
        let retry_after_s = NonZeroU16::new(seconds);
        Self { retry_after_s, ..Self::new(Kind::TooManyRequests, detail) }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// `field` has a value that is not allowed; `expected` says what is.
    pub fn bad_field(
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Kind::BadField, detail).about(field, expected)
    }

    /// The same refusal, naming the field that is wrong and what was expected there.
    #[must_use]
    pub fn about(
        mut self,
        field: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.field = Some(shortened(field.into()));
        self.expected = Some(expected.into());
        self
    }

    /// What it tells a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The status that it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The name of a header as people write it: `If-Match`.
#[must_use]
pub fn header_field(name: &header::HeaderName) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(capital).collect::<Vec<_>>().join("-")
}

fn shortened(field: Cow<'static, str>) -> Cow<'static, str> {
    match field.char_indices().nth(FIELD_CHARS) {
        Some((end, _)) => format!("{}…", field.get(..end).unwrap_or_default()).into(),
        None => field,
    }
}

/// What is repeated of a request stands in quotes; a long one is cut there.
fn with_short_quotes(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.len() <= VALUE_CHARS || !text.contains('"') {
        return text;
    }
    let mut short = String::with_capacity(text.len().min(1024));
    let (mut n_quoted, mut is_escaped) = (None, false);
    for c in text.chars() {
        let is_quote = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        match n_quoted {
            Some(n) if !is_quote => {
                match n {
                    0..VALUE_CHARS => short.push(c),
                    VALUE_CHARS => short.push('…'),
                    _ => (),
                }
                n_quoted = Some(n + 1);
            }
            before => {
                short.push(c);
                n_quoted = if is_quote && before.is_none() { Some(0) } else { None };
            }
        }
    }
    short.into()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after_s;
        let mut response = (self.status(), Json(self)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.get().into());
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// The answer on a path that does not exist.
pub async fn unknown_route() -> Problem {
    Problem::not_found("there is nothing at this path")
}

/// The answer to a method that a path does not have.
pub async fn wrong_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "this path does not answer that method")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn is_problem_json_with_the_field_and_what_was_expected() {
        let problem = Problem::bad_field("limit", "0 is too few", "1 to 1000");
        let response = problem.into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "urn:herdbook:bad_field", "title": "Wrong value", "status": 422,
            "detail": "0 is too few", "field": "limit", "expected": "1 to 1000",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn what_is_repeated_of_a_request_is_short() {
        let long = "\\\"ä".repeat(5000);
        let problem = Problem::bad_field(long.clone(), format!("{long:?} is no host"), "a host");
        assert!(problem.detail().chars().count() < 100, "{problem:?}");
        assert!(problem.detail().ends_with("…\" is no host"), "{problem:?}");
        assert_eq!(problem.field.unwrap().chars().count(), 65);
        let two = format!("{:?} is not {:?}, and that is all that there is to say of it", "a", "b");
        assert_eq!(Problem::not_found(two.clone()).detail(), two);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let text = serde_json::to_string(&Problem::not_found("no host x")).unwrap();
        assert!(!text.contains("field") && !text.contains("expected"), "{text}");
    }
}
