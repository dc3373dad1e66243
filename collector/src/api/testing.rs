//! The whole API over a register of its own, asked as from this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::auth::AllowedHosts;
use crate::config::Liveness;
use crate::history::History;
use crate::ingest::Desk;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::seal::Seal;
use crate::serve::PeerAddr;
use crate::store::Store;

use super::guard::{Declared, Guarded};
use super::live::Feed;
use super::{Api, routes};

/// A collector's API without its sockets.
pub(crate) struct App {
    pub(crate) registry: Arc<Registry>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) store: Arc<Store>,
    /// The data directory, for as long as the application is there.
    pub(crate) dir: tempfile::TempDir,
    /// Every route.
    pub(crate) declared: Vec<Declared>,
    router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body; `null` where there is none.
    pub(crate) body: Value,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::over(&[])
    }

    /// Over services that were added by hand and are well: id, and what is declared.
    pub(crate) fn over(services: &[(&str, Value)]) -> Self {
        let doc = |(id, declared): &(&str, Value)| {
            let records = json!({"manual": declared});
            json!({"id": id, "revision": 1, "status": "healthy", "records": records}).to_string()
        };
        let docs: Vec<String> = services.iter().map(doc).collect();
        let registry = Registry::new(Liveness::default());
        assert_eq!(registry.restore(&[], &docs, Moment::now()), 0);
        Self::of(registry)
    }

    /// Over this register.
    pub(crate) fn of(registry: Registry) -> Self {
        let (registry, dir) = (Arc::new(registry), tempfile::tempdir().unwrap());
        let seal = Arc::new(Seal::of_dir(dir.path()).unwrap());
        let (store, _) = Store::open(dir.path()).unwrap();
        let store = Arc::new(store);
        let api = Api {
            registry: Arc::clone(&registry),
            seal: Arc::clone(&seal),
            store: Arc::clone(&store),
            history: History::new(&store),
            desk: Desk::new("collector"),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            feed: Feed::new(Arc::clone(&registry)),
        };
        let routes = routes(api);
        let declared = routes.declared().to_vec();
        let router = Guarded::new(routes, AllowedHosts::new([])).router();
        Self { registry, seal, store, dir, declared, router }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], &body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, &[], &body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Sends a request with headers of its own; one with a body says that it is JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        let response = self.respond(method, path, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body =
            if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status, headers, body }
    }

    /// The status alone: some answers never end.
    pub(crate) async fn status(&self, method: Method, path: &str) -> u16 {
        self.respond(method, path, &[], "").await.status().as_u16()
    }

    /// What is no JSON, with its headers.
    pub(crate) async fn text(&self, path: &str) -> (HeaderMap, String) {
        let response = self.respond(Method::GET, path, &[], "").await;
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn respond(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .header("content-length", body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
        request.extensions_mut().insert(PeerAddr(peer));
        self.router.clone().oneshot(request).await.unwrap()
    }
}

impl Answer {
    /// The field that a problem names.
    pub(crate) fn field(&self) -> &str {
        self.body["field"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
