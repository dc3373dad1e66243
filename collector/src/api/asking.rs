//! Asks the API in tests as a program on this machine does, guard included.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::auth::AllowedHosts;
use crate::config::Liveness;
use crate::ingest::Desk;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::serve::PeerAddr;

use super::guard::Guarded;
use super::live::Feed;
use super::{Api, routes};

/// An API over a registry.
pub(super) struct Asked {
    pub(super) registry: Arc<Registry>,
    router: Router,
}

impl Asked {
    /// Over services that were added by hand, as the store keeps them: id, and what is declared.
    pub(super) fn over(services: &[(&str, Value)]) -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let docs: Vec<String> = services
            .iter()
            .map(|(id, declared)| {
                json!({
                    "id": id, "revision": 1, "status": "healthy", "records": {"manual": declared},
                })
                .to_string()
            })
            .collect();
        assert_eq!(registry.restore(&[], &docs, Moment::now()), 0);
        let api = Api {
            registry: Arc::clone(&registry),
            desk: Desk::new("test"),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            feed: Feed::new(Arc::clone(&registry)),
        };
        let router = Guarded::new(routes(api), AllowedHosts::new([])).router();
        Self { registry, router }
    }

    /// The status and the body of an answer.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let request = Request::get(path).header("host", "localhost:6121");
        let mut request = request.body(Body::empty()).unwrap();
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(PeerAddr(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}
