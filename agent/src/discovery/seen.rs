//! What is known of one server, and how it stands on the list. Asks nothing.

use std::net::IpAddr;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Service;
use herdbook_shared::wire::sample::ServiceSample;
use tokio::time::Instant;

use super::answer::{Installed, List, Loaded};
use super::board::{Entry, Identity};
use super::client::Asked;
use super::details::DetailsCache;
use super::health::Health;
use super::models;

/// What is known of a server.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What its prober claimed.
    pub(super) identity: Option<Identity>,
    /// Where it listens; where that cannot be told, the address that answered.
    pub(super) address: Option<IpAddr>,
    pub(super) health: Health,
    pub(super) version: Option<String>,
    /// Whether it was asked for its models since it started.
    pub(super) asked: Asked,
    pub(super) installed: Option<List<Installed>>,
    pub(super) loaded: List<Loaded>,
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

impl Seen {
    /// It answered what it was asked at `asked_at`.
    pub(super) fn answered(&mut self, asked_at: Instant) {
        self.answered_at = Some(Timestamp::now());
        self.latency_ms = u64::try_from(asked_at.elapsed().as_millis()).ok();
    }

    /// How it stands on the list; `None` for what never answered as an Ollama.
    pub(super) fn entry(&self, port: u16, details: &DetailsCache) -> Option<Entry> {
        let state = self.health.state(Instant::now())?;
        let address = self.address?.to_string();
        let now = Timestamp::now();
        let holds = self.health.loaded_holds(Instant::now());
        let loaded = if holds { &self.loaded.items[..] } else { &[] };
        let installed = self.installed.as_ref();
        let items = installed.map_or(&[][..], |list| &list.items);
        let service = Service {
            kind: "ollama".to_owned(),
            address: address.clone(),
            port,
            version: self.version.clone(),
            state,
            last_error: self.errors.worst().cloned(),
            models: models::models(items, loaded, details, now),
            models_left_out: installed.map_or(0, |list| list.left_out),
            ..Service::default()
        };
        let moving = ServiceSample {
            address,
            port,
            checked_at: self.answered_at,
            latency_ms: self.latency_ms,
            expires: models::expiries(loaded, now),
            ..ServiceSample::default()
        };
        Some(Entry { service, moving })
    }
}
