//! One file of the page: its bytes, what they are, and how long a browser may keep them.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// A file in one encoding.
#[derive(Clone, Debug)]
pub(super) struct Form {
    bytes: Bytes,
    /// Tells whether a browser has these bytes already.
    tag: Option<HeaderValue>,
}

/// Everything about a file that is known before anybody asks for it.
#[derive(Debug)]
pub(super) struct Asset {
    kind: &'static str,
    keep: &'static str,
    plain: Form,
    gzip: Option<Form>,
}

impl Form {
    /// Bytes with their hash.
    pub(super) fn hashed(bytes: Bytes, hash: [u8; 32]) -> Self {
        let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, tag: HeaderValue::from_str(&format!("\"{hex}\"")).ok() }
    }

    /// Bytes that are sent every time.
    pub(super) fn untagged(bytes: Bytes) -> Self {
        Self { bytes, tag: None }
    }
}

impl Asset {
    pub(super) fn new(path: &str, plain: Form, gzip: Option<Form>) -> Self {
        Self { kind: kind(path), keep: keep(path), plain, gzip }
    }

    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(request));
        let form = gzip.unwrap_or(&self.plain);
        let is_kept = form.tag.as_ref().is_some_and(|tag| has(request, tag));
        let mut response = if is_kept {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind)], form.bytes.clone()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.keep));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(tag) = &form.tag {
            headers.insert(header::ETAG, tag.clone());
        }
        if gzip.is_some() && !is_kept {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The build names the files in `assets/` after their contents, so those never change.
fn keep(path: &str) -> &'static str {
    if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn has(request: &HeaderMap, tag: &HeaderValue) -> bool {
    listed(request, &header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == *tag)
}

fn takes_gzip(request: &HeaderMap) -> bool {
    listed(request, &header::ACCEPT_ENCODING).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse::<f32>);
        is_gzip && weight.is_none_or(|weight| weight.is_ok_and(|weight| weight > 0.0))
    })
}

/// The elements of a header that is a list with commas between.
fn listed<'a>(
    headers: &'a HeaderMap,
    name: &'a header::HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
}
