//! Servers without a socket, which answer as they are told: an Ollama, its runners, and any other
//! by its routes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::discovery::answer::{Installed, Loaded};
use crate::discovery::ask::{Ask, Connection, ProbeError, Question, Reply};
use crate::discovery::client::Reach;

/// How a layer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Well,
    Refused,
    Silent,
    Wrong,
    Unauthorized,
    /// There is no way to it.
    Unreached,
    /// Well, but only after 20 s.
    Late,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) version: Says,
    pub(super) loaded: Says,
    pub(super) installed: Says,
    pub(super) show: Says,
    pub(super) models: Vec<Installed>,
    pub(super) warm: Vec<Loaded>,
    /// The file that `/api/show` tells each model is made of.
    pub(super) files: BTreeMap<String, String>,
    pub(super) asked: Vec<String>,
    /// Where these are, the server at this port is no Ollama: status, `Server` header and body.
    pub(super) routes: BTreeMap<(u16, String), (u16, String)>,
    pub(super) header: Option<String>,
    /// Ports at which nobody ever answers.
    pub(super) deaf: Vec<(u16, String)>,
    /// What becomes of a connection.
    pub(super) connection: Connection,
}

#[derive(Clone, Debug)]
pub(super) struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    pub(super) fn with_models(models: Vec<Installed>) -> Self {
        Self(Arc::new(Mutex::new(State {
            version: Says::Well,
            loaded: Says::Well,
            installed: Says::Well,
            show: Says::Well,
            models,
            warm: Vec::new(),
            files: BTreeMap::new(),
            asked: Vec::new(),
            routes: BTreeMap::new(),
            header: None,
            deaf: Vec::new(),
            connection: Connection::default(),
        })))
    }

    /// No Ollama, but who answers these routes.
    pub(super) fn with_routes(port: u16, routes: &[(&str, u16, &str)]) -> Self {
        let server = Self::with_models(Vec::new());
        server.change(|state| {
            for (path, status, body) in routes {
                state.routes.insert((port, (*path).to_owned()), (*status, (*body).to_owned()));
            }
        });
        server
    }

    pub(super) fn route(&self, port: u16, path: &str, status: u16, body: &str) {
        self.change(|state| {
            state.routes.insert((port, path.to_owned()), (status, body.to_owned()));
        });
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn n_asked(&self, what: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == what).count()
    }

    async fn answer(&self, port: u16, question: Question<'_>) -> Result<Reply, ProbeError> {
        let path = question.path.to_owned();
        let is_routed = self.0.lock().unwrap().routes.keys().any(|(at, _)| *at == port);
        let (name, says): (String, fn(&State) -> Says) = match path.as_str() {
            _ if is_routed => (path.clone(), |_| Says::Well),
            "/api/version" => ("version".to_owned(), |s| s.version),
            "/api/ps" => ("ps".to_owned(), |s| s.loaded),
            "/api/tags" => ("tags".to_owned(), |s| s.installed),
            "/api/show" => (format!("show {}", model(&question)), |s| s.show),
            other => (other.to_owned(), |_| Says::Well),
        };
        self.change(|state| state.asked.push(name));
        if self.0.lock().unwrap().deaf.contains(&(port, path.clone())) {
            sleep(question.deadline).await;
            return Err(ProbeError::Silent(question.deadline));
        }
        let how = says(&self.0.lock().unwrap());
        match how {
            Says::Well => {}
            Says::Refused => return Err(ProbeError::Refused),
            Says::Silent => {
                sleep(question.deadline).await;
                return Err(ProbeError::Silent(question.deadline));
            }
            Says::Unreached => return Err(ProbeError::Unreached(an_error())),
            Says::Wrong => return Ok(reply(200, "[7]".to_owned())),
            Says::Unauthorized => return Ok(reply(401, r#"{"error":"unauthorized"}"#.to_owned())),
            Says::Late => sleep(Duration::from_secs(20)).await,
        }
        let state = self.0.lock().unwrap();
        if is_routed {
            let route = state.routes.get(&(port, path));
            let (status, body) = route.cloned().unwrap_or((404, String::new()));
            if status == 0 {
                return Err(ProbeError::Refused);
            }
            return Ok(Reply { server: state.header.clone(), ..reply(status, body) });
        }
        Ok(match path.as_str() {
            "/" => reply(200, "Ollama is running".to_owned()),
            "/api/version" => reply(200, json!({"version": "0.33.0"}).to_string()),
            "/api/tags" => listed(state.models.iter().map(installed).collect()),
            "/api/ps" => listed(state.warm.iter().map(loaded).collect()),
            "/api/show" => shown(&state, &model(&question)),
            _ => reply(404, "page not found".to_owned()),
        })
    }
}

/// Any: nobody can make one himself.
fn an_error() -> reqwest::Error {
    reqwest::Client::new().get("no url").build().unwrap_err()
}

fn model(question: &Question<'_>) -> String {
    let body: Value = serde_json::from_str(question.body.as_deref().unwrap_or("null")).unwrap();
    body["model"].as_str().unwrap_or_default().to_owned()
}

fn reply(status: u16, body: String) -> Reply {
    let status = StatusCode::from_u16(status).unwrap();
    Reply { status, server: None, body: body.into_bytes() }
}

fn listed(models: Vec<Value>) -> Reply {
    reply(200, json!({"models": models}).to_string())
}

fn installed(model: &Installed) -> Value {
    json!({
        "name": model.name, "digest": model.digest, "capabilities": model.capabilities,
        "details": {"context_length": model.context_length},
        "remote_host": model.remote.then_some("https://ollama.com:443"),
    })
}

fn loaded(model: &Loaded) -> Value {
    json!({"name": model.name, "digest": model.digest})
}

fn shown(state: &State, model: &str) -> Reply {
    let file = state.files.get(model).map(|file| format!("FROM /models/blobs/sha256-{file}\n"));
    let info = json!({"general.architecture": "a", "a.context_length": 7});
    reply(200, json!({"model_info": info, "modelfile": file}).to_string())
}

/// A scripted server at one port.
#[derive(Clone, Debug)]
pub(super) struct AtPort(Scripted, u16);

impl Reach for Scripted {
    type Server = AtPort;

    fn at(&self, target: SocketAddr) -> AtPort {
        AtPort(self.clone(), target.port())
    }
}

impl Ask for AtPort {
    fn hold(&mut self, connection: Connection) {
        self.0.change(|state| state.connection = connection);
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ProbeError>> {
        self.0.answer(self.1, question).boxed()
    }
}
