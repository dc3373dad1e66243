//! llama.cpp's server (<https://github.com/ggml-org/llama.cpp/tree/master/tools/server>), with one
//! model or as a router of many.
//!
//! Counting requests by `/slots` or `/metrics` counts as use: it wakes a server that sleeps, and
//! keeps one from falling asleep that may. Such a one is asked for `/props` alone, which does not.
//! Of `/slots` only the flags are read.

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Answer, Asked, Dialect, Marks, openai, vllm};
use crate::discovery::answer::{Alive, Details, Installed, Loaded, NotTheAnswer, Requests, Told};
use crate::discovery::ask::{
    Ask, LIST_BYTES_MAX, PROPERTIES_BYTES_MAX, ProbeError, Question, Reply, Unanswered, read,
};
use crate::discovery::counters;
use crate::discovery::lead::Kind;
use crate::discovery::list::{self, List, count, word};
use crate::discovery::text;

const HEALTH: &str = "/health";
const PROPERTIES: &str = "/props";
const SLOTS: &str = "/slots";
const MODELS: &str = "/v1/models";
const RUNNING: [&str; 1] = ["llamacpp:requests_processing"];
const WAITING: [&str; 1] = ["llamacpp:requests_deferred"];

#[derive(Debug)]
pub(super) struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn kind(&self) -> Kind {
        Kind::LlamaCpp
    }

    fn marks(&self) -> Marks {
        Marks { owner: Some("llamacpp"), header: Some("llama.cpp"), ..Marks::default() }
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Alive> {
        alive(server, known).boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Told> {
        if known.routes { routed(server).boxed() } else { doing(server, known).boxed() }
    }

    fn installed<'a>(
        &'a self,
        server: &'a dyn Ask,
        known: &'a Alive,
        _: Asked,
    ) -> Answer<'a, Told> {
        if known.routes {
            // The list that tells what is loaded tells what is installed.
            return async { Ok(Told::default()) }.boxed();
        }
        installed(server, known).boxed()
    }
}

async fn alive(server: &dyn Ask, known: &Alive) -> Result<Alive, Unanswered> {
    let healthy = healthy(server, known).await?;
    if healthy.starting {
        return Ok(healthy);
    }
    match properties(server).await {
        Ok(alive) => Ok(alive),
        // Without its key it tells nothing but that it is well.
        Err(ProbeError::Credential(_)) => Ok(Alive { credential: true, ..healthy }),
        Err(error) if error.is_of_another() => Ok(healthy),
        Err(error) => Err(Unanswered { path: PROPERTIES, error }),
    }
}

/// Whether it is ready; all else is as before.
async fn healthy(server: &dyn Ask, known: &Alive) -> Result<Alive, Unanswered> {
    let because = |error| Unanswered { path: HEALTH, error };
    let health = server.ask(Question::get(HEALTH)).await.map_err(because)?;
    let starting = is_loading(&health);
    if !starting {
        read_health(health.ok().map_err(because)?).map_err(|error| because(error.into()))?;
    }
    Ok(Alive { starting, ..known.clone() })
}

/// `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`
fn is_loading(reply: &Reply) -> bool {
    reply.status.as_u16() == 503
}

fn read_health(body: &[u8]) -> Result<(), NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"JSON such as {"status":"ok"}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    word(&answer, "status").map(drop).ok_or(refusal)
}

async fn properties(server: &dyn Ask) -> Result<Alive, ProbeError> {
    let reply = server.ask(Question::get(PROPERTIES).up_to(PROPERTIES_BYTES_MAX)).await?;
    if is_loading(&reply) {
        return Ok(Alive { starting: true, ..Alive::default() });
    }
    Ok(read_properties(reply.ok()?)?)
}

/// What is read of `/props`; the rest, a template and settings, is passed over.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Properties {
    build_info: Option<Value>,
    role: Option<Value>,
    is_sleeping: Option<Value>,
    default_generation_settings: Option<Settings>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Settings {
    n_ctx: Option<Value>,
}

pub(super) fn read_properties(body: &[u8]) -> Result<Alive, NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"JSON such as {"build_info":"b6500-…"}"# };
    let read: Properties = serde_json::from_slice(body).map_err(|_| refusal)?;
    let told = |value: &Option<Value>, expected: &str| {
        value.as_ref().and_then(Value::as_str) == Some(expected)
    };
    let context = read.default_generation_settings.and_then(|settings| settings.n_ctx);
    Ok(Alive {
        version: read.build_info.as_ref().and_then(Value::as_str).and_then(text::word),
        asleep: read.is_sleeping == Some(Value::Bool(true)),
        routes: told(&read.role, "router"),
        // The flag is there since servers can sleep, whether this one may or not.
        light_sleeper: read.is_sleeping.is_some(),
        context_length: context.and_then(|n| n.as_u64()).filter(|n| *n > 0),
        ..Alive::default()
    })
}

async fn doing(server: &dyn Ask, known: &Alive) -> Result<Told, Unanswered> {
    if known.light_sleeper || known.credential {
        return asleep_or_not(server, known).await;
    }
    let because = |error| Unanswered { path: SLOTS, error };
    let question = Question::get(SLOTS).up_to(LIST_BYTES_MAX);
    let reply = server.ask(question).await.map_err(because)?;
    if is_loading(&reply) {
        return Ok(Told { starting: true, ..Told::default() });
    }
    let requests = match reply.ok().and_then(|body| Ok(processing(body)?)) {
        Ok(n) => Requests::counted(Some(n), None),
        Err(_) if reply.is_absent() => by_gauges(server).await.map_err(because)?,
        Err(error) if vllm::is_unshown(&error) => Requests::default(),
        Err(error) => return Err(because(error)),
    };
    Ok(Told { requests, holds: true, knows_loaded: true, ..Told::default() })
}

