//! What the API is, told to programs: `/openapi.json`, and the same for people at `/docs`.
//!
//! The document is put together from a table of operations (`operations/`, one file a topic) and
//! from the types that are written and read (`components`). Tests hold that every route has its
//! operation, and that what is sent is as the schemas say. The frames of agents and viewers, which
//! OpenAPI has no words for, are in `frames`. Nothing here decides what is answered.

mod answers;
mod assemble;
mod components;
mod operation;
mod shape;

mod operations;

mod frames;
mod page;

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::Value;

use super::guard::Routes;
use crate::auth::Action;

/// Assembled when somebody first asks: it takes milliseconds, and most collectors are never asked.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| assemble::document().0);
static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| pretty(&DOCUMENT).into());
static PAGE: LazyLock<Bytes> = LazyLock::new(|| page::render(&DOCUMENT).into());
static OPERATIONS: LazyLock<HashMap<(String, String), &str>> = LazyLock::new(operation_ids);
const STYLE: &str = include_str!("contract/page/docs.css");

/// The page shows what is in it and loads its own style; it runs nothing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// `/openapi.json`, `/docs` and its style.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Routes<S> {
    Routes::new()
        .on(Action::Dashboard, "/openapi.json", get(openapi))
        .on(Action::Dashboard, "/docs", get(docs))
        .on(Action::Dashboard, "/docs.css", get(style))
}

async fn openapi() -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], OPENAPI.clone()).into_response()
}

async fn docs() -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE.clone()).into_response()
}

async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], STYLE).into_response()
}

/// What the operation of a method at a path is called, for the audit log.
pub fn operation_id(method: &str, path: &str) -> Option<&'static str> {
    OPERATIONS.get(&(method.to_ascii_lowercase(), path.to_owned())).copied()
}

fn operation_ids() -> HashMap<(String, String), &'static str> {
    let topics = operations::topics();
    let all = topics.iter().flat_map(|topic| &topic.operations);
    all.map(|one| ((one.method.to_owned(), one.path.to_owned()), one.id)).collect()
}

/// As it is committed: with line breaks, the fields of an object in one order.
fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text + "\n"
}

#[cfg(test)]
mod conform_more_tests;
#[cfg(test)]
mod conform_tests;
#[cfg(test)]
mod files;
#[cfg(test)]
mod tests;
