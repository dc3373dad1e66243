//! What goes wrong, as responses.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, SERVER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::answers;
use crate::listener::Resetter;
use crate::story::{Fault, Model};

const MANY_MODELS: usize = 10_000;
const BOMB_BYTES: usize = 100_000_000;
const FLOOD_OF_MODELS: usize = 100_000;
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
        Fault::ManyModels => json_body(StatusCode::OK, &many_models(MANY_MODELS)),
        Fault::Flood => json_body(StatusCode::OK, &many_models(FLOOD_OF_MODELS)),
        Fault::GzipBomb => gzip_bomb(),
        Fault::Garbage => with_json_type(Body::from(vec![0xff_u8, 0x00, 0xfe, 0x80, b'{', 0x9f])),
        Fault::Redirect => redirect(),
        Fault::Unauthorized => unauthorized(),
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
    let json = HeaderValue::from_static("application/json; charset=utf-8");
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

fn many_models(n_models: usize) -> Value {
    let models: Vec<Value> =
        (0..n_models).map(|n| answers::installed(&Model::invented(n))).collect();
    json!({"models": models})
}

/// As a proxy in front answers.
fn unauthorized() -> Response<Body> {
    let mut response = json_body(StatusCode::UNAUTHORIZED, &answers::error("unauthorized"));
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("nginx/1.28.0"));
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Zeros, packed as tightly as DEFLATE can (RFC 1951 §3.2.6): one that is written out, and then
/// again and again "258 times the last one" in 13 bits.
fn gzip_bomb() -> Response<Body> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03];
    const ZERO: &str = "00110000";
    const AGAIN: &str = "1100010100000";
    let n_again = BOMB_BYTES / 258;
    let bits =
        ["110", ZERO].into_iter().chain(std::iter::repeat_n(AGAIN, n_again)).chain(["0000000"]);
    let bits: Vec<u8> = bits.flat_map(str::bytes).map(|bit| bit - b'0').collect();
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit));
    let body: Vec<u8> = HEAD.into_iter().chain(packed).collect();
    let mut response = with_json_type(Body::from(body));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
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
    let target = HeaderValue::from_static("http://169.254.169.254/latest/meta-data/");
    response.headers_mut().insert(LOCATION, target);
    response
}
