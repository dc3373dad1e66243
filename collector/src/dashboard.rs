//! Serves the page, which is built apart and embedded: exactly the files that it consists of, each
//! at its own path, and nothing else. No path of a request is ever looked up in a file system.

mod asset;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use rust_embed::Embed;

use crate::api::guard::{PAGE_POLICY, Routes};
use crate::auth::Action;
use asset::{Asset, Form};

/// What the build of the page left in `dashboard/dist`; nothing where it was not built.
#[derive(Embed)]
#[folder = "dashboard/dist"]
#[allow_missing = true]
struct Dist;

/// What is served where there is no page.
const NOT_BUILT: &str = include_str!("../dashboard/not-built.html");
const INDEX: &str = "index.html";

/// The page at `/`, and its files where it asks for them.
#[must_use]
pub fn routes<S: Clone + Send + Sync + 'static>() -> Routes<S> {
    let form = |path: &str| {
        let file = Dist::get(path)?;
        Some(Form::hashed(bytes(file.data), file.metadata.sha256_hash()))
    };
    routes_of(Dist::iter().filter_map(|path| Some((path.to_string(), form(&path)?))).collect())
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded),
        Cow::Owned(read) => read.into(),
    }
}

fn routes_of<S: Clone + Send + Sync + 'static>(mut files: BTreeMap<String, Form>) -> Routes<S> {
    if !files.contains_key(INDEX) {
        let page = Form::untagged(Bytes::from_static(NOT_BUILT.as_bytes()));
        files = BTreeMap::from([(INDEX.to_owned(), page)]);
    }
    let mut routes = Routes::new();
    for (path, plain) in &files {
        // A compressed twin is another form of its file, and a path with braces is a pattern.
        let is_twin = path.strip_suffix(".gz").is_some_and(|plain| files.contains_key(plain));
        if is_twin || path.contains(['{', '}']) {
            continue;
        }
        let gzip = files.get(&format!("{path}.gz")).cloned();
        let asset = Arc::new(Asset::new(path, plain.clone(), gzip));
        let path = if path == INDEX { "/".to_owned() } else { format!("/{path}") };
        routes = routes.on(Action::Dashboard, &path, serve(asset));
    }
    routes
}

fn serve<S: Clone + Send + Sync + 'static>(asset: Arc<Asset>) -> MethodRouter<S> {
    get(answer).layer(Extension(asset))
}

async fn answer(Extension(asset): Extension<Arc<Asset>>, request: HeaderMap) -> Response {
    let mut response = asset.answer(&request);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    response
}

#[cfg(test)]
mod tests;
