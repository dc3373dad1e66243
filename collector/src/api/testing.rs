//! The whole API over a register of its own, asked as from this machine.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::alerts::{Kept, Silences};
use crate::auth::{Access, AllowedHosts};
use crate::catalog::Catalogs;
use crate::config::{self, HistoryRules, Liveness, Proxy};
use crate::history::History;
use crate::ingest::Desk;
use crate::journal::HeartbeatAlerts;
use crate::metrics::testing::meters;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::seal::Seal;
use crate::series::{Keeper, SampleHistory};
use crate::serve::{Channel, PeerAddr};
use crate::store::{Loaded, Store, flush};

use super::guard::{Declared, Guarded};
use super::live::Feed;
use super::owner::Owner;
use super::{Api, routes};

/// A collector's API without its sockets.
pub(crate) struct App {
    api: Api,
    /// Who writes the history of samples, where nobody else does.
    pub(crate) keeper: Mutex<Keeper>,
    /// The data directory, for as long as the application is there.
    pub(crate) dir: tempfile::TempDir,
    _parts: JoinSet<()>,
    /// Every route.
    pub(crate) declared: Vec<Declared>,
    router: Router,
}

impl std::ops::Deref for App {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
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
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().0;
        Self::on(registry, dir, store)
    }

    /// With a database of so many pages at most.
    pub(crate) fn with_pages(pages_max: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_bounded(dir.path(), pages_max).unwrap().0;
        Self::on(Registry::new(Liveness::default()), dir, store)
    }

    /// Where everybody needs credentials.
    pub(crate) fn demanding() -> Self {
        Self::behind(true, Proxy::default())
    }

    /// With these rules for who is let in.
    pub(crate) fn behind(demands_credentials: bool, proxy: Proxy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().0;
        Self::under((demands_credentials, proxy), Registry::new(Liveness::default()), dir, store)
    }

    fn on(registry: Registry, dir: tempfile::TempDir, store: Store) -> Self {
        Self::under((false, Proxy::default()), registry, dir, store)
    }

    fn under(
        let_in: (bool, Proxy),
        registry: Registry,
        dir: tempfile::TempDir,
        store: Store,
    ) -> Self {
        let (registry, store) = (Arc::new(registry), Arc::new(store));
        let seal = Arc::new(Seal::of_dir(dir.path()).unwrap());
        let mut parts = JoinSet::new();
        parts.spawn({
            let (store, registry) = (Arc::clone(&store), Arc::clone(&registry));
            async move { flush(&store, registry, CancellationToken::new()).await }
        });
        let (series, keeper) = SampleHistory::of_dir(dir.path(), &HistoryRules::default());
        let rules = config::Catalogs::default().with_defaults(None, dir.path());
        let sealing = Arc::clone(&seal);
        let catalogs = Catalogs::new(&rules, &[], Arc::clone(&registry), sealing);
        let (tasks, loaded) = (TaskTracker::new(), Loaded::default());
        let access = Access::with_rules(let_in, &loaded, Arc::clone(&store), tasks.clone());
        let access = Arc::new(access);
        let api = Api::from(super::Parts {
            registry: Arc::clone(&registry),
            seal: Arc::clone(&seal),
            store: Arc::clone(&store),
            history: History::new(&store),
            series,
            enrolment: None,
            join_url: "https://collector.example:6121".into(),
            desk: Desk::new("collector"),
            tasks,
            access: Arc::clone(&access),
            audit: Arc::new(store.reader()),
            stop: CancellationToken::new(),
            feed: Feed::new(Arc::clone(&registry)),
            heartbeat_alerts: HeartbeatAlerts::default(),
            alerts: Arc::new(Kept::default()),
            silences: Arc::new(Silences::of_docs(&[], Arc::clone(&registry))),
            meters: meters(),
            catalogs: Arc::new(catalogs),
        });
        let routes = routes(api.clone());
        let declared = routes.declared().to_vec();
        let router = Guarded::with_access(routes, AllowedHosts::new([]), access).router();
        Self { api, keeper: Mutex::new(keeper), dir, _parts: parts, declared, router }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// An answer of which only status and headers are looked at.
    pub(crate) async fn get_raw(&self, path: &str) -> Answer {
        let response = self.open(path).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: Value::Null }
    }

    /// The body of an answer that is text.
    pub(crate) async fn get_text(&self, path: &str) -> String {
        let body = self.open(path).await.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
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
        let is_json = ("content-type", "application/json");
        let length = body.len().to_string();
        let about = [is_json, ("content-length", &length)];
        let about = if body.is_empty() { &[][..] } else { &about[..] };
        self.send_as(method, path, &[about, headers].concat(), body).await
    }

    /// The same by somebody of whom it is known whose services they may change.
    pub(crate) async fn send_by(
        &self,
        owner: Owner,
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        let body = body.to_string();
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json");
        let request = request.header("content-length", body.len()).extension(owner);
        answer(self.ask(request.body(Body::from(body)).unwrap()).await).await
    }

    /// The same with just these headers, and that of its host.
    pub(crate) async fn send_as(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        answer(self.respond(method, path, headers, body).await).await
    }

    /// The status alone: some answers never end.
    pub(crate) async fn status(&self, method: Method, path: &str) -> u16 {
        self.respond(method, path, &[], "").await.status().as_u16()
    }

    /// The same, with an answer whose body was not read yet.
    pub(crate) async fn respond(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

async fn answer(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status, headers, body }
}

impl App {
    async fn ask(&self, request: Request<Body>) -> Response {
        self.ask_by(Channel::Plain, request).await
    }

    /// As if that carried it.
    pub(crate) async fn ask_by(&self, channel: Channel, mut request: Request<Body>) -> Response {
        let peer: SocketAddr = ([127, 0, 0, 1], 40_000).into();
        request.extensions_mut().insert(PeerAddr(peer));
        request.extensions_mut().insert(channel);
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// What `GET` answers, before its body is read.
    pub(crate) async fn open(&self, path: &str) -> Response {
        self.ask(Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()).await
    }

    /// What is no JSON, with its headers.
    pub(crate) async fn page(&self, path: &str) -> (HeaderMap, String) {
        let response = self.open(path).await;
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A text that `GET` answers with 200, and of which kind it says to be.
    pub(crate) async fn text(&self, path: &str) -> (String, String) {
        let response = self.open(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (String::from_utf8(body.to_vec()).unwrap(), kind)
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
