//! Models over the fleet: the index from a name to the services that have it, and the inventory
//! of the fleet by model.

mod index;
mod listed;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use herdbook_shared::ids::ServiceId;
use serde::Serialize;

use super::service::{Model, ServiceEntry};
use super::url::ServiceUrl;

pub(super) use index::ModelIndex;
pub use listed::{ListedModel, listed_model, listed_models};

/// One model over the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FleetModel {
    /// `llama3.1:8b`.
    pub name: String,
    /// The services that have it, by id.
    pub services: Vec<ServiceId>,
    /// On how many hosts it is installed. Where no host is known, each `host:port` counts as one.
    pub hosts_installed: usize,
    /// On how many of them it is in memory.
    pub hosts_warm: usize,
    /// All digests under this name, sorted.
    pub digests: Vec<String>,
    /// One name, several digests.
    pub drift: bool,
    /// On disk; the largest.
    pub size_bytes: Option<u64>,
    /// In VRAM, as servers claim; the largest.
    pub vram_bytes: Option<u64>,
}

/// Where something runs: a host that is known, or else the `host:port` at which it is called,
/// which is a machine of its own as far as anybody can tell.
fn place(service: &ServiceEntry) -> Cow<'_, str> {
    if let Some(host_id) = service.host_id() {
        return Cow::Borrowed(host_id.as_str());
    }
    match ServiceUrl::parse(&service.facts.url) {
        Ok(url) => Cow::Owned(url.key()),
        Err(_) => Cow::Borrowed(service.id.as_str()),
    }
}

#[derive(Default)]
struct Gathered<'a> {
    services: BTreeSet<&'a ServiceId>,
    installed: BTreeSet<Cow<'a, str>>,
    warm: BTreeSet<Cow<'a, str>>,
    digests: BTreeSet<&'a str>,
    size_bytes: Option<u64>,
    vram_bytes: Option<u64>,
}

/// The models of these services, by name.
#[must_use]
pub fn fleet_models<'a>(services: impl IntoIterator<Item = &'a ServiceEntry>) -> Vec<FleetModel> {
    let mut by_name: BTreeMap<&str, Gathered<'a>> = BTreeMap::new();
    for service in services {
        let place = place(service);
        for model in service.facts.models.iter() {
            by_name.entry(&model.name).or_default().take(service, place.clone(), model);
        }
    }
    by_name.into_iter().map(|(name, gathered)| gathered.into_model(name)).collect()
}

impl<'a> Gathered<'a> {
    fn take(&mut self, service: &'a ServiceEntry, place: Cow<'a, str>, model: &'a Model) {
        self.services.insert(&service.id);
        self.installed.insert(place.clone());
        if model.warm && service.tells_warmth() {
            self.warm.insert(place);
            self.vram_bytes = self.vram_bytes.max(model.vram_bytes);
        }
        self.digests.extend(model.digest.as_deref());
        self.size_bytes = self.size_bytes.max(model.size_bytes);
    }

    fn into_model(self, name: &str) -> FleetModel {
        FleetModel {
            name: name.to_owned(),
            services: self.services.into_iter().cloned().collect(),
            hosts_installed: self.installed.len(),
            hosts_warm: self.warm.len(),
            drift: self.digests.len() > 1,
            digests: self.digests.into_iter().map(str::to_owned).collect(),
            size_bytes: self.size_bytes,
            vram_bytes: self.vram_bytes,
        }
    }
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
