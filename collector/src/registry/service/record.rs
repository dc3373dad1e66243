//! What each source says of a service. Every source keeps its own record, so that one can go
//! without taking what another said; [`super::facts`] makes one service of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::ToldBy;
use serde::{Deserialize, Serialize};
use url::Host;

use crate::checks::dial;
use crate::registry::url::ServiceUrl;

use super::model::Model;
use super::words::{Check, Reachable, Role, ServiceType, Source};

/// The record of an agent: a server that it found on its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Its host's name when it was first seen.
    pub name: String,
    /// `ollama` and kin.
    pub kind: String,
    /// The host whose agent found it.
    pub host_id: HostId,
    /// The address on which it listens.
    pub address: String,
    /// The port on which it listens.
    pub port: u16,
    /// Where it is called.
    pub url: String,
    /// From where it can be called.
    pub reachable: Reachable,
    /// The server's version.
    #[serde(default)]
    pub version: Option<String>,
    /// How its state was told.
    #[serde(default)]
    pub state_told_by: Option<ToldBy>,
    /// Whether it wants a credential before it tells anything; `None`: cannot tell.
    #[serde(default)]
    pub asks_credential: Option<bool>,
    /// The systemd unit that runs it.
    #[serde(default)]
    pub unit: Option<String>,
    /// The container that it runs in.
    #[serde(default)]
    pub container: Option<String>,
    /// The GPUs on which it holds memory, sorted.
    #[serde(default)]
    pub gpu_ids: Vec<String>,
    /// When its agent first saw it.
    pub registered_at: Timestamp,
    /// Since when it is down.
    #[serde(default)]
    pub down_since: Option<Timestamp>,
    /// What the last failure said.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(default)]
    pub last_error_at: Option<Timestamp>,
    /// Its models, by name. When they expire moves too often to stand here: see
    /// [`super::live::ServiceLive`].
    #[serde(default)]
    pub models: Arc<[Model]>,
    /// How many more it has than the limit lets through.
    #[serde(default)]
    pub models_left_out: u64,
}

/// The record of a person, a file or the service itself: what it declares. What is `None` it says
/// nothing of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<ServiceType>,
    /// `ollama` and kin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Where it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How its life is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// How far it is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What it can do; open words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Free key-value pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Labels changed by hand, laid over those that sources tell key by key; `None` takes one away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_edits: Option<BTreeMap<String, Option<String>>>,
    /// Higher is picked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The longest context that it takes, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx_limit: Option<u64>,
    /// What a thousand tokens cost, USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_hint_usd_per_1k: Option<f64>,
    /// How often it means to beat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_interval_s: Option<u64>,
    /// How long a beat holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u64>,
    /// Its models, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Arc<[Model]>>,
    /// It shall get nothing new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<bool>,
    /// What its checks send with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Arc<Credential>>,
    /// Who registered it, where that is no admin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
}

/// A header that the checks of a service send, its value sealed: it is never told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The name of the header.
    pub header: String,
    /// Its value, sealed with the key of this collector's data directory, base64.
    pub sealed: String,
}

/// The record of the collector's own check, by probe or heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checked {
    /// What the probe recognised.
    pub kind: Option<String>,
    /// The server's version.
    pub version: Option<String>,
    /// Its models, by name; `None`: it was never told.
    pub models: Option<Arc<[Model]>>,
    /// How many more it has than the limit lets through.
    pub models_left_out: u64,
    /// Since when it is down.
    pub down_since: Option<Timestamp>,
    /// Why the last check failed; a success clears it.
    pub last_error: Option<String>,
    /// When that was; a success keeps it.
    pub last_error_at: Option<Timestamp>,
    /// Whether it answered the collector at least once.
    pub was_reached: bool,
}

/// All records of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Records {
    /// What its host's agent found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<Found>>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Arc<Declared>>,
    /// What a person who added it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual: Option<Arc<Declared>>,
    /// What a file declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<Declared>>,
    /// What was changed by hand since; no source of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Arc<Declared>>,
    /// What the collector's own check found; no source either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<Arc<Checked>>,
}

impl Records {
    /// What one agent found, and nothing else.
    #[must_use]
    pub fn of_found(found: Found) -> Self {
        Self { agent: Some(Arc::new(found)), ..Self::default() }
    }

    /// The sources that have a record, in the order of [`Source`].
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let has = [
            (Source::Agent, self.agent.is_some()),
            (Source::Own, self.own.is_some()),
            (Source::Manual, self.manual.is_some()),
            (Source::File, self.file.is_some()),
        ];
        has.into_iter().filter(|(_, has)| *has).map(|(source, _)| source).collect()
    }

    /// What is declared, from the record that counts most.
    pub fn declared(&self) -> impl Iterator<Item = &Declared> {
        let records = [&self.patch, &self.file, &self.manual, &self.own];
        records.into_iter().filter_map(Option::as_deref)
    }

    /// What a check of this URL sends. A secret that was given for another URL stays where it is.
    #[must_use]
    pub fn credential_for(&self, url: &str) -> Option<&Credential> {
        let is_for = |declared: &&Declared| declared.url.as_deref().is_none_or(|own| own == url);
        self.declared().filter(is_for).find_map(|declared| declared.credential.as_deref())
    }

    /// The same, with what it says of itself now: models that it names are all that it has,
    /// whatever was known of others.
    #[must_use]
    pub fn registered_again(self, declared: Declared) -> Self {
        let mut checked = self.checked;
        if let (Some(_), Some(known)) = (&declared.models, checked.as_deref()) {
            let known = Checked { models: None, models_left_out: 0, ..known.clone() };
            checked = Some(Arc::new(known));
        }
        Self { own: Some(Arc::new(declared)), checked, ..self }
    }

    /// How its life is judged: by its agent, unless its host is offline and somebody else can
    /// judge.
    #[must_use]
    pub fn check(&self, is_host_offline: bool) -> Check {
        let declared = self.declared().find_map(|declared| declared.check);
        // An agent judges what it found, and nobody is an agent by declaring it.
        let other = declared.filter(|check| *check != Check::Agent).unwrap_or(Check::Probe);
        let is_agents =
            self.agent.is_some() && !(is_host_offline && self.is_judged_without_agent(other));
        if is_agents { Check::Agent } else { other }
    }

    /// Whether somebody but its agent can judge it so: it beats, or a person or a file gave a URL
    /// that may be asked.
    fn is_judged_without_agent(&self, check: Check) -> bool {
        let is_declared = self.file.is_some() || self.manual.is_some();
        match check {
            Check::Heartbeat => is_declared || self.own.is_some(),
            _ => {
                is_declared
                    && self.declared().find_map(|d| d.url.as_deref()).is_some_and(may_be_asked)
            }
        }
    }
}

/// Whether the collector may dial a URL, as far as that shows in it: what a name stands for is seen
/// when it is dialled.
fn may_be_asked(url: &str) -> bool {
    let Ok(url) = ServiceUrl::parse(url) else { return false };
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(v4)) => v4.into(),
        Some(Host::Ipv6(v6)) => v6.into(),
        Some(Host::Domain(_)) => return true,
        None => return false,
    };
    dial::refusal(address, dial::Loopback::Allowed).is_none()
}
