//! An agent's inventory against what is known: facts of the host, services that came and went,
//! models that were installed, removed, loaded and unloaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use herdbook_shared::ids::{HostId, ServiceId, SessionId};
use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{self, Inventory, Service, ServiceState};

use super::appear::Around;
use super::change::ChangeKind;
use super::host::{HostEntry, HostFacts, HostStatus};
use super::mark::status_kind;
use super::moment::Moment;
use super::names::Listener;
use super::sample::NotCurrent;
use super::service::record::{Found, Records};
use super::service::{Check, Model, ServiceEntry, ServiceStatus, Source};
use super::transaction::Transaction;
use super::{Registry, identity};

/// Each change of a model makes a successor of its service with all its models. Where this many
/// would be copied, all that changed at once is told as one change of the service.
const MODEL_COPIES_MAX: usize = 4096;

/// Most servers of one host that are listed, those that are gone included. Without it one that
/// reports others each time would fill the register.
const OF_HOST_MAX: usize = 2 * limits::SERVICES;

impl Registry {
    /// A server that is gone is no longer listed, since its host has too many. Said once; the
    /// count goes on.
    fn count_let_go(&self, host_id: &HostId, id: &ServiceId) {
        if self.n_let_go.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                host = %host_id, service = %id, at_most = OF_HOST_MAX,
                "a service that is gone is let go of: its host has many newer ones"
            );
        }
    }

    /// Takes a whole inventory in.
    ///
    /// # Errors
    ///
    /// Where the session is no longer its host's.
    pub fn apply_inventory(
        &self,
        host_id: &HostId,
        session_id: &SessionId,
        inventory: Inventory,
        moment: Moment,
    ) -> Result<(), NotCurrent> {
        let mut transaction = self.transaction(moment);
        let host = transaction.host(host_id).filter(|host| host.is_current(session_id));
        let host = host.ok_or(NotCurrent)?;
        let Inventory { system, addresses, address_details, gpus, services, missing, .. } =
            inventory;
        let gpus = gpus.map(Arc::from);
        let facts = HostFacts {
            system,
            addresses,
            address_details,
            gpus,
            missing,
            ..(*host.facts).clone()
        };
        if facts != *host.facts {
            let successor = HostEntry { facts: facts.into(), ..(*host).clone() };
            transaction.put_host(successor, ChangeKind::HostChanged, None);
        }
        transaction.apply_services(host_id, services);
        transaction.settle_names();
        if let Some(host) = transaction.host(host_id) {
            let told_by = Some(session_id.clone());
            transaction.settle(HostEntry { told_by, ..(*host).clone() });
        }
        Ok(())
    }
}

