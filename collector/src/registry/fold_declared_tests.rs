//! What people, files and services themselves may do meanwhile.

use proptest::prelude::*;

use crate::registry::Registry;
use crate::registry::declare::patch::ServicePatch;
use crate::registry::declare::remove::Removal;
use crate::registry::moment::Moment;
use crate::registry::service::record::Declared;
use crate::registry::service::{Model, Role, ServiceStatus, Source, Word};
use crate::registry::testing;

/// Addresses that agents' services have too, and others.
const URLS: [&str; 7] = [
    "http://127.0.0.1:11434",
    "http://gpu-0:11434",
    "http://gpu-1:11435",
    "http://gpu-2:11434",
    "http://[fd00::7]:8000",
    "https://models.example/team-a",
    "https://models.example",
];

/// Something that is done with services by hand or by themselves. A service is meant by its place
/// among those that are listed.
#[derive(Clone, Debug)]
pub(super) enum Declaring {
    Upsert { source: Source, url: usize, record: u8 },
    Add { source: Source, url: usize },
    Patch { service: usize, fields: u8 },
    Promote { service: usize, role: Role },
    Drain { service: usize, drain: bool },
    Judge { service: usize, status: ServiceStatus },
    Models { service: usize, models: u8 },
    Remove { service: usize, source: Option<Source> },
}

pub(super) fn declaring() -> impl Strategy<Value = Declaring> {
    let source = prop::sample::select(Source::ALL);
    let (url, service) = (0..URLS.len(), 0..8usize);
    let (role, status) =
        (prop::sample::select(Role::ALL), prop::sample::select(ServiceStatus::ALL));
    prop_oneof![
        4 => (source.clone(), url.clone(), any::<u8>())
            .prop_map(|(source, url, record)| Declaring::Upsert { source, url, record }),
        1 => (source.clone(), url).prop_map(|(source, url)| Declaring::Add { source, url }),
        2 => (service.clone(), any::<u8>())
            .prop_map(|(service, fields)| Declaring::Patch { service, fields }),
        1 => (service.clone(), role)
            .prop_map(|(service, role)| Declaring::Promote { service, role }),
        1 => (service.clone(), any::<bool>())
            .prop_map(|(service, drain)| Declaring::Drain { service, drain }),
        2 => (service.clone(), status)
            .prop_map(|(service, status)| Declaring::Judge { service, status }),
        1 => (service.clone(), any::<u8>())
            .prop_map(|(service, models)| Declaring::Models { service, models }),
        2 => (service, prop::option::of(source))
            .prop_map(|(service, source)| Declaring::Remove { service, source }),
    ]
}

impl Declaring {
    /// Does it. What is refused changes nothing, which the law sees to as well.
    pub(super) fn happen(self, registry: &Registry, moment: Moment) {
        match self {
            Self::Upsert { source, url, record } => {
                let _ = registry.upsert_service(source, declared(url, record), moment);
            }
            Self::Add { source, url } => {
                let _ = registry.add_service(source, declared(url, 0), moment);
            }
            Self::Patch { service, fields } => {
                let id = listed(registry, service);
                let _ = registry.patch_service(&id, patch(fields), None, moment);
            }
            Self::Promote { service, role } => {
                let _ = registry.promote_service(&listed(registry, service), role, moment);
            }
            Self::Drain { service, drain } => {
                let _ = registry.drain_service(&listed(registry, service), drain, moment);
            }
            Self::Judge { service, status } => {
                let cause = Some("looked at".to_owned());
                let _ = registry.update_status(&listed(registry, service), status, cause, moment);
            }
            Self::Models { service, models } => {
                let id = listed(registry, service);
                let _ = registry.update_models(&id, &some_models(models), moment);
            }
            Self::Remove { service, source } => {
                let removal = Removal { source, ..Removal::default() };
                let _ = registry.withdraw_service(&listed(registry, service), removal, moment);
            }
        }
    }
}

/// The id of the service at this place among those that are listed.
pub(super) fn listed(registry: &Registry, service: usize) -> String {
    let mut ids: Vec<_> = registry.services().iter().map(|entry| entry.id.to_string()).collect();
    ids.sort_unstable();
    ids.get(service).cloned().unwrap_or_default()
}

/// Of each model a bit whether it is there, and one whether it is in memory.
pub(super) fn some_models(bits: u8) -> Vec<Model> {
    let models = (0..4).filter(|bit| bits & (1 << bit) != 0);
    let warm = |bit: &u8| bits & (16 << bit) != 0;
    models.map(|bit| testing::model(&format!("model-{bit}"), warm(&bit)).into()).collect()
}

/// `record` holds a bit for each thing that may be declared.
fn declared(url: usize, record: u8) -> Declared {
    let has = |bit: u8| record & (1 << bit) != 0;
    let name = if has(0) { "one" } else { "other" };
    Declared {
        role: has(1).then_some(Role::Canary),
        caps: has(2).then(|| vec!["tools".to_owned()]),
        labels: has(3).then(|| [("zone".to_owned(), "b".to_owned())].into()),
        priority: has(4).then_some(7),
        heartbeat_interval_s: has(5).then_some(30),
        models: has(6).then(|| some_models(record).into()),
        drain: has(7).then_some(true),
        ..testing::declared(name, URLS[url])
    }
}

fn patch(fields: u8) -> ServicePatch {
    let has = |bit: u8| fields & (1 << bit) != 0;
    let is_set = has(7);
    ServicePatch {
        name: has(0).then(|| is_set.then(|| "by hand".to_owned())),
        kind: has(1).then(|| is_set.then(|| "vllm".to_owned())),
        role: has(2).then(|| is_set.then_some(Role::Production)),
        labels: has(3).then(|| is_set.then(|| [("zone".to_owned(), None)].into())),
        priority: has(4).then(|| is_set.then_some(1)),
        ttl_s: has(5).then(|| is_set.then_some(120)),
        drain: has(6).then(|| is_set.then_some(true)),
        ..ServicePatch::default()
    }
}
