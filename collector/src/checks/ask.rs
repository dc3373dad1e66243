//! What a service is asked, by what it is, and what its answers mean.

use std::time::Duration;

use herdbook_shared::time::Timestamp;
use hyper::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::http::{Body, INVENTORY_BYTES_MAX, LIVENESS_BYTES_MAX, Read, Reply, Server, failure};
use super::models::{self, Inventory};
use crate::registry::check::probe::{ProbeFailure, Probed};
use crate::registry::service::{ServiceFacts, ServiceType};

/// A list longer than this is read beside the thread that carries all sockets.
const READ_HERE_BYTES: usize = 64 * 1024;

/// What is left of the time for a check once its list of models is given up.
const SPARED: Duration = Duration::from_millis(100);

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Ollama,
    OpenAi,
    /// It serves models in a manner that is not known.
    Recognise,
    /// Any answer will do.
    Alive,
}

impl Manner {
    /// How this service is asked. What an earlier check recognised is not relied on: another
    /// server may have taken its place.
    pub(super) fn of(facts: &ServiceFacts) -> Self {
        if facts.r#type != ServiceType::Model {
            return Self::Alive;
        }
        let declared = facts.records.declared().find_map(|declared| declared.kind.as_deref());
        match declared.or(facts.found().map(|found| found.kind.as_str())) {
            Some("ollama") => Self::Ollama,
            Some("vllm" | "llamacpp" | "lmstudio" | "sglang" | "openai") => Self::OpenAi,
            _ => Self::Recognise,
        }
    }
}

/// Asks a server all that it is asked in one check, which is over at `until`.
pub(super) async fn ask(
    server: &Server,
    manner: Manner,
    until: Instant,
) -> Result<Probed, ProbeFailure> {
    match manner {
        Manner::Ollama => ollama(server, until).await,
        Manner::OpenAi => openai(server).await,
        Manner::Recognise => recognise(server, until).await,
        Manner::Alive => alive(server, None).await,
    }
}

async fn recognise(server: &Server, until: Instant) -> Result<Probed, ProbeFailure> {
    let (version, latency_ms) = timed(server.get("/api/version", liveness())).await?;
    if let Some(version) = version_of(&version) {
        let kind = Some("ollama".to_owned());
        return Ok(Probed { kind, ..inventory(server, version, latency_ms, until).await });
    }
    if asks_credential(version.status) {
        return Ok(locked(version.status, latency_ms));
    }
    let (listed, _) = timed(server.get("/v1/models", Read::UpTo(INVENTORY_BYTES_MAX))).await?;
    if asks_credential(listed.status) {
        return Ok(locked(listed.status, latency_ms));
    }
    match read_openai(listed).await {
        Ok(models) => {
            let kind = Some("openai".to_owned());
            Ok(Probed { kind, latency_ms, ..told(models) })
        }
        Err(_) => alive(server, Some(latency_ms)).await,
    }
}

/// Any answer is one of somebody who lives, but for one that says that something is broken.
async fn alive(server: &Server, latency_ms: Option<u64>) -> Result<Probed, ProbeFailure> {
    let (reply, took_ms) = timed(server.get("", Read::Nothing)).await?;
    if reply.status.is_server_error() {
        return Err(answered(reply.status));
    }
    Ok(Probed { latency_ms: latency_ms.unwrap_or(took_ms), ..Probed::default() })
}

async fn ollama(server: &Server, until: Instant) -> Result<Probed, ProbeFailure> {
    let (reply, latency_ms) = timed(server.get("/api/version", liveness())).await?;
    if asks_credential(reply.status) {
        return Ok(locked(reply.status, latency_ms));
    }
    match version_of(&reply) {
        Some(version) => Ok(inventory(server, version, latency_ms, until).await),
        None if reply.status.is_success() => Err(failure("it does not answer as an Ollama does")),
        None => Err(answered(reply.status)),
    }
}

