//! Who answers at a place: by what its process is where that is known, else by what it says.
//!
//! Many programs answer some of Ollama's or OpenAI's routes: proxies, routers, exporters and web
//! pages, which hold no model and would be counted twice. They are told apart here, and not listed.

use std::collections::BTreeSet;

use super::answer::Alive;
use super::ask::{Ask, LIST_BYTES_MAX, ProbeError, Question, Reply, Unanswered};
use super::counters;
use super::kinds::{self, Dialect};
use super::lead::{Kind, Lead, Origin, Owner, Role};
use super::list;

const ROOT: &str = "/";
const MODELS: &str = "/v1/models";
const METRICS: &str = "/metrics";
/// What Ollama says to who asks for nothing.
const GREETING: &[u8] = b"Ollama is running";
/// Words on the first page of programs that hand requests on.
const PAGES: [(&str, &str); 4] = [
    ("litellm", "LiteLLM"),
    ("open webui", "Open WebUI"),
    ("open-webui", "Open WebUI"),
    ("ollama-herd", "ollama-herd"),
];

/// Who owns the models that programs list which hand requests on, and what they are.
const OWNERS: [(&str, &str); 10] = [
    ("library", "it hands on a part of Ollama"),
    ("llama-swap", "llama-swap"),
    ("olla", "Olla"),
    ("litellm", "LiteLLM"),
    ("one-api", "One API"),
    ("new-api", "New API"),
    ("gpustack", "GPUStack"),
    ("openrouter", "OpenRouter"),
    ("custom-openai", "it hands requests on"),
    ("open-webui", "Open WebUI"),
];

