//! The routes: counted, checked, and answered in health or with the fault that stands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HOST, USER_AGENT};
use axum::http::{HeaderName, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::answers;
use crate::faults::{self, empty, json_body};
use crate::listener::{CountingListener, Resetter};
use crate::script::Script;
use crate::story::{Step, Story};

const REQUEST_BYTES_MAX: usize = 1024 * 1024;
const STORY_ROUTE: &str = "/_story";

/// They load a model, change the server or leave the host: nobody who only watches asks them.
const FORBIDDEN: [&str; 16] = [
    "/api/generate",
    "/api/chat",
    "/api/embed",
    "/api/embeddings",
    "/api/pull",
    "/api/push",
    "/api/create",
    "/api/copy",
    "/api/delete",
    "/api/me",
    "/api/signout",
    "/api/experimental/model-recommendations",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
];

#[derive(Clone)]
struct Fake {
    script: Script,
    addr: SocketAddr,
}

pub(crate) async fn serve(listener: CountingListener, script: Script, addr: SocketAddr) {
    let routes = Router::new().fallback(answer).with_state(Fake { script, addr });
    let service = routes.into_make_service_with_connect_info::<Resetter>();
    let ended: io::Result<()> = axum::serve(listener, service).await;
    // Serving ends with its task; an error of one connection is that connection's.
    drop(ended);
}

async fn answer(
    State(fake): State<Fake>,
    ConnectInfo(resetter): ConnectInfo<Resetter>,
    request: Request,
) -> Response<Body> {
    if request.uri().path() == STORY_ROUTE {
        return tell(&fake.script, request).await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    fake.script.asked(&format!("{method} {path}"), header(&request, USER_AGENT));
    if FORBIDDEN.contains(&path.as_str()) {
        fake.script.asked_what_is_forbidden(format!("{method} {path}"));
    }
    let host = header(&request, HOST).unwrap_or_default();
    if fake.addr.ip().is_loopback() && !is_allowed_host(&host) {
        return empty(StatusCode::FORBIDDEN);
    }
    let story = fake.script.story();
    let (status, healthy) = healthy(&fake, &story, &method, &path, request).await;
    match story.faults.get(&path).or_else(|| story.faults.get("*")) {
        Some(fault) => faults::respond(*fault, healthy, &resetter).await,
        None if path == "/" => Response::new(Body::from("Ollama is running")),
        None => json_body(status, &healthy),
    }
}

async fn healthy(
    fake: &Fake,
    story: &Story,
    method: &Method,
    path: &str,
    request: Request,
) -> (StatusCode, Value) {
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/" if is_get => (StatusCode::OK, Value::Null),
        "/api/version" if is_get => (StatusCode::OK, answers::version(story)),
        "/api/status" if is_get && story.is_since(17) => (StatusCode::OK, answers::status()),
        "/api/tags" if is_get => {
            if fake.script.lists_for_the_first_time() {
                tokio::time::sleep(Duration::from_millis(story.first_tags_ms)).await;
            }
            (StatusCode::OK, answers::tags(story))
        }
        "/api/ps" if is_get => (StatusCode::OK, answers::ps(story)),
        "/api/show" if *method == Method::POST => show(fake, story, request).await,
        _ => (StatusCode::NOT_FOUND, answers::error("page not found")),
    }
}

async fn show(fake: &Fake, story: &Story, request: Request) -> (StatusCode, Value) {
    let body = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await.unwrap_or_default();
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = question["model"].as_str().or(question["name"].as_str()).unwrap_or_default();
    match story.models.iter().find(|model| model.name == name) {
        Some(model) => {
            if model.remote {
                fake.script.asked_what_is_forbidden(format!("POST /api/show {name}"));
            }
            (StatusCode::OK, answers::show(model))
        }
        None => (StatusCode::NOT_FOUND, answers::error(&format!("model '{name}' not found"))),
    }
}

/// `POST /_story` changes the story by a list of steps; any other method tells the report.
async fn tell(script: &Script, request: Request) -> Response<Body> {
    if request.method() != Method::POST {
        return json_body(StatusCode::OK, &json!(script.report()));
    }
    let body = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice::<Vec<Step>>(&body) {
        Ok(steps) => {
            steps.into_iter().for_each(|step| script.apply(step));
            json_body(StatusCode::OK, &json!(script.report()))
        }
        Err(error) => json_body(StatusCode::BAD_REQUEST, &answers::error(&error.to_string())),
    }
}

fn header(request: &Request, name: HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// A server on loopback lets no web page in by a name of its own.
fn is_allowed_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    let local = ["localhost", ".localhost", ".local", ".internal"];
    name.parse::<IpAddr>().is_ok() || local.iter().any(|end| name.ends_with(end))
}