impl Transaction<'_> {
    fn apply_services(&mut self, host_id: &HostId, mut reports: Vec<Service>) {
        let Some(host) = self.host(host_id) else { return };
        let mut listeners = BTreeSet::new();
        reports.retain(|report| listeners.insert(Listener::new(&report.address, report.port)));
        let known = self.services_of(&host);
        let mut around = Around::new(&known, &reports);
        let mut seen: Vec<ServiceId> = Vec::new();
        for report in &reports {
            let before = identity::matching(report, &known, &reports);
            match before.filter(|entry| !seen.contains(&entry.id)) {
                Some(before) => {
                    seen.push(before.id.clone());
                    self.apply_service(&host, before, report);
                }
                None => seen.extend(self.list_service(&host, report, &mut around)),
            }
        }
        let gone = || known.iter().filter(|entry| !seen.contains(&entry.id));
        gone().for_each(|gone| self.lose_service(gone));
        let ids = gone().map(|gone| gone.id.clone()).collect();
        let let_go = self.too_many(ids, seen.len());
        self.follow_services(host_id, |services| {
            services.extend(seen);
            services.retain(|id| !let_go.contains(id));
        });
        for id in let_go {
            self.registry.count_let_go(host_id, &id);
            self.lose_source(&id, Source::Agent, "its host has many newer ones");
        }
    }

    /// Which of a host's servers that are gone are no longer remembered: those that are gone for
    /// longest, where there are too many beside the `n_there` that are there.
    fn too_many(&self, gone: Vec<ServiceId>, n_there: usize) -> Vec<ServiceId> {
        let n_too_many = (gone.len() + n_there).saturating_sub(OF_HOST_MAX);
        if n_too_many == 0 {
            return Vec::new();
        }
        let since = |id: &ServiceId| {
            let entry = self.registry.service(id.as_str());
            entry.and_then(|entry| entry.facts.found()?.down_since)
        };
        let mut gone: Vec<_> = gone.into_iter().map(|id| (since(&id), id)).collect();
        gone.sort_unstable();
        gone.into_iter().take(n_too_many).map(|(_, id)| id).collect()
    }

    fn apply_service(&mut self, host: &HostEntry, before: &Arc<ServiceEntry>, report: &Service) {
        let known = self.with_found(before, self.found(host, report, before.facts.found()));
        let is_agents = known.facts.check == Check::Agent;
        // Until its host is heard again, whoever judges meanwhile decides.
        let (status, state) =
            if is_agents { shown(host, report.state) } else { (before.status, None) };
        let after = ServiceEntry {
            status,
            unconfirmed: before.unconfirmed && !is_agents,
            state,
            told: Some(report.state),
            ..known
        };
        let findings = after.derive_findings(self.moment.at);
        let after = ServiceEntry { findings, ..after };
        after.live.write_expires(expires(report));
        self.tell_service(before, after, report.last_error.clone());
        self.count_told(&before.id);
    }

    /// A service that its agent no longer reports is gone, but stays listed for a while.
    fn lose_service(&mut self, before: &Arc<ServiceEntry>) {
        if before.status == ServiceStatus::Down && before.state.is_some() {
            return;
        }
        let Some(known) = before.facts.found() else { return };
        let found = Found {
            models: cold(&known.models),
            gpu_ids: Vec::new(),
            state_told_by: None,
            down_since: known.down_since.or(Some(self.moment.at)),
            ..known.clone()
        };
        let known = self.with_found(before, found);
        let told = Some(ServiceState::Down);
        let is_agents = known.facts.check == Check::Agent;
        let (status, state) =
            if is_agents { (ServiceStatus::Down, told) } else { (before.status, None) };
        let findings = Vec::new();
        let after = ServiceEntry {
            status,
            state,
            told,
            findings,
            unconfirmed: before.unconfirmed && !is_agents,
            ..known
        };
        self.tell_service(before, after, Some("its agent no longer finds it".to_owned()));
        self.count_told(&before.id);
    }

    /// Tells what is different: its models one by one, then the service as a whole.
    pub(super) fn tell_service(
        &mut self,
        before: &Arc<ServiceEntry>,
        after: ServiceEntry,
        cause: Option<String>,
    ) {
        let mut changed = model_changes(&before.facts.models, &after.facts.models);
        let n_copies = changed.len() * after.facts.models.len();
        let is_first_told = after.facts.check != Check::Agent && !before.tells_warmth();
        if n_copies > MODEL_COPIES_MAX || !after.tells_warmth() || is_first_told {
            // Told as one: too many, or it cannot be told what is in memory.
            changed.clear();
        }
        let mut entry = ServiceEntry { facts: Arc::clone(&before.facts), ..after.clone() };
        (entry.status, entry.state) = (before.status, before.state);
        entry.findings.clone_from(&before.findings);
        for (kind, name) in changed {
            let models = with_model(&entry.facts.models, &name, after.model(&name));
            entry.facts = Arc::new(entry.facts.with_models(&models));
            entry.revision = self.put_model(entry.clone(), kind, name).revision;
        }
        let after = ServiceEntry { revision: entry.revision, ..after };
        let kind = if after.status != before.status {
            status_kind(after.status)
        } else if after.state != before.state {
            ChangeKind::ServiceState
        } else {
            ChangeKind::ServiceChanged
        };
        let is_same = *after.facts == *entry.facts
            && (after.status, after.state) == (before.status, before.state)
            && after.unconfirmed == before.unconfirmed
            && (after.told == before.told || after.facts.check == Check::Agent)
            && after.findings == before.findings
            && after.capabilities() == before.capabilities();
        if !is_same {
            self.put_service(after, kind, cause);
        }
    }

    /// A known service, with what its agent says now.
    fn with_found(&self, before: &ServiceEntry, found: Found) -> ServiceEntry {
        let known = before.facts.records.clone();
        self.judged_by(before, Records { agent: Some(Arc::new(found)), ..known })
    }

    /// The record of what an agent reports. `known` is what it reported before.
    pub(super) fn found(&self, host: &HostEntry, report: &Service, known: Option<&Found>) -> Found {
        let at = self.moment.at;
        let peer = host.session.as_ref().map(|session| session.remote_address);
        let (url, reachable) = identity::address(report, peer, host);
        let is_down = report.state == ServiceState::Down;
        let models = if is_down && report.models.is_empty() {
            cold(known.map_or(&[], |found| &found.models))
        } else if is_down {
            cold(&sorted(&report.models))
        } else {
            sorted(&report.models)
        };
        let was = known.filter(|_| is_down);
        let gpu_ids: BTreeSet<String> = report.gpu_ids.iter().cloned().collect();
        let known_error = known.and_then(|found| found.last_error.as_ref());
        let is_new_error = report.last_error.is_some() && report.last_error.as_ref() != known_error;
        let error_at = known.and_then(|found| found.last_error_at);
        Found {
            name: known.map_or_else(|| host.facts.name.clone(), |found| found.name.clone()),
            kind: report.kind.clone(),
            host_id: host.id.clone(),
            address: report.address.clone(),
            port: report.port,
            url,
            reachable,
            state_told_by: report.state_told_by,
            // Nobody can ask a server that is gone: what it was stays known.
            asks_credential: report.asks_credential.or(was.and_then(|was| was.asks_credential)),
            unit: report.unit.clone().or_else(|| was?.unit.clone()),
            container: report.container.clone().or_else(|| was?.container.clone()),
            gpu_ids: gpu_ids.into_iter().collect(),
            version: report.version.clone().or_else(|| known.and_then(|f| f.version.clone())),
            registered_at: known.map_or(at, |found| found.registered_at),
            down_since: is_down.then(|| known.and_then(|found| found.down_since).unwrap_or(at)),
            last_error: report.last_error.clone(),
            last_error_at: if is_new_error { Some(at) } else { error_at },
            models,
            models_left_out: report.models_left_out,
        }
    }
}

