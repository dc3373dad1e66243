//! A server that its agent reports for the first time: a service that is new, or one that people or
//! files declared before and that is found now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::wire::inventory::{Service, ServiceState};

use super::change::ChangeKind;
use super::host::HostEntry;
use super::inventory::{expires, shown};
use super::names::{Listener, names_of};
use super::service::record::Records;
use super::service::{Check, Name, ServiceEntry, ServiceFacts};
use super::transaction::Transaction;
use super::{Registry, SERVICES_MAX, identity};

/// What else there is on a host that tells its servers.
#[derive(Debug)]
pub(super) struct Around {
    /// Where its servers listen once all reports are taken in.
    listeners: Vec<Listener>,
    /// The ports of those that are listed by now.
    ports: BTreeSet<u16>,
}

impl Around {
    /// Before the first report is taken in.
    pub(super) fn new(known: &[Arc<ServiceEntry>], reports: &[Service]) -> Self {
        let found = known.iter().filter_map(|entry| entry.facts.found());
        let ports = found.map(|found| found.port).collect();
        Self { listeners: listeners(known, reports), ports }
    }
}

fn listeners(known: &[Arc<ServiceEntry>], reports: &[Service]) -> Vec<Listener> {
    let reported = reports.iter().map(|report| Listener::new(&report.address, report.port));
    let matched: Vec<&ServiceId> = reports
        .iter()
        .filter_map(|report| identity::matching(report, known, reports))
        .map(|entry| &entry.id)
        .collect();
    let others = known.iter().filter(|entry| !matched.contains(&&entry.id));
    reported.chain(others.filter_map(|entry| entry.facts.found().map(Listener::of))).collect()
}

impl Registry {
    /// A service has no place in the register. Said once; the count goes on.
    fn count_unlisted(&self, host: &HostEntry, report: &Service) {
        if self.n_unlisted.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                host = %host.id, port = report.port, at_most = SERVICES_MAX,
                "a service is not listed: the register is full, or all its ids are taken"
            );
        }
    }
}

impl Transaction<'_> {
    /// Lists a server that was never seen, or finds it among those that were declared. One that is
    /// first told of as down is not listed. Its host is told which it has by the caller.
    pub(super) fn list_service(
        &mut self,
        host: &HostEntry,
        report: &Service,
        around: &mut Around,
    ) -> Option<ServiceId> {
        if report.state == ServiceState::Down {
            return None;
        }
        let server = Listener::new(&report.address, report.port);
        let names = names_of(host, server, &around.listeners);
        let is_on_port = around.ports.contains(&report.port);
        let fresh_id = |is_taken: &dyn Fn(&str) -> bool| {
            identity::fresh_id(host, report, is_taken, is_on_port)
        };
        let id = match self.declared_as_one_of(&names) {
            Some(declared) => {
                let is_taken = |id: &str| !declared.is_named(id) && self.is_id_taken(id);
                let other_id = fresh_id(&is_taken);
                Some(self.find_declared(host, &declared, report, names, other_id))
            }
            None => {
                let id = fresh_id(&|id| self.is_id_taken(id));
                self.register_service(host, report, names, id)
            }
        };
        around.ports.extend(id.is_some().then_some(report.port));
        id
    }

    fn register_service(
        &mut self,
        host: &HostEntry,
        report: &Service,
        names: Vec<String>,
        id: Option<ServiceId>,
    ) -> Option<ServiceId> {
        let id = id.filter(|_| self.registry.services.len() < SERVICES_MAX);
        let Some(id) = id else {
            self.registry.count_unlisted(host, report);
            return None;
        };
        let records = Records::of_found(self.found(host, report, None));
        let check = records.check(false);
        let facts = ServiceFacts::of(records, check, self.moment.at, None);
        let entry = ServiceEntry::unjudged(id.clone(), facts);
        let names = self.names(&id, names.into_iter().map(Arc::from));
        let entry = self.seen_first(entry, host, report, names);
        self.put_service(entry, ChangeKind::ServiceRegistered, None);
        Some(id)
    }

    /// The server of a declared service was found: it is the same entry, and the id that it would
    /// have got is another name of it.
    fn find_declared(
        &mut self,
        host: &HostEntry,
        declared: &ServiceEntry,
        report: &Service,
        names: Vec<String>,
        other_id: Option<ServiceId>,
    ) -> ServiceId {
        let id = declared.id.clone();
        let aliases = declared.with_aliases(other_id.iter().map(ToString::to_string));
        let found = Some(Arc::new(self.found(host, report, None)));
        let records = Records { agent: found, ..declared.facts.records.clone() };
        let entry = self.with_records(declared, records, aliases);
        let names = self.names(&id, names.into_iter().map(Arc::from));
        let entry = self.seen_first(entry, host, report, names);
        let cause = Some(format!("found by the agent of {}", host.facts.name));
        self.put_service(entry, ChangeKind::ServiceChanged, cause);
        id
    }

    /// A service as its agent sees it for the first time.
    fn seen_first(
        &self,
        entry: ServiceEntry,
        host: &HostEntry,
        report: &Service,
        names: Vec<Name>,
    ) -> ServiceEntry {
        let is_agents = entry.facts.check == Check::Agent;
        // Until its host is heard again, whoever judges meanwhile decides.
        let (status, state) =
            if is_agents { shown(host, report.state) } else { (entry.status, None) };
        let (told, names) = (Some(report.state), names.into());
        let unconfirmed = entry.unconfirmed && !is_agents;
        let entry = ServiceEntry { status, unconfirmed, state, told, names, ..entry };
        let findings = entry.derive_findings(self.moment.at);
        entry.live.write_expires(expires(report));
        ServiceEntry { findings, ..entry }
    }
}
