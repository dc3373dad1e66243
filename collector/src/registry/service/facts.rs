//! One service made of all its records. Declared fields come from the record that counts most:
//! what was changed by hand, then a file, a person, the service itself, its agent. Observed fields
//! come from whoever judges it now.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;

use crate::registry::url::ServiceUrl;

use super::model::Model;
use super::record::{Checked, Declared, Found, Records};
use super::words::{Check, Reachable, Role, ServiceType};

/// How often a service beats that does not say, seconds.
pub const HEARTBEAT_INTERVAL_S: u64 = 60;
/// How long a beat holds where the service does not say, seconds.
pub const TTL_S: u64 = 90;
/// The kind of a service of which nobody told another one.
pub const KIND: &str = "generic";

/// What is known of a service, but for how it does.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceFacts {
    /// What each source says.
    pub records: Records,
    /// When it was first listed.
    pub registered_at: Timestamp,
    /// Other names by which it is asked for, as `host:port`: ids of entries that joined it, and
    /// URLs that people gave. Those that follow from its host are in the index alone.
    pub aliases: Arc<[Arc<str>]>,

    /// Its name for people.
    pub name: Arc<str>,
    /// What it is for.
    pub r#type: ServiceType,
    /// `ollama` and kin, for a model service.
    pub kind: Arc<str>,
    /// Where it is called.
    pub url: Arc<str>,
    /// The host that it runs on, where that is known.
    pub host_id: Option<HostId>,
    /// From where it can be called.
    pub reachable: Reachable,
    /// How its life is judged.
    pub check: Check,
    /// How far it is trusted.
    pub role: Role,
    /// What it says that it can do; what its models can do comes on top.
    pub caps: Arc<[String]>,
    /// Free key-value pairs.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Higher is picked first.
    pub priority: i32,
    /// The longest context that it takes, tokens.
    pub ctx_limit: Option<u64>,
    /// What a thousand tokens cost, USD.
    pub cost_hint_usd_per_1k: Option<f64>,
    /// How often it beats; `None` where it is not judged so.
    pub heartbeat_interval_s: Option<u64>,
    /// How long a beat holds; `None` likewise.
    pub ttl_s: Option<u64>,
    /// It shall get nothing new.
    pub drain: bool,
    /// The server's version.
    pub version: Option<Arc<str>>,
    /// Its models, by name.
    pub models: Arc<[Model]>,
    /// How many more it has than the limit lets through.
    pub models_left_out: u64,
    /// Since when it is down.
    pub down_since: Option<Timestamp>,
    /// Why it was not well last; a success clears it.
    pub last_error: Option<Arc<str>>,
    /// When that was; a success keeps it.
    pub last_error_at: Option<Timestamp>,
}

impl ServiceFacts {
    /// Makes one service of its records. `check` is who judges it now, by
    /// [`Records::check`]; `known` is the service as it was.
    #[must_use]
    pub fn of(
        records: Records,
        check: Check,
        registered_at: Timestamp,
        known: Option<&Self>,
    ) -> Self {
        let found = records.agent.as_deref();
        let seen = Seen::of(&records, check);
        let (interval_s, ttl_s) = beats_of(&records);
        let beats = check == Check::Heartbeat;
        let (url, reachable) = place(&records, check);
        Self {
            registered_at,
            aliases: known.map(|known| Arc::clone(&known.aliases)).unwrap_or_default(),
            name: pick(&records, |d| d.name.as_deref(), found.map(|found| found.name.as_str())),
            r#type: first(&records, |d| d.r#type).unwrap_or(ServiceType::Model),
            kind: pick(&records, |d| d.kind.as_deref(), seen.kind.or(Some(KIND))),
            reachable,
            url: url.into(),
            host_id: found.map(|found| found.host_id.clone()),
            check,
            role: first(&records, |d| d.role).unwrap_or(Role::Experimental),
            caps: first(&records, |d| d.caps.clone()).unwrap_or_default().into(),
            labels: labels_of(&records).into(),
            priority: first(&records, |d| d.priority).unwrap_or(0),
            ctx_limit: first(&records, |d| d.ctx_limit),
            cost_hint_usd_per_1k: first(&records, |d| d.cost_hint_usd_per_1k),
            heartbeat_interval_s: beats.then_some(interval_s),
            ttl_s: beats.then_some(ttl_s),
            drain: first(&records, |d| d.drain).unwrap_or(false),
            version: seen.version.map(Arc::from),
            models: seen.models,
            models_left_out: seen.models_left_out,
            down_since: seen.down_since,
            last_error: seen.last_error.map(Arc::from),
            last_error_at: seen.last_error_at,
            records,
        }
    }

