//! The processes in which an Ollama runs its models: what they say, and what follows for the
//! server. While a current Ollama loads a model it lists nothing, and it never tells how much it
//! works; its runners do.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use herdbook_shared::wire::inventory::ToldBy;
use serde_json::Value;

use super::answer::{Installed, Loaded};
use super::ask::{Ask, LIST_BYTES_MAX, ProbeError, Question, Reply};
use super::client::Reach;
use super::details::DetailsCache;
use super::kinds::slots_processing;
use super::lead::{Engine, Runner};

/// A runner that works on a prompt may keep its answer back: later than this it works.
const AT_ONCE: Duration = Duration::from_secs(1);
/// No host runs more models at a time.
const RUNNERS_MAX: usize = 32;

/// What one runner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It loads its model.
    Loading,
    /// It is ready, and works on so many requests; `None` where it does not count them.
    Ready(Option<u64>),
    /// It is too busy to say.
    Works,
    /// It cannot be asked, or does not listen: it just started, or ends.
    Nothing,
}

/// A runner and what it said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) runner: Runner,
    pub(super) says: Says,
}

/// Asks all of them, at the same time: each is a server of its own.
pub(super) async fn ask_all(reach: &impl Reach, runners: &[Runner]) -> Vec<Heard> {
    let questions = runners.iter().take(RUNNERS_MAX).map(async |runner| {
        let says = match runner.port {
            Some(port) => {
                let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                ask(&reach.at(at), runner.engine).await
            }
            None => Says::Nothing,
        };
        Heard { runner: runner.clone(), says }
    });
    join_all(questions).await
}

async fn ask(runner: &dyn Ask, engine: Engine) -> Says {
    let health = runner.ask(Question::get("/health").within(AT_ONCE)).await;
    let says = match health {
        Ok(reply) => health_says(&reply),
        Err(ProbeError::Silent(_)) => Says::Works,
        Err(_) => Says::Nothing,
    };
    if says != Says::Ready(None) || engine != Engine::LlamaServer {
        return says;
    }
    match runner.ask(Question::get("/slots").up_to(LIST_BYTES_MAX).within(AT_ONCE)).await {
        Ok(reply) => Says::Ready(reply.ok().ok().and_then(|body| slots_processing(body).ok())),
        Err(ProbeError::Silent(_)) => Says::Works,
        Err(_) => Says::Ready(None),
    }
}

/// `{"status":"ok"}`, `{"status":"loading model"}` or its like under 503; runners that are Ollama
/// itself write numbers: 0 ready, 1 no slot free, 2 started, 3 loading.
fn health_says(reply: &Reply) -> Says {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match (&body["status"], reply.status.as_u16()) {
        (Value::String(status), _) if status == "no slot available" => Says::Works,
        (Value::String(status), _) if status == "loading model" => Says::Loading,
        (Value::Number(status), 200) => match status.as_u64() {
            Some(0) => Says::Ready(None),
            Some(1) => Says::Works,
            Some(2 | 3) => Says::Loading,
            _ => Says::Nothing,
        },
        (_, 200) => Says::Ready(None),
        (_, 503) => Says::Loading,
        _ => Says::Nothing,
    }
}

/// What follows from all runners together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Concluded {
    /// A model is on its way into memory.
    pub(super) is_loading: bool,
    /// The names of those, as far as they can be told.
    pub(super) loading: Vec<String>,
    /// It works on a request, or a model is on its way out.
    pub(super) is_busy: bool,
    /// Requests that they work on; `None` where one of them does not tell.
    pub(super) running: Option<u64>,
    /// `None` where there is no runner.
    pub(super) told_by: Option<ToldBy>,
}

/// What was heard, and what the server listed of it so far.
#[derive(Debug, Default)]
pub(super) struct Runners {
    pub(super) heard: Vec<Heard>,
    /// The processes whose model was listed as loaded once.
    listed: HashSet<u32>,
}