async fn by_gauges(server: &dyn Ask) -> Result<Requests, ProbeError> {
    match vllm::metrics(server).await {
        Ok(text) => Ok(Requests::counted(
            counters::gauge(&text, &RUNNING),
            counters::gauge(&text, &WAITING),
        )),
        Err(error) if vllm::is_unshown(&error) => Ok(Requests::default()),
        Err(error) => Err(error),
    }
}

/// Asks only what leaves a sleeper asleep, and what is told without a key.
async fn asleep_or_not(server: &dyn Ask, known: &Alive) -> Result<Told, Unanswered> {
    let now = if known.credential {
        healthy(server, known).await?
    } else {
        let because = |error| Unanswered { path: PROPERTIES, error };
        properties(server).await.map_err(because)?
    };
    Ok(Told {
        starting: now.starting,
        holds: !now.asleep && !now.starting,
        loaded: now.asleep.then(List::default),
        knows_loaded: true,
        ..Told::default()
    })
}

/// How many of the slots are at work. Nothing else of them is read: they hold prompts.
pub(in crate::discovery) fn processing(body: &[u8]) -> Result<u64, NotTheAnswer> {
    #[derive(serde::Deserialize)]
    struct Slot {
        #[serde(default)]
        is_processing: bool,
        /// Before there was a flag: 0 is at rest.
        #[serde(default)]
        state: u8,
    }
    let refusal = NotTheAnswer { expected: r#"JSON such as [{"id":0,"is_processing":false}]"# };
    let slots: Vec<Slot> = serde_json::from_slice(body).map_err(|_| refusal)?;
    Ok(slots.iter().filter(|slot| slot.is_processing || slot.state > 0).count() as u64)
}

/// One model, or none while it sleeps.
async fn installed(server: &dyn Ask, known: &Alive) -> Result<Told, Unanswered> {
    let models = read(server, MODELS, Question::get(MODELS).up_to(LIST_BYTES_MAX), read_models);
    let installed = match models.await {
        Ok(list) => list,
        Err(Unanswered { error: ProbeError::Status(status), .. }) if status.as_u16() == 503 => {
            return Ok(Told { starting: true, ..Told::default() });
        }
        Err(error) => return Err(error),
    };
    let mut loaded = vllm::all_loaded(&installed.items);
    for model in &mut loaded.items {
        model.context_length = known.context_length;
    }
    let loaded = if known.asleep { List::default() } else { loaded };
    Ok(Told { loaded: Some(loaded), installed: Some(installed), ..Told::default() })
}

fn read_models(body: &[u8]) -> Result<List<Installed>, NotTheAnswer> {
    list::under(body, "data", one, openai::LIST)
}

fn one(value: &Value) -> Option<Installed> {
    let about = &value["meta"];
    Some(Installed {
        name: word(value, "id")?,
        size_bytes: count(about, "size"),
        details: Details {
            parameters: count(about, "n_params").map(parameters),
            quantization: word(about, "ftype"),
            family: None,
        },
        context_length: count(about, "n_ctx_train"),
        ..Installed::default()
    })
}

/// 8030261312 is `8.0B`, as others write it.
fn parameters(n: u64) -> String {
    let (unit, letter) = if n >= 1_000_000_000 { (1_000_000_000, "B") } else { (1_000_000, "M") };
    let tenths = n.saturating_mul(10) / unit;
    format!("{}.{}{letter}", tenths / 10, tenths % 10)
}

/// A router lists what it can start, and how each of it stands.
async fn routed(server: &dyn Ask) -> Result<Told, Unanswered> {
    let question = Question::get(MODELS).up_to(LIST_BYTES_MAX);
    let listed = read(server, MODELS, question, read_routed).await?;
    let loading = listed.items.iter().filter(|model| model.stands("loading"));
    let loading = loading.map(|model| model.installed.name.clone()).collect();
    let loaded = listed.items.iter().filter(|model| model.stands("loaded"));
    let loaded: Vec<Loaded> = loaded.map(|model| loaded_as(&model.installed)).collect();
    let items = listed.items.into_iter().map(|model| model.installed).collect();
    Ok(Told {
        installed: Some(List { items, left_out: listed.left_out }),
        loaded: Some(loaded.into()),
        loading,
        knows_loaded: true,
        ..Told::default()
    })
}

fn loaded_as(model: &Installed) -> Loaded {
    Loaded { name: model.name.clone(), ..Loaded::default() }
}

/// `unloaded`, `loading`, `loaded`, `sleeping`, `downloading`; an open word.
pub(super) struct Routed {
    installed: Installed,
    status: Option<String>,
}

impl Routed {
    fn stands(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }
}

pub(super) fn read_routed(body: &[u8]) -> Result<List<Routed>, NotTheAnswer> {
    let routed = |value: &Value| {
        let status = word(&value["status"], "value").or_else(|| word(value, "status"));
        Some(Routed { installed: one(value)?, status })
    };
    list::under(body, "data", routed, openai::LIST)
}