    /// What its agent found.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        self.records.agent.as_deref()
    }

    /// The same with these models, in the record of whoever observes them too, from which all is
    /// made anew.
    #[must_use]
    pub fn with_models(&self, models: &Arc<[Model]>) -> Self {
        let mut records = self.records.clone();
        if let (Check::Agent, Some(found)) = (self.check, &records.agent) {
            let found = Found { models: Arc::clone(models), ..(**found).clone() };
            records.agent = Some(Arc::new(found));
        } else if let Some(checked) = records.checked.as_deref() {
            let checked = Checked { models: Some(Arc::clone(models)), ..checked.clone() };
            records.checked = Some(Arc::new(checked));
        }
        Self { records, models: Arc::clone(models), ..self.clone() }
    }

    /// Whether it listens beyond loopback, as its agent sees it.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let address = self.found().and_then(|found| found.address.parse::<IpAddr>().ok());
        address.is_some_and(|address| !address.to_canonical().is_loopback())
    }

    /// Roughly what it takes in memory, bytes.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let error = self.last_error.as_ref().map_or(0, |error| error.len());
        let gpu_ids = self.found().into_iter().flat_map(|found| &found.gpu_ids);
        let words = gpu_ids.chain(&*self.caps).chain(self.labels.iter().flat_map(|(k, v)| [k, v]));
        let words = words.map(|word| size_of::<String>() + word.len()).sum::<usize>();
        let models = self.models.iter().map(Model::approximate_bytes).sum::<usize>();
        let declared = self.records.declared().count() * size_of::<Declared>();
        1536 + error + words + declared + models
    }
}

/// What whoever judges a service saw of it.
#[derive(Default)]
struct Seen<'a> {
    kind: Option<&'a str>,
    version: Option<&'a str>,
    models: Arc<[Model]>,
    models_left_out: u64,
    down_since: Option<Timestamp>,
    last_error: Option<&'a str>,
    last_error_at: Option<Timestamp>,
}

impl<'a> Seen<'a> {
    fn of(records: &'a Records, check: Check) -> Self {
        let (found, checked) = (records.agent.as_deref(), records.checked.as_deref());
        match (check, found, checked) {
            (Check::Agent, Some(found), _) => Self::by_agent(found),
            (_, _, Some(checked)) => Self::by_collector(records, checked),
            // Nobody looked yet: what is remembered, else what is declared.
            (_, Some(found), None) => Self::by_agent(found),
            (_, None, None) => Self { models: declared_models(records), ..Self::default() },
        }
    }

    fn by_agent(found: &'a Found) -> Self {
        Self {
            kind: Some(&found.kind),
            version: found.version.as_deref(),
            models: Arc::clone(&found.models),
            models_left_out: found.models_left_out,
            down_since: found.down_since,
            last_error: found.last_error.as_deref(),
            last_error_at: found.last_error_at,
        }
    }

    fn by_collector(records: &'a Records, checked: &'a Checked) -> Self {
        let found = records.agent.as_deref();
        let remembered = || match found {
            Some(found) => Arc::clone(&found.models),
            None => declared_models(records),
        };
        Self {
            kind: checked.kind.as_deref().or(found.map(|found| found.kind.as_str())),
            version: checked.version.as_deref(),
            models: checked.models.clone().unwrap_or_else(remembered),
            models_left_out: checked.models_left_out,
            down_since: checked.down_since,
            last_error: checked.last_error.as_deref(),
            last_error_at: checked.last_error_at,
        }
    }
}