/// The models of an Ollama that lives. It may be too busy to tell them, and lives all the same.
async fn inventory(server: &Server, version: String, latency_ms: u64, until: Instant) -> Probed {
    let listed = timeout_at(until - SPARED, list_ollama(server)).await;
    let listed = match listed.unwrap_or_else(|_| Err(failure("it takes too long"))) {
        Ok(inventory) => told(inventory),
        Err(why) => {
            let note = Some(format!("its models cannot be told: {why}"));
            Probed { note, ..Probed::default() }
        }
    };
    Probed { version: Some(version), latency_ms, ..listed }
}

async fn list_ollama(server: &Server) -> Result<Inventory, ProbeFailure> {
    let loaded = whole(server.get("/api/ps", Read::UpTo(INVENTORY_BYTES_MAX)).await?)?;
    let installed = whole(server.get("/api/tags", Read::UpTo(INVENTORY_BYTES_MAX)).await?)?;
    beside(loaded.len() + installed.len(), move || {
        let loaded = models::list(&loaded, "models");
        let installed = models::list(&installed, "models");
        let installed = installed.ok_or_else(|| failure("its list cannot be read"))?;
        Ok(models::ollama(&installed, loaded.as_ref(), Timestamp::now()))
    })
    .await
}

async fn openai(server: &Server) -> Result<Probed, ProbeFailure> {
    let asked = server.get("/v1/models", Read::UpTo(INVENTORY_BYTES_MAX));
    let (reply, latency_ms) = timed(asked).await?;
    if asks_credential(reply.status) {
        return Ok(locked(reply.status, latency_ms));
    }
    if matches!(reply.body, Body::TooLarge) {
        let note = Some("its models cannot be told: its list is too long".to_owned());
        return Ok(Probed { note, latency_ms, ..Probed::default() });
    }
    Ok(Probed { latency_ms, ..told(read_openai(reply).await?) })
}

async fn read_openai(reply: Reply) -> Result<Inventory, ProbeFailure> {
    let body = whole(reply)?;
    beside(body.len(), move || {
        let listed = models::list(&body, "data");
        let listed =
            listed.ok_or_else(|| failure("it does not answer as an OpenAI server does"))?;
        Ok(models::openai(&listed))
    })
    .await
}

/// Reads a long list beside the thread that carries all sockets.
async fn beside(
    n_bytes: usize,
    read: impl FnOnce() -> Result<Inventory, ProbeFailure> + Send + 'static,
) -> Result<Inventory, ProbeFailure> {
    if n_bytes <= READ_HERE_BYTES {
        return read();
    }
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|_| Err(failure("its list could not be read")))
}

fn told(inventory: Inventory) -> Probed {
    let Inventory { models, n_left_out: models_left_out, expires } = inventory;
    Probed { models: Some(models), models_left_out, expires, ..Probed::default() }
}

fn liveness() -> Read {
    Read::UpTo(LIVENESS_BYTES_MAX)
}

async fn timed(
    asked: impl Future<Output = Result<Reply, ProbeFailure>>,
) -> Result<(Reply, u64), ProbeFailure> {
    let began = Instant::now();
    let reply = asked.await?;
    let took: Duration = began.elapsed();
    Ok((reply, u64::try_from(took.as_millis()).unwrap_or(u64::MAX)))
}

fn version_of(reply: &Reply) -> Option<String> {
    let Body::Whole(body) = &reply.body else { return None };
    if !reply.status.is_success() {
        return None;
    }
    models::version(body)
}

fn whole(reply: Reply) -> Result<Vec<u8>, ProbeFailure> {
    match reply.body {
        _ if !reply.status.is_success() => Err(answered(reply.status)),
        Body::Whole(body) => Ok(body),
        Body::TooLarge => Err(failure("its list is too long")),
    }
}

fn asks_credential(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// It lives, and tells nothing to who cannot prove who they are.
fn locked(status: StatusCode, latency_ms: u64) -> Probed {
    let note = Some(format!("it asks for a credential ({})", status.as_u16()));
    Probed { note, latency_ms, ..Probed::default() }
}

fn answered(status: StatusCode) -> ProbeFailure {
    failure(format!("it answered {}", status.as_u16()))
}
