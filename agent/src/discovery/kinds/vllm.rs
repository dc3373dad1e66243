//! vLLM (<https://docs.vllm.ai/en/stable/usage/metrics/>). It serves one model, which it holds as
//! long as it runs; adapters are listed beside it. Only what begins with `/v1` is ever behind its key.

use futures_util::FutureExt as _;

use super::{Answer, Asked, Dialect, Marks, ollama, openai};
use crate::discovery::answer::{Alive, Installed, Loaded, Requests, Told};
use crate::discovery::ask::{Ask, PROPERTIES_BYTES_MAX, ProbeError, Question, Unanswered, read};
use crate::discovery::counters;
use crate::discovery::lead::Kind;
use crate::discovery::list::List;

const VERSION: &str = "/version";
const HEALTH: &str = "/health";
const METRICS: &str = "/metrics";
// Not read: how full its cache is (`vllm:kv_cache_usage_perc`, once `gpu_cache_usage_perc`), for
// which the wire has no word.
const RUNNING: [&str; 1] = ["vllm:num_requests_running"];
const WAITING: [&str; 1] = ["vllm:num_requests_waiting"];

#[derive(Debug)]
pub(super) struct Vllm;

impl Dialect for Vllm {
    fn kind(&self) -> Kind {
        Kind::Vllm
    }

    fn marks(&self) -> Marks {
        Marks { owner: Some("vllm"), gauges: Some("vllm:"), port: Some(8000), ..Marks::default() }
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Alive> {
        alive(server).boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Told> {
        doing(server, &RUNNING, &WAITING).boxed()
    }

    fn installed<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive, _: Asked) -> Answer<'a, Told> {
        installed(server).boxed()
    }
}

async fn alive(server: &dyn Ask) -> Result<Alive, Unanswered> {
    let question = Question::get(VERSION);
    let version = read(server, VERSION, question, ollama::read_version).await?;
    // The interface may outlive its engine, which this tells.
    let because = |error| Unanswered { path: HEALTH, error };
    let health = server.ask(Question::get(HEALTH)).await.map_err(because)?;
    if !health.is_absent() {
        health.ok().map_err(because)?;
    }
    Ok(Alive { version: Some(version), ..Alive::default() })
}

/// Requests by the server's own gauges. A server that shows none still holds its model.
pub(super) async fn doing(
    server: &dyn Ask,
    running: &[&str],
    waiting: &[&str],
) -> Result<Told, Unanswered> {
    let requests = match metrics(server).await {
        Ok(text) => {
            Requests::counted(counters::gauge(&text, running), counters::gauge(&text, waiting))
        }
        Err(error) if is_unshown(&error) => Requests::default(),
        Err(error) => return Err(Unanswered { path: METRICS, error }),
    };
    Ok(Told { requests, holds: true, knows_loaded: true, ..Told::default() })
}

/// The text of `/metrics`.
pub(super) async fn metrics(server: &dyn Ask) -> Result<Vec<u8>, ProbeError> {
    let reply = server.ask(Question::get(METRICS).up_to(PROPERTIES_BYTES_MAX)).await?;
    reply.ok()?;
    Ok(reply.body)
}

/// Whether the server answers, but not with its gauges.
pub(super) fn is_unshown(error: &ProbeError) -> bool {
    error.is_of_another() || matches!(error, ProbeError::Credential(_) | ProbeError::Turned)
}

/// What it lists it holds.
pub(super) async fn installed(server: &dyn Ask) -> Result<Told, Unanswered> {
    let installed = openai::models(server).await?;
    let loaded = Some(all_loaded(&installed.items));
    Ok(Told { installed: Some(installed), loaded, holds: true, ..Told::default() })
}

/// Every model that is listed, as loaded.
pub(super) fn all_loaded(installed: &[Installed]) -> List<Loaded> {
    let loaded = |model: &Installed| Loaded {
        name: model.name.clone(),
        context_length: model.context_length,
        ..Loaded::default()
    };
    installed.iter().map(loaded).collect::<Vec<_>>().into()
}