/// How often a service beats and how long a beat holds, as far as it is declared.
#[must_use]
pub fn declared_beats(records: &Records) -> (Option<u64>, Option<u64>) {
    (first(records, |d| d.heartbeat_interval_s), first(records, |d| d.ttl_s))
}

/// The same, with what holds where it is not: a beat never holds for less than the time between
/// two, whoever declared either.
fn beats_of(records: &Records) -> (u64, u64) {
    let (interval_s, ttl_s) = declared_beats(records);
    let interval_s = interval_s
        .unwrap_or_else(|| ttl_s.map_or(HEARTBEAT_INTERVAL_S, |ttl| ttl.min(HEARTBEAT_INTERVAL_S)));
    (interval_s, ttl_s.unwrap_or(TTL_S).max(interval_s))
}

fn declared_models(records: &Records) -> Arc<[Model]> {
    first(records, |declared| declared.models.clone()).unwrap_or_default()
}

/// The labels of the record that counts most, as it tells them.
#[must_use]
pub fn told_labels(records: &Records) -> BTreeMap<String, String> {
    first(records, |declared| declared.labels.clone()).unwrap_or_default()
}

/// The same, with what was changed by hand laid over them.
#[must_use]
pub fn labels_of(records: &Records) -> BTreeMap<String, String> {
    let mut labels = told_labels(records);
    let edits = records.patch.as_deref().and_then(|patch| patch.label_edits.as_ref());
    for (key, value) in edits.into_iter().flatten() {
        match value {
            Some(value) => drop(labels.insert(key.clone(), value.clone())),
            None => drop(labels.remove(key)),
        }
    }
    labels
}

/// The field of the record that counts most among those that have it.
fn first<T>(records: &Records, field: impl Fn(&Declared) -> Option<T>) -> Option<T> {
    records.declared().find_map(field)
}

fn pick<'a>(
    records: &'a Records,
    field: impl Fn(&'a Declared) -> Option<&'a str>,
    observed: Option<&'a str>,
) -> Arc<str> {
    records.declared().find_map(field).or(observed).unwrap_or_default().into()
}

/// Where it is called, and from where it can be.
fn place(records: &Records, check: Check) -> (&str, Reachable) {
    let declared = records.declared().find_map(|declared| declared.url.as_deref());
    let was_reached = records.checked.as_deref().is_some_and(|checked| checked.was_reached);
    match (records.agent.as_deref(), declared) {
        (Some(found), None) => (&found.url, found.reachable),
        (Some(found), Some(url)) if found.url == url => (url, found.reachable),
        (Some(found), Some(url)) if check == Check::Agent => declared_over(found, url, was_reached),
        (_, url) => {
            let url = url.unwrap_or_default();
            (url, reachable_at(url, was_reached))
        }
    }
}

/// An address that a person gave for what an agent found and judges. It counts where it can mean
/// the same server: what is called on its own machine alone is never made one for everybody, nor
/// the other way round, unless the collector saw it answer there, behind a proxy say.
fn declared_over<'a>(found: &'a Found, url: &'a str, was_reached: bool) -> (&'a str, Reachable) {
    match found.reachable {
        _ if is_loopback(url) => (&found.url, found.reachable),
        Reachable::Loopback if was_reached => (url, Reachable::Collector),
        Reachable::Loopback => (&found.url, Reachable::Loopback),
        reachable => (url, reachable),
    }
}

/// An address that nobody but whoever declared it vouches for.
fn reachable_at(url: &str, was_reached: bool) -> Reachable {
    match was_reached {
        _ if is_loopback(url) => Reachable::Loopback,
        true => Reachable::Collector,
        false => Reachable::Unknown,
    }
}

fn is_loopback(url: &str) -> bool {
    ServiceUrl::parse(url).is_ok_and(|url| url.is_loopback())
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