/// How a service is shown of which its agent tells `state`. A host that went silent is believed
/// again with its next sample, and not before; that a server is gone needs no such proof.
pub(super) fn shown(
    host: &HostEntry,
    state: ServiceState,
) -> (ServiceStatus, Option<ServiceState>) {
    let is_silent = matches!(host.status, HostStatus::Stale | HostStatus::Offline);
    if is_silent && state != ServiceState::Down {
        (ServiceStatus::Unknown, None)
    } else {
        (ServiceStatus::of_state(state), Some(state))
    }
}

pub(super) fn expires(report: &Service) -> impl Iterator<Item = (Arc<str>, Timestamp)> {
    let expires = report.models.iter().filter_map(|model| Some((&model.name, model.expires_at?)));
    expires.map(|(name, at)| (name.as_str().into(), at))
}

/// By name; of two with one name the one in memory stays.
fn sorted(models: &[inventory::Model]) -> Arc<[Model]> {
    let mut by_name: BTreeMap<&str, &inventory::Model> = BTreeMap::new();
    for model in models {
        let known = by_name.entry(&model.name).or_insert(model);
        if model.warm && !known.warm {
            *known = model;
        }
    }
    by_name.into_values().map(Model::from).collect()
}

fn cold(models: &[Model]) -> Arc<[Model]> {
    models.iter().map(Model::cold).collect()
}

/// Which models came, went, were loaded or unloaded. Other differences are the service's.
fn model_changes(before: &[Model], after: &[Model]) -> Vec<(ChangeKind, Arc<str>)> {
    fn find<'a>(models: &'a [Model], name: &str) -> Option<&'a Model> {
        let index = models.binary_search_by(|model| (*model.name).cmp(name)).ok()?;
        models.get(index)
    }
    let name = |model: &Model| Arc::clone(&model.facts.name);
    let mut changes = Vec::new();
    for model in after {
        let known = find(before, &model.name);
        if known.is_none() {
            changes.push((ChangeKind::ModelInstalled, name(model)));
        }
        match (known.is_some_and(|known| known.warm), model.warm) {
            (false, true) => changes.push((ChangeKind::ModelLoaded, name(model))),
            (true, false) => changes.push((ChangeKind::ModelUnloaded, name(model))),
            _ => (),
        }
    }
    let removed = before.iter().filter(|model| find(after, &model.name).is_none());
    changes.extend(removed.map(|model| (ChangeKind::ModelRemoved, name(model))));
    changes
}

fn with_model(models: &[Model], name: &str, model: Option<&Model>) -> Arc<[Model]> {
    let mut edited: Vec<Model> = models.iter().filter(|m| *m.name != *name).cloned().collect();
    if let Some(model) = model {
        let at = edited.partition_point(|other| &*other.name < name);
        edited.insert(at, model.clone());
    }
    edited.into()
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
