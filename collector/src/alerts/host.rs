//! What a host tells of itself by its status and conditions.

use std::sync::Arc;

use crate::registry::finding::Code;
use crate::registry::host::{HostEntry, HostStatus};

use super::Rule;
use super::told::{Held, Level, Told, Words};

/// What holds of a host. `why`: the cause of the change that told of it.
pub(super) fn look(host: &HostEntry, why: Option<&str>, is_of_mass: bool) -> Vec<(Rule, Told)> {
    if host.id.is_clone() {
        return vec![(Rule::DuplicateIdentity, duplicate(host))];
    }
    vec![(Rule::HostOffline, offline(host, why, is_of_mass)), (Rule::GpuLost, lost_gpus(host))]
}

/// A host that drains was most likely stopped on purpose, and gets nothing to do anyway: it raises
/// nothing, but what was raised before stays.
fn offline(host: &HostEntry, why: Option<&str>, is_of_mass: bool) -> Told {
    if host.status.is_heard() {
        return Told::over("heard again");
    }
    if host.patch.expected_absent {
        return Told::over("it may be absent");
    }
    if host.status != HostStatus::Offline || is_of_mass || host.patch.drain {
        return Told::Nothing;
    }
    let message = format!("host {} is offline", host.facts.name);
    Told::holds(message, why.map(str::to_owned))
}

fn duplicate(host: &HostEntry) -> Told {
    match host.findings.iter().find(|finding| finding.code == Code::DuplicateIdentity) {
        Some(finding) => {
            let address = host.session.as_ref().map(|session| session.remote_address);
            let from = address.map(|address| format!("it connected from {address}"));
            Told::holds(format!("{}: {}", host.facts.name, finding.message), from)
        }
        None => Told::Nothing,
    }
}

/// That a host tells nothing of its GPUs is no return of those that were lost.
fn lost_gpus(host: &HostEntry) -> Told {
    let lost = &host.conditions.lost_gpus;
    let Some(sample) = host.present() else { return Told::Nothing };
    if sample.gpus.is_none() && lost.is_empty() && sample.missing.contains_key("gpus") {
        return Told::Nothing;
    }
    let held = lost.iter().map(|id| {
        let message = format!("{}: {} fell off the bus", host.facts.name, gpu_in_words(host, id));
        Held { part: Some(Arc::from(&**id)), level: Level::Holds(Words { message, cause: None }) }
    });
    Told::All(held.collect(), "it answers again, or is no longer listed".to_owned())
}

/// Which GPU: its place and name are for people, its id is what stays.
pub(super) fn gpu_in_words(host: &HostEntry, id: &str) -> String {
    match host.facts.gpus.iter().flat_map(|gpus| gpus.iter()).find(|gpu| gpu.id == id) {
        Some(gpu) => format!("GPU {} ({}, {id})", gpu.index, gpu.name),
        None => format!("GPU {id}"),
    }
}