/// What was found at a place.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A server of this kind.
    Is(&'static dyn Dialect, Alive),
    /// It lets nobody in without a credential, and is of this kind by all that is known.
    Guarded(&'static dyn Dialect, Unanswered),
    /// It hands requests on; these words say what it is.
    Aggregator(&'static str),
    /// A server that has only begun: it answers, but is none yet.
    NotYet,
    /// Nothing that is looked for.
    Stranger,
}

/// Whether a person or a unit says that there is a server.
pub(super) fn is_named(lead: &Lead) -> bool {
    matches!(lead.origin, Origin::Flag | Origin::Environment | Origin::Unit)
}

/// Whether there is a server by all that is known without asking.
pub(super) fn is_expected(lead: &Lead) -> bool {
    is_named(lead) || lead.origin == Origin::Process
}

/// The kind that is usual at this port.
pub(super) fn usual_kind(lead: &Lead) -> Option<Kind> {
    kinds::marked(|marks| marks.port == Some(lead.target.port()))
}

/// What the process is known to be.
pub(super) fn known_kind(lead: &Lead) -> Option<Kind> {
    match &lead.owner {
        Owner::Known(process) => match process.role {
            Role::Server(kind) => Some(kind),
            Role::Aggregator | Role::Unclear => None,
        },
        Owner::Forwarder | Owner::Unknown => None,
    }
}

fn is_aggregator(lead: &Lead) -> bool {
    matches!(&lead.owner, Owner::Known(process) if process.role == Role::Aggregator)
}

/// Asks until it is clear who answers. An error is one of the connection: nothing can be told.
pub(super) async fn recognise(server: &dyn Ask, lead: &Lead) -> Result<Verdict, Unanswered> {
    if is_aggregator(lead) {
        return Ok(Verdict::Aggregator("by its process"));
    }
    if let Some(kind) = known_kind(lead) {
        let dialect = kinds::dialect(kind);
        match dialect.alive(server, &Alive::default()).await {
            Ok(alive) => return Ok(Verdict::Is(dialect, alive)),
            Err(error) if is_guarded(&error.error) => return Ok(Verdict::Guarded(dialect, error)),
            Err(error) if !error.error.is_of_another() => return Err(error),
            // It does not speak as its process should; what it says decides.
            Err(_) => {}
        }
    }
    by_answers(server, lead).await
}

/// Whether it lets nobody in.
pub(super) fn is_guarded(error: &ProbeError) -> bool {
    matches!(error, ProbeError::Credential(_) | ProbeError::Turned)
}

async fn by_answers(server: &dyn Ask, lead: &Lead) -> Result<Verdict, Unanswered> {
    let ollama = kinds::dialect(Kind::Ollama);
    let guarded = match ollama.alive(server, &Alive::default()).await {
        Ok(alive) => return ollama_or_proxy(server, lead, alive).await,
        Err(error) if is_guarded(&error.error) => Some(error),
        Err(error) if error.error.is_of_another() || is_failing(&error.error) => None,
        Err(error) => return Err(error),
    };
    let because = |error| Unanswered { path: MODELS, error };
    let models = server.ask(Question::get(MODELS).up_to(LIST_BYTES_MAX)).await.map_err(because)?;
    if let Some(kind) = by_header(&models) {
        return is_or_guarded(server, kind).await;
    }
    match models.ok() {
        Ok(body) => by_models(server, lead, body).await,
        Err(error) if is_guarded(&error) => {
            behind_key(server, lead, guarded.unwrap_or(because(error))).await
        }
        Err(error) => Ok(match guarded {
            Some(guarded) => by_place(lead, guarded),
            None if is_unavailable(&error) => not_yet(lead),
            None => Verdict::Stranger,
        }),
    }
}

/// What answers without being a server is one that starts only where one is expected.
fn not_yet(lead: &Lead) -> Verdict {
    if is_expected(lead) { Verdict::NotYet } else { Verdict::Stranger }
}

fn is_unavailable(error: &ProbeError) -> bool {
    matches!(error, ProbeError::Status(status) if status.as_u16() == 503)
}

/// An answer of 500 or the like: it may be another's, who fails at what it does not know.
fn is_failing(error: &ProbeError) -> bool {
    matches!(error, ProbeError::Status(_))
}

/// The kinds that name themselves in each answer.
fn by_header(reply: &Reply) -> Option<Kind> {
    let header = reply.server.as_deref()?;
    kinds::marked(|marks| marks.header == Some(header))
}

async fn is_or_guarded(server: &dyn Ask, kind: Kind) -> Result<Verdict, Unanswered> {
    let dialect = kinds::dialect(kind);
    match dialect.alive(server, &Alive::default()).await {
        Ok(alive) => Ok(Verdict::Is(dialect, alive)),
        Err(error) if is_guarded(&error.error) => Ok(Verdict::Guarded(dialect, error)),
        Err(error) if error.error.is_of_another() => Ok(Verdict::Stranger),
        Err(error) => Err(error),
    }
}

/// Ollama greets, names no server program and has no metrics; others do one or the other. Whom a
/// person named is believed to be what he says.
async fn ollama_or_proxy(
    server: &dyn Ask,
    lead: &Lead,
    alive: Alive,
) -> Result<Verdict, Unanswered> {
    let is = Verdict::Is(kinds::dialect(Kind::Ollama), alive);
    let root = page(server).await?;
    if root.body.trim_ascii() != GREETING {
        return Ok(Verdict::Aggregator(named(&root.body).unwrap_or("it has another first page")));
    }
    if lead.origin == Origin::Flag {
        return Ok(is);
    }
    if root.server.is_some() {
        return Ok(Verdict::Aggregator("another program answers for Ollama"));
    }
    let because = |error| Unanswered { path: METRICS, error };
    let metrics = server.ask(Question::get(METRICS).up_to(LIST_BYTES_MAX)).await;
    match metrics {
        Ok(reply) if reply.status.is_success() => {
            Ok(Verdict::Aggregator("it has metrics, which Ollama has not"))
        }
        Ok(_) | Err(ProbeError::TooLarge(_)) => Ok(is),
        Err(error) => Err(because(error)),
    }
}

async fn page(server: &dyn Ask) -> Result<Reply, Unanswered> {
    let reply = server.ask(Question::get(ROOT)).await;
    match reply {
        // A page that is too long to read is no greeting.
        Err(ProbeError::TooLarge(_)) => {
            Ok(Reply { status: reqwest::StatusCode::OK, server: None, body: Vec::new() })
        }
        reply => reply.map_err(|error| Unanswered { path: ROOT, error }),
    }
}

/// Who names himself on his first page.
fn named(page: &[u8]) -> Option<&'static str> {
    let page = String::from_utf8_lossy(page).to_lowercase();
    PAGES.iter().find(|(word, _)| page.contains(word)).map(|(_, name)| *name)
}

/// By who owns the models that are listed, as OpenAI's interface has it.
async fn by_models(server: &dyn Ask, lead: &Lead, body: &[u8]) -> Result<Verdict, Unanswered> {
    let owner = |value: &serde_json::Value| Some(list::word(value, "owned_by").unwrap_or_default());
    let Ok(owners) = list::under(body, "data", owner, NOT_A_LIST) else {
        return Ok(Verdict::Stranger);
    };
    let owners: BTreeSet<&str> = owners.items.iter().map(String::as_str).collect();
    let mut owners = owners.into_iter();
    let kind = match (owners.next(), owners.next()) {
        // Nobody lists nothing but who is no server of models, or not yet.
        (None, _) => return Ok(not_yet(lead)),
        (Some(_), Some(_)) => return Ok(Verdict::Aggregator("it lists models of several owners")),
        (Some(owner), None) => match hands_on(owner) {
            Some(how) => return Ok(Verdict::Aggregator(how)),
            None => kinds::marked(|marks| marks.owner == Some(owner)).unwrap_or(Kind::OpenAi),
        },
    };
    if kind != Kind::OpenAi
        && let is @ (Verdict::Is(..) | Verdict::Guarded(..)) = is_or_guarded(server, kind).await?
    {
        return Ok(is);
    }
    let page = page(server).await?;
    if let Some(name) = named(&page.body) {
        return Ok(Verdict::Aggregator(name));
    }
    Ok(Verdict::Is(kinds::dialect(Kind::OpenAi), Alive::default()))
}

/// Whoever hands requests on may put his name where the owner of a model stands.
fn hands_on(owner: &str) -> Option<&'static str> {
    let is = |name: &str| owner.eq_ignore_ascii_case(name);
    OWNERS.iter().find(|(name, _)| is(name)).map(|(_, how)| *how)
}

