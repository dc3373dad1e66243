//! The story as it stands, and what was asked so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::runner::RunnerProcess;
use crate::story::{Fault, LoadedModel, Model, Step, Story};

/// Changes the story and reads the counters; clones share both.
#[derive(Clone, Debug)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    story: Story,
    report: Report,
    runners: BTreeMap<String, RunnerProcess>,
    listed: bool,
}

/// What was asked so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How often, by method and path: `GET /api/version`.
    pub requests: BTreeMap<String, u64>,
    /// Requests that load a model, change the server or leave the host.
    pub forbidden: Vec<String>,
    /// Connections at this moment.
    pub open_connections: usize,
    /// The most connections at one moment.
    pub max_open_connections: usize,
    /// Connections in all.
    pub connections: u64,
    /// The newest `User-Agent`.
    pub user_agent: Option<String>,
}

impl Report {
    /// How often a route was asked, `GET /api/version`.
    #[must_use]
    pub fn n(&self, method_and_path: &str) -> u64 {
        self.requests.get(method_and_path).copied().unwrap_or_default()
    }
}

/// More distinct routes than this are counted as one.
const ROUTES_MAX: usize = 64;
/// More forbidden requests than this need not be told one by one.
const FORBIDDEN_MAX: usize = 64;

impl Script {
    pub(crate) fn new(story: Story) -> Self {
        Self(Arc::new(Mutex::new(State {
            story,
            report: Report::default(),
            runners: BTreeMap::new(),
            listed: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The story as it stands.
    #[must_use]
    pub fn story(&self) -> Story {
        self.lock().story.clone()
    }

    /// What was asked so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.lock().report.clone()
    }

    /// Starts counting anew; open connections stay counted.
    pub fn forget_report(&self) {
        let mut state = self.lock();
        let open_connections = state.report.open_connections;
        state.report = Report {
            open_connections,
            max_open_connections: open_connections,
            ..Report::default()
        };
    }

    /// Loads a model.
    pub fn load(&self, model: LoadedModel) {
        self.apply(Step::Load { model });
    }

    /// Unloads a model.
    pub fn unload(&self, name: &str) {
        self.apply(Step::Unload { name: name.to_owned() });
    }

    /// Installs a model.
    pub fn pull(&self, model: Model) {
        self.apply(Step::Pull { model });
    }

    /// Removes a model.
    pub fn remove(&self, name: &str) {
        self.apply(Step::Remove { name: name.to_owned() });
    }

    /// Lets something go wrong on a route; `*` is every route.
    pub fn fault(&self, route: &str, fault: Fault) {
        self.apply(Step::Fault { route: route.to_owned(), fault });
    }

    /// Makes every route well again.
    pub fn heal(&self) {
        self.apply(Step::Heal);
    }

    /// Whether its models were never listed before.
    pub(crate) fn lists_for_the_first_time(&self) -> bool {
        !std::mem::replace(&mut self.lock().listed, true)
    }

    /// Changes the story by one step.
    pub fn apply(&self, step: Step) {
        let mut state = self.lock();
        let state = &mut *state;
        let story = &mut state.story;
        match step {
            Step::Loading { name } => story.loading.push(name),
            Step::Run { name, port } => {
                state.runners.extend(RunnerProcess::start(story, &name, port).map(|r| (name, r)));
            }
            Step::Kill { name } => drop(state.runners.remove(&name)),
            Step::Load { model } => {
                story.loading.retain(|name| *name != model.name);
                story.loaded.retain(|loaded| loaded.name != model.name);
                story.loaded.push(model);
            }
            Step::Unload { name } => story.loaded.retain(|loaded| loaded.name != name),
            Step::Pull { model } => {
                story.models.retain(|installed| installed.name != model.name);
                story.models.push(model);
            }
            Step::Remove { name } => story.models.retain(|installed| installed.name != name),
            Step::Fault { route, fault } => {
                story.faults.insert(route, fault);
            }
            Step::Heal => story.faults.clear(),
            Step::Version { version } => story.version = version,
        }
    }

    pub(crate) fn asked(&self, method_and_path: &str, user_agent: Option<String>) {
        let report = &mut self.lock().report;
        let is_known = report.requests.contains_key(method_and_path);
        let key =
            if is_known || report.requests.len() < ROUTES_MAX { method_and_path } else { "…" };
        *report.requests.entry(key.to_owned()).or_default() += 1;
        report.user_agent = user_agent;
    }

    pub(crate) fn asked_what_is_forbidden(&self, what: String) {
        let report = &mut self.lock().report;
        if report.forbidden.len() < FORBIDDEN_MAX {
            report.forbidden.push(what);
        }
    }

    pub(crate) fn connected(&self) {
        let report = &mut self.lock().report;
        report.connections += 1;
        report.open_connections += 1;
        report.max_open_connections = report.max_open_connections.max(report.open_connections);
    }

    pub(crate) fn disconnected(&self) {
        self.lock().report.open_connections -= 1;
    }
}
