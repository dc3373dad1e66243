//! What goes wrong, as responses.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::answers;
use crate::listener::Resetter;
use crate::story::{Fault, Model};

const MANY_MODELS: usize = 10_000;
const ENDLESS_CHUNK: &[u8] = &[b' '; 16 * 1024];

/// The response of a route on which this fault stands; `healthy` is what it would have said.
pub(crate) async fn respond(fault: Fault, healthy: Value, resetter: &Resetter) -> Response<Body> {
    match fault {
        Fault::WrongJson => raw(r#"{"models":[{"name":"lla"#),
        Fault::OtherJson => raw("[1,2,3]"),
        Fault::NullLists => json_body(StatusCode::OK, &null_lists(healthy)),
        Fault::Nonsense => json_body(StatusCode::OK, &nonsense()),
        Fault::EndlessBody => endless(),
        Fault::SlowBody => slow(&healthy),
        Fault::NeverAnswer => std::future::pending().await,
        Fault::ManyModels => json_body(StatusCode::OK, &many_models()),
        Fault::Redirect => redirect(),
        Fault::Unauthorized => json_body(StatusCode::UNAUTHORIZED, &answers::error("unauthorized")),
        Fault::Forbidden => empty(StatusCode::FORBIDDEN),
        Fault::ServerError => {
            json_body(StatusCode::INTERNAL_SERVER_ERROR, &answers::error("an invented failure"))
        }
        Fault::Overloaded => json_body(
            StatusCode::SERVICE_UNAVAILABLE,
            &answers::error("server busy, please try again.  maximum pending requests exceeded"),
        ),
        Fault::Reset => {
            resetter.reset();
            raw("")
        }
    }
}

pub(crate) fn json_body(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = raw(&value.to_string());
    *response.status_mut() = status;
    response
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn raw(text: &str) -> Response<Body> {
    with_json_type(Body::from(text.to_owned()))
}

fn with_json_type(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let json = axum::http::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn null_lists(healthy: Value) -> Value {
    match healthy {
        Value::Array(_) => Value::Null,
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, null_lists(value))).collect()
        }
        other => other,
    }
}

fn nonsense() -> Value {
    json!({"models": [
        {"name": "nonsense:1", "size": -1, "size_vram": -5, "digest": 12, "details": "none",
         "capabilities": "completion", "context_length": 1e300, "expires_at": "soon"},
        {"name": "nonsense:2", "size": u64::MAX, "size_vram": 1e30, "digest": null,
         "details": {"families": null, "parameter_size": 8, "context_length": -4},
         "capabilities": [1, null, "completion"], "expires_at": "99999-01-01T00:00:00Z"},
        {"name": "x\u{1b}[31m\n".repeat(500), "model": "other"},
        {"name": ""}, {}, null, 7, "llama3.1:8b", [[]],
    ]})
}

fn many_models() -> Value {
    let models: Vec<Value> =
        (0..MANY_MODELS).map(|n| answers::installed(&Model::invented(n))).collect();
    json!({"models": models})
}

fn endless() -> Response<Body> {
    let start = Bytes::from_static(br#"{"models":["#);
    let chunks = stream::unfold(start, |chunk| async move {
        Some((Ok::<_, Infallible>(chunk), Bytes::from_static(ENDLESS_CHUNK)))
    });
    with_json_type(Body::from_stream(chunks))
}

fn slow(healthy: &Value) -> Response<Body> {
    let body = Bytes::from(healthy.to_string());
    let chunks = stream::unfold(body, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(rest.split_to(1)), rest))
    });
    with_json_type(Body::from_stream(chunks))
}

fn redirect() -> Response<Body> {
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    let target = axum::http::HeaderValue::from_static("http://169.254.169.254/latest/meta-data/");
    response.headers_mut().insert(LOCATION, target);
    response
}
