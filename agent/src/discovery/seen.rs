//! What is known of one server, and how it stands on the list. Asks nothing.

use std::net::IpAddr;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{Service, ServiceState, ToldBy};
use herdbook_shared::wire::sample::ServiceSample;
use tokio::time::Instant;

use super::answer::{Alive, Installed, Loaded, Requests};
use super::ask::{ProbeError, Unanswered};
use super::board::{Entry, Identity};
use super::details::DetailsCache;
use super::health::{Health, Work};
use super::kinds::Asked;
use super::lead::{Kind, Owner};
use super::list::List;
use super::models;
use super::runners::Concluded;
use super::text;

/// What is known of a server.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What its prober claimed.
    pub(super) identity: Option<Identity>,
    /// Where it listens; where that cannot be told, the address that answered.
    pub(super) address: Option<IpAddr>,
    pub(super) kind: Option<Kind>,
    pub(super) health: Health,
    pub(super) alive: Alive,
    /// Whether it was asked for its models since it started.
    pub(super) asked: Asked,
    pub(super) installed: Option<List<Installed>>,
    pub(super) loaded: List<Loaded>,
    /// Names of models that it says are on their way.
    pub(super) loading: Vec<String>,
    pub(super) requests: Requests,
    pub(super) concluded: Concluded,
    /// Whether it let nobody in without a credential when it was last asked for its models.
    pub(super) asks_credential: Option<bool>,
    pub(super) errors: Errors,
    answered_at: Option<Timestamp>,
    latency_ms: Option<u64>,
}

/// What the last question of each layer failed with.
#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) version: Option<String>,
    pub(super) loaded: Option<String>,
    pub(super) installed: Option<String>,
}

impl Errors {
    /// The most telling one: without a version, the others follow from that.
    fn worst(&self) -> Option<&String> {
        self.version.as_ref().or(self.loaded.as_ref()).or(self.installed.as_ref())
    }
}

/// What a failed question says on the page.
pub(super) fn said(error: &Unanswered) -> String {
    text::message(&error.to_string())
}

impl Seen {
    /// Nothing is known but where it is.
    pub(super) fn at(identity: Option<Identity>, address: Option<IpAddr>) -> Self {
        Self { identity, address, ..Self::default() }
    }

    /// It answered what it was asked at `asked_at`.
    pub(super) fn answered(&mut self, asked_at: Instant) {
        self.answered_at = Some(Timestamp::now());
        self.latency_ms = u64::try_from(asked_at.elapsed().as_millis()).ok();
    }

    /// Whether it ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered_at.is_some()
    }

    /// A question failed; it may be for want of a credential.
    pub(super) fn refused(&mut self, error: &ProbeError) {
        if matches!(error, ProbeError::Credential(_)) {
            self.asks_credential = Some(true);
        }
    }

    /// Nothing is loaded in what is not there, and a restart may answer better.
    pub(super) fn gone(&mut self) {
        self.asked = Asked::First;
        self.loaded = List::default();
        self.loading = Vec::new();
        self.requests = Requests::default();
        self.concluded = Concluded::default();
        self.errors.loaded = None;
        self.errors.installed = None;
    }

    /// The installed models, as far as they are known.
    pub(super) fn items(&self) -> &[Installed] {
        self.installed.as_ref().map_or(&[], |list| &list.items)
    }

    /// What is loaded, where that can be believed.
    pub(super) fn believed(&self, now: Instant) -> Option<&[Loaded]> {
        self.health.loaded_holds(now).then_some(&self.loaded.items)
    }

    /// Brings together what it is at; true where that is news.
    pub(super) fn conclude(&mut self, concluded: Concluded) -> bool {
        let is_news = self.concluded != concluded;
        self.concluded = concluded;
        let is_starting = self.alive.starting;
        self.health.works(Work {
            is_loading: self.concluded.is_loading || !self.loading.is_empty() || is_starting,
            is_busy: self.concluded.is_busy || self.requests.running.is_some_and(|n| n > 0),
        });
        is_news
    }

    /// How it stands on the list; `None` for what never answered as a server of models.
    pub(super) fn entry(&self, port: u16, owner: &Owner, details: &DetailsCache) -> Option<Entry> {
        let now = Instant::now();
        let state = self.health.state(now)?;
        let address = self.address?.to_string();
        let kind = self.kind?;
        let process = match owner {
            Owner::Known(process) => Some(process),
            Owner::Forwarder | Owner::Unknown => None,
        };
        let at = Timestamp::now();
        let loaded = self.believed(now).unwrap_or_default();
        let loading: Vec<String> =
            self.loading.iter().chain(&self.concluded.loading).cloned().collect();
        let service = Service {
            kind: kind.word().to_owned(),
            address: address.clone(),
            port,
            version: self.alive.version.clone(),
            state,
            state_told_by: self.told_by(state),
            asks_credential: self.asks_credential,
            unit: process.and_then(|process| process.unit.clone()),
            container: process.and_then(|process| process.container.clone()),
            last_error: self.errors.worst().cloned(),
            models: models::models(self.items(), loaded, &loading, details, at),
            models_left_out: self.installed.as_ref().map_or(0, |list| list.left_out),
            ..Service::default()
        };
        let moving = ServiceSample {
            address,
            port,
            checked_at: self.answered_at,
            latency_ms: self.latency_ms,
            requests_running: self.concluded.running.or(self.requests.running),
            requests_waiting: self.requests.waiting,
            expires: models::expiries(loaded, at),
        };
        let is_there = state != ServiceState::Down;
        let pids = process.filter(|_| is_there).map(|process| {
            let runners = process.runners.iter().map(|runner| runner.pid);
            std::iter::once(process.pid).chain(runners).collect()
        });
        Some(Entry { service, moving, pids: pids.unwrap_or_default() })
    }

    /// How the state is known. What is not known is told by nobody.
    fn told_by(&self, state: ServiceState) -> Option<ToldBy> {
        let exact = self.concluded.told_by.or(self.requests.told_by);
        let is_listed_silent = self.errors.loaded.is_some();
        match state {
            ServiceState::Unknown | ServiceState::Down => None,
            ServiceState::Hung => Some(ToldBy::Api),
            ServiceState::Busy if is_listed_silent && !self.concluded.is_busy => Some(ToldBy::Api),
            ServiceState::Loading if self.concluded.is_loading => self.concluded.told_by,
            ServiceState::Loading => Some(ToldBy::Api),
            ServiceState::Idle | ServiceState::Resident | ServiceState::Busy => {
                exact.or(Some(ToldBy::Api))
            }
        }
    }
}