const NOT_A_LIST: super::answer::NotTheAnswer =
    super::answer::NotTheAnswer { expected: "a list of models" };

/// Its models are behind a key, but its gauges may tell whose they are.
async fn behind_key(
    server: &dyn Ask,
    lead: &Lead,
    guarded: Unanswered,
) -> Result<Verdict, Unanswered> {
    let because = |error| Unanswered { path: METRICS, error };
    let metrics = server.ask(Question::get(METRICS).up_to(LIST_BYTES_MAX)).await;
    let metrics = metrics.map_err(because)?;
    let has = |prefix| counters::has_prefix(&metrics.body, prefix);
    match kinds::marked(|marks| marks.gauges.is_some_and(has)) {
        Some(kind) if metrics.status.is_success() => is_or_guarded(server, kind).await,
        _ => Ok(by_place(lead, guarded)),
    }
}

/// One that tells nothing is what its process or its port say, or people; or nothing.
fn by_place(lead: &Lead, guarded: Unanswered) -> Verdict {
    let usual = || {
        let may_be = |kind: &Kind| *kind == Kind::Ollama || lead.owner == Owner::Forwarder;
        usual_kind(lead).filter(may_be)
    };
    let said = || is_named(lead).then_some(Kind::Ollama);
    let hinted = || (lead.origin == Origin::Process).then_some(Kind::OpenAi);
    match known_kind(lead).or_else(said).or_else(usual).or_else(hinted) {
        Some(kind) => Verdict::Guarded(kinds::dialect(kind), guarded),
        None => Verdict::Stranger,
    }
}

#[cfg(test)]
mod tests;
