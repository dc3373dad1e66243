//! Servers of other kinds, and the runners of an Ollama, as fakes: vLLM, SGLang, llama.cpp with one
//! model and as a router, LM Studio, and any that speaks as OpenAI does.
//!
//! Each answers what its real self answers to who only watches. Their state is a [`KinStory`], which
//! can be replaced while they run: in the same process by [`FakeKin::change`], over HTTP by
//! `POST /_story`.

mod answers;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, SERVER};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::script::{Report, Script};
use crate::story::Story;

/// Which server it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kin {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// llama.cpp's server with one model, which also is what runs the models of an Ollama.
    #[default]
    LlamaCpp,
    /// llama.cpp's server as a router.
    LlamaRouter,
    /// LM Studio from 0.4 on.
    LmStudio,
    /// LM Studio before 0.4.
    OlderLmStudio,
    /// Any other with OpenAI's interface.
    OpenAi,
    /// The runner of an Ollama before 0.30, which is Ollama itself: it tells its state by number.
    OlderRunner,
}

/// What a fake has and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KinStory {
    /// Which server it is.
    pub kin: Kin,
    /// Its version.
    pub version: String,
    /// The models that it has.
    pub models: Vec<String>,
    /// Those of them that are in memory, where that is told apart.
    pub loaded: Vec<String>,
    /// Its model, or the first that is not in memory, is on its way there.
    pub loading: bool,
    /// Its model sleeps until somebody wants it.
    pub sleeping: bool,
    /// Requests that it works on.
    pub running: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// It shows its gauges.
    pub shows_metrics: bool,
    /// It keeps what it does to itself while it works on a prompt.
    pub keeps_slots_back: bool,
    /// Whoever wants more than to know that it lives needs this key.
    pub key: Option<String>,
}

impl Default for KinStory {
    fn default() -> Self {
        Self {
            kin: Kin::default(),
            version: "0.11.0".to_owned(),
            models: vec!["meta-llama/Llama-3.1-8B-Instruct".to_owned()],
            loaded: Vec::new(),
            loading: false,
            sleeping: false,
            running: 0,
            waiting: 0,
            shows_metrics: true,
            keeps_slots_back: false,
            key: None,
        }
    }
}

impl KinStory {
    /// An ordinary server of this kind.
    #[must_use]
    pub fn of(kin: Kin) -> Self {
        Self { kin, ..Self::default() }
    }
}

/// A running fake; it stops when it is dropped.
#[derive(Debug)]
pub struct FakeKin {
    addr: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Clone, Debug)]
struct Shared {
    story: Arc<Mutex<KinStory>>,
    /// Counts what was asked.
    script: Script,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, KinStory> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeKin {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    ///
    /// Where there is no free port.
    pub async fn start(story: KinStory) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), story).await
    }

    /// Starts one at an address.
    ///
    /// # Errors
    ///
    /// The address is taken, or not of this host.
    pub async fn start_at(bind: SocketAddr, story: KinStory) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let addr = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let script = Script::new(Story::default());
        let shared = Shared { story: Arc::new(Mutex::new(story)), script };
        let routes = Router::new().fallback(answer).with_state(shared.clone());
        let serving = async move { drop(axum::serve(listener, routes).await) };
        tasks.spawn(stop.clone().run_until_cancelled_owned(serving));
        tasks.close();
        Ok(Self { addr, shared, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Changes its story.
    pub fn change(&self, change: impl FnOnce(&mut KinStory)) {
        change(&mut self.shared.lock());
    }

    /// What was asked so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared.script.report()
    }

    /// Serves until it is stopped from outside.
    pub async fn run(self) {
        self.tasks.wait().await;
    }
}

impl Drop for FakeKin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// They make tokens, load or change the server: nobody who only watches asks them.
const FORBIDDEN: [&str; 7] = [
    "/health_generate",
    "/generate",
    "/completion",
    "/v1/completions",
    "/v1/chat/completions",
    "/models/load",
    "/flush_cache",
];

const BODY_BYTES_MAX: usize = 1024 * 1024;

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if path == "/_story" {
        return tell(&shared, request).await;
    }
    shared.script.asked(&format!("{method} {path}"), None);
    let story = shared.lock().clone();
    let makes_tokens = path == "/health" && story.kin == Kin::Sglang;
    let wakes = story.sleeping && matches!(path.as_str(), "/slots" | "/metrics");
    if FORBIDDEN.contains(&path.as_str()) || makes_tokens || wakes || method != Method::GET {
        shared.script.asked_what_is_forbidden(format!("{method} {path}"));
    }
    if story.keeps_slots_back && path == "/slots" {
        std::future::pending::<()>().await;
    }
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    let lets_in = story.key.is_none() || given == story.key.as_deref();
    let (status, body) = if lets_in || answers::is_open(&story, &path) {
        answers::answer(&story, &path)
    } else {
        (StatusCode::UNAUTHORIZED, r#"{"error":"Unauthorized"}"#.to_owned())
    };
    response(&story, status, body)
}

fn response(story: &KinStory, status: StatusCode, body: String) -> Response<Body> {
    let is_json = body.starts_with(['{', '[']);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = if is_json { "application/json" } else { "text/plain; version=0.0.4" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(server) = answers::server_header(story.kin) {
        response.headers_mut().insert(SERVER, HeaderValue::from_static(server));
    }
    response
}

/// `POST /_story` replaces the story; any other method tells what was asked.
async fn tell(shared: &Shared, request: Request) -> Response<Body> {
    let is_post = request.method() == Method::POST;
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    let told = serde_json::json!(shared.script.report()).to_string();
    let (status, told) = match serde_json::from_slice(&body) {
        Ok(story) if is_post => {
            *shared.lock() = story;
            (StatusCode::OK, told)
        }
        Err(error) if is_post => (StatusCode::BAD_REQUEST, error.to_string()),
        _ => (StatusCode::OK, told),
    };
    response(&KinStory::of(Kin::OpenAi), status, told)
}

#[cfg(test)]
mod tests;