impl Runners {
    /// Takes in what all of them said just now.
    pub(super) fn hear(&mut self, heard: Vec<Heard>) {
        self.listed.retain(|pid| heard.iter().any(|one| one.runner.pid == *pid));
        self.heard = heard;
    }

    /// Whether there is one whose model's name cannot be told.
    pub(super) fn has_nameless(&self, installed: &[Installed], details: &DetailsCache) -> bool {
        let is_nameless = |heard: &Heard| name_of(&heard.runner, installed, details).is_none();
        self.heard.iter().any(|heard| heard.runner.digest.is_some() && is_nameless(heard))
    }

    /// Puts what they say and what the server lists together; `None` where its list cannot be
    /// believed.
    pub(super) fn conclude(
        &mut self,
        loaded: Option<&[Loaded]>,
        installed: &[Installed],
        details: &DetailsCache,
    ) -> Concluded {
        if self.heard.is_empty() {
            return Concluded::default();
        }
        let unlisted = loaded.map(|loaded| self.unlisted(loaded, details)).unwrap_or_default();
        let mut concluded = Concluded::default();
        for heard in &self.heard {
            let is_unlisted = unlisted.contains(&heard.runner.pid);
            let was_listed = self.listed.contains(&heard.runner.pid);
            let is_loading = heard.says == Says::Loading || is_unlisted && !was_listed;
            concluded.is_loading |= is_loading;
            concluded.is_busy |= is_unlisted && was_listed;
            concluded.is_busy |= matches!(heard.says, Says::Works | Says::Ready(Some(1..)));
            if is_loading {
                concluded.loading.extend(name_of(&heard.runner, installed, details));
            }
        }
        concluded.running = self.running();
        concluded.told_by = Some(self.told_by());
        concluded
    }

    /// The runners whose model is not on the list. Where a model's file is not known, any model
    /// that is left over will do.
    fn unlisted(&mut self, loaded: &[Loaded], details: &DetailsCache) -> HashSet<u32> {
        let mut left: Vec<&Loaded> = loaded.iter().collect();
        let mut unlisted: Vec<&Heard> = Vec::new();
        for heard in &self.heard {
            let digest = heard.runner.digest.as_deref();
            let own = left.iter().position(|model| is_of(digest, model.digest.as_deref(), details));
            match own {
                Some(n) => {
                    left.swap_remove(n);
                    self.listed.insert(heard.runner.pid);
                }
                None => unlisted.push(heard),
            }
        }
        left.retain(|model| {
            details.get(model.digest.as_deref()).is_none_or(|d| d.files.is_empty())
        });
        unlisted.retain(|heard| {
            let is_guessed = heard.says != Says::Loading && left.pop().is_some();
            if is_guessed {
                self.listed.insert(heard.runner.pid);
            }
            !is_guessed
        });
        unlisted.iter().map(|heard| heard.runner.pid).collect()
    }

    fn running(&self) -> Option<u64> {
        self.heard
            .iter()
            .map(|heard| match heard.says {
                Says::Ready(n) => n,
                Says::Loading => Some(0),
                Says::Works | Says::Nothing => None,
            })
            .sum()
    }

    fn told_by(&self) -> ToldBy {
        let has_spoken = |heard: &Heard| heard.says != Says::Nothing;
        if self.heard.iter().all(has_spoken) { ToldBy::Runner } else { ToldBy::Processes }
    }
}

fn is_of(file: Option<&str>, model: Option<&str>, details: &DetailsCache) -> bool {
    let Some(file) = file else { return false };
    let shown = details.get(model);
    model == Some(file) || shown.is_some_and(|shown| shown.files.iter().any(|f| f == file))
}

/// The installed model whose file a runner holds.
fn name_of(runner: &Runner, installed: &[Installed], details: &DetailsCache) -> Option<String> {
    let digest = runner.digest.as_deref();
    let model = installed.iter().find(|model| is_of(digest, model.digest.as_deref(), details))?;
    Some(model.name.clone())
}

#[cfg(test)]
mod tests;
