//! A server that its agent reports for the first time: a service that is new, or one that people or
//! files declared before and that is found now.

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

/// Where the servers of a host listen once these reports are taken in.
pub(super) fn listeners(known: &[Arc<ServiceEntry>], reports: &[Service]) -> Vec<Listener> {
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
    /// first told of as down is not listed. `all` are all servers of the host.
    pub(super) fn list_service(
        &mut self,
        host: &HostEntry,
        report: &Service,
        all: &[Listener],
    ) -> Option<ServiceId> {
        if report.state == ServiceState::Down {
            return None;
        }
        let names = names_of(host, Listener::new(&report.address, report.port), all);
        match self.declared_as_one_of(&names) {
            Some(declared) => Some(self.find_declared(host, &declared, report, names)),
            None => self.register_service(host, report, names),
        }
    }

    fn register_service(
        &mut self,
        host: &HostEntry,
        report: &Service,
        names: Vec<String>,
    ) -> Option<ServiceId> {
        let id = self
            .id_of_report(host, report, |id| self.is_id_taken(id))
            .filter(|_| self.registry.services.len() < SERVICES_MAX);
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
        self.follow_services(&host.id, |services| services.push(id.clone()));
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
    ) -> ServiceId {
        let id = declared.id.clone();
        let is_taken = |id: &str| !declared.is_named(id) && self.is_id_taken(id);
        let other_id = self.id_of_report(host, report, is_taken);
        let aliases = declared.with_aliases(other_id.iter().map(ToString::to_string));
        let found = Some(Arc::new(self.found(host, report, None)));
        let records = Records { agent: found, ..declared.facts.records.clone() };
        let entry = self.with_records(declared, records, aliases);
        let names = self.names(&id, names.into_iter().map(Arc::from));
        let entry = self.seen_first(entry, host, report, names);
        let cause = Some(format!("found by the agent of {}", host.facts.name));
        self.put_service(entry, ChangeKind::ServiceChanged, cause);
        self.follow_services(&host.id, |services| services.push(id.clone()));
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

    fn id_of_report(
        &self,
        host: &HostEntry,
        report: &Service,
        is_taken: impl Fn(&str) -> bool,
    ) -> Option<ServiceId> {
        let host = self.host(&host.id)?;
        let is_on_port = |entry: &Arc<ServiceEntry>| {
            entry.facts.found().is_some_and(|found| found.port == report.port)
        };
        let port_is_used = self.services_of(&host).iter().any(is_on_port);
        identity::fresh_id(&host, report, is_taken, port_is_used)
    }
}
