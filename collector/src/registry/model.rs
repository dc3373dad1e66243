//! Models over the fleet: the index from a name to the services that have it, and the inventory
//! of the fleet by model.

mod index;

use std::collections::{BTreeMap, BTreeSet};

use herdbook_shared::ids::{HostId, ServiceId};
use serde::Serialize;

use super::service::ServiceEntry;

pub(super) use index::ModelIndex;

/// One model over the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FleetModel {
    /// `llama3.1:8b`.
    pub name: String,
    /// The services that have it, by id.
    pub services: Vec<ServiceId>,
    /// On how many hosts it is installed.
    pub hosts_installed: usize,
    /// On how many hosts it is in memory.
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

#[derive(Default)]
struct Gathered<'a> {
    services: BTreeSet<&'a ServiceId>,
    installed: BTreeSet<&'a HostId>,
    warm: BTreeSet<&'a HostId>,
    digests: BTreeSet<&'a str>,
    size_bytes: Option<u64>,
    vram_bytes: Option<u64>,
}

/// The models of these services, by name.
#[must_use]
pub fn fleet_models<'a>(services: impl IntoIterator<Item = &'a ServiceEntry>) -> Vec<FleetModel> {
    let mut by_name: BTreeMap<&str, Gathered<'a>> = BTreeMap::new();
    for service in services {
        let known = service.tells_warmth();
        for model in service.facts.models.iter() {
            let gathered = by_name.entry(&model.name).or_default();
            gathered.services.insert(&service.id);
            gathered.installed.extend(service.host_id());
            if model.warm && known {
                gathered.warm.extend(service.host_id());
                gathered.vram_bytes = gathered.vram_bytes.max(model.vram_bytes);
            }
            gathered.digests.extend(model.digest.as_deref());
            gathered.size_bytes = gathered.size_bytes.max(model.size_bytes);
        }
    }
    by_name.into_iter().map(|(name, gathered)| gathered.into_model(name)).collect()
}

impl Gathered<'_> {
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
