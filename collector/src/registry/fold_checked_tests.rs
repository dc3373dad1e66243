//! What the collector's own checks and the beats of services may bring meanwhile.

use herdbook_shared::ids::ServiceId;
use proptest::prelude::*;

use crate::registry::Registry;
use crate::registry::check::beat::{Beat, Health};
use crate::registry::check::probe::{ProbeFailure, Probed};
use crate::registry::moment::Moment;

use super::declared::{listed, some_models};

/// Something that is heard of a service, which is meant by its place among those that are listed.
#[derive(Clone, Debug)]
pub(super) enum Checking {
    Probe { service: usize, answer: Option<(u8, u8)> },
    Beat { service: usize, health: Health },
}

pub(super) fn checking() -> impl Strategy<Value = Checking> {
    let answer = prop::option::of((any::<u8>(), any::<u8>()));
    let health = prop_oneof![Just(Health::Ok), Just(Health::Degraded)];
    prop_oneof![
        2 => (0..8usize, answer).prop_map(|(service, answer)| Checking::Probe { service, answer }),
        1 => (0..8usize, health).prop_map(|(service, health)| Checking::Beat { service, health }),
    ]
}

impl Checking {
    /// Does it. What is of nobody's concern changes nothing.
    pub(super) fn happen(self, registry: &Registry, moment: Moment) {
        match self {
            Self::Probe { service, answer } => {
                let outcome = match answer {
                    None => Err(ProbeFailure::Failed("connection refused".to_owned())),
                    Some((models, depth)) => Ok(probed(models, depth)),
                };
                let id = ServiceId::from_text(&listed(registry, service));
                registry.record_probe(&id, outcome, moment);
            }
            Self::Beat { service, health } => {
                let beat = Beat { health, load: Some(0.5), ..Beat::default() };
                let _ = registry.beat(&listed(registry, service), beat, moment);
            }
        }
    }
}

/// `depth` holds a bit for each thing that may be told.
fn probed(models: u8, depth: u8) -> Probed {
    Probed {
        models: (depth & 1 == 0).then(|| some_models(models)),
        note: (depth & 2 != 0).then(|| "it asks for a credential (401)".to_owned()),
        version: (depth & 4 != 0).then(|| "1".to_owned()),
        kind: (depth & 8 != 0).then(|| "ollama".to_owned()),
        ..Probed::default()
    }
}
