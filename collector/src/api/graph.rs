//! The fleet as a graph, encoded once and shared by all who ask.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::registry::graph::Graph;

use super::problem::Problem;
use super::{Api, beside};

/// `GET /api/v1/graph`
///
/// # Errors
///
/// Where the graph cannot be encoded, which is a bug.
pub async fn get(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let graph = match api.registry.known_graph() {
        Some(graph) => graph,
        None => beside(move || Ok(api.registry.graph())).await?,
    };
    Ok(answer(&graph, &headers))
}

fn answer(graph: &Arc<Graph>, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", graph.tag);
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], graph.json.clone()).into_response()
    };
    // May be kept, but asked for again each time.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the one who asks has just this graph.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    known.map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
