//! One mutation: validate, replace, number, remember for the store. It holds the ledger's lock
//! from start to end, never across an await, and wakes subscribers when it is over.

use std::sync::{Arc, MutexGuard};

use herdbook_shared::ids::{HostId, ServiceId};

use super::Registry;
use super::change::{ChangeKind, Subject};
use super::claim::Unsettled;
use super::host::HostEntry;
use super::ledger::Ledger;
use super::moment::Moment;
use super::service::{ServiceEntry, ServiceStatus, Source};
use super::session::SessionChange;
use super::unkept::Dirty;

/// See the module's words.
pub(super) struct Transaction<'a> {
    pub(super) registry: &'a Registry,
    pub(super) ledger: MutexGuard<'a, Ledger>,
    pub(super) moment: Moment,
    pub(super) unsettled: Unsettled,
    /// Somebody waits until what it changes is kept.
    is_command: bool,
    seq_before: u64,
    ticket_before: u64,
}

impl Registry {
    pub(super) fn transaction(&self, moment: Moment) -> Transaction<'_> {
        let ledger = self.ledger();
        let (seq_before, ticket_before) = (ledger.seq(), ledger.dirty.ticket());
        let (unsettled, is_command) = (Unsettled::default(), false);
        Transaction {
            registry: self,
            ledger,
            moment,
            unsettled,
            is_command,
            seq_before,
            ticket_before,
        }
    }

    /// A transaction of somebody who is answered once what it changed is kept.
    pub(super) fn command(&self, moment: Moment) -> Transaction<'_> {
        let mut transaction = self.transaction(moment);
        transaction.is_command = true;
        transaction
    }
}

impl Transaction<'_> {
    pub(super) fn host(&self, id: &HostId) -> Option<Arc<HostEntry>> {
        self.registry.host(id.as_str())
    }

    pub(super) fn services_of(&self, host: &HostEntry) -> Vec<Arc<ServiceEntry>> {
        host.services.iter().filter_map(|id| self.registry.service(id.as_str())).collect()
    }

    /// Numbers a change that comes with no new entry.
    pub(super) fn tell(&mut self, kind: ChangeKind, subject: Subject, cause: Option<String>) {
        let n_hosts = self.registry.hosts.len();
        self.ledger.push(self.moment.at, kind, subject, cause, n_hosts);
    }

    /// Replaces a host and tells why. Returns the successor.
    pub(super) fn put_host(
        &mut self,
        entry: HostEntry,
        kind: ChangeKind,
        cause: Option<String>,
    ) -> Arc<HostEntry> {
        let entry = self.replace_host(entry);
        self.tell(kind, Subject::Host(Arc::clone(&entry)), cause);
        entry
    }

    /// Replaces a host by one that differs in nothing that is told.
    pub(super) fn keep_host(&self, entry: HostEntry) {
        self.registry.hosts.insert(entry.id.clone(), Arc::new(entry));
    }

    /// Replaces a host whose session was opened or closed.
    pub(super) fn put_session(
        &mut self,
        entry: HostEntry,
        change: SessionChange,
    ) -> Arc<HostEntry> {
        let entry = self.replace_host(entry);
        self.registry.sessions.count(&change);
        let (kind, cause) = match &change {
            SessionChange::Opened(_) => (ChangeKind::SessionOpened, None),
            SessionChange::Closed(_, why) => {
                (ChangeKind::SessionClosed, Some(why.word().to_owned()))
            }
        };
        self.tell(kind, Subject::Session(entry.id.clone(), change), cause);
        entry
    }

    fn replace_host(&mut self, mut entry: HostEntry) -> Arc<HostEntry> {
        entry.revision += 1;
        let entry = Arc::new(entry);
        let before = self.registry.hosts.insert(entry.id.clone(), Arc::clone(&entry));
        self.registry.follow_host(before.as_deref(), Some(&entry));
        self.ledger.touched.insert(entry.id.clone());
        if !entry.id.is_clone() {
            self.mark_dirty(Dirty::Host(entry.id.clone()));
        }
        entry
    }

    /// Removes a host, and what its agent found.
    pub(super) fn remove_host(&mut self, id: &HostId, cause: &str) {
        let Some(host) = self.host(id) else { return };
        if let Some(session) = &host.session {
            // What it says would be dropped for ever: it shall connect anew, and be listed anew.
            session.superseded.cancel();
        }
        for service in host.services.iter() {
            self.lose_source(service, Source::Agent, cause);
        }
        self.registry.hosts.remove(id);
        self.registry.follow_host(Some(&host), None);
        self.ledger.forget_host(id);
        if !id.is_clone() {
            self.mark_dirty(Dirty::Host(id.clone()));
        }
        let cause = Some(cause.to_owned());
        self.tell(ChangeKind::HostRemoved, Subject::NoHost(id.clone()), cause);
    }

    /// Replaces a service and tells why. Returns the successor.
    pub(super) fn put_service(
        &mut self,
        entry: ServiceEntry,
        kind: ChangeKind,
        cause: Option<String>,
    ) -> Arc<ServiceEntry> {
        let entry = self.replace_service(entry);
        let is_draining = entry.shown_status() == ServiceStatus::Draining;
        let kind = match kind {
            // What is told is what is shown.
            ChangeKind::ServiceHealthy if is_draining => ChangeKind::ServiceDraining,
            kind => kind,
        };
        self.tell(kind, Subject::Service(Arc::clone(&entry)), cause);
        entry
    }

    /// Replaces a service of which one model changed, and tells of that model alone.
    pub(super) fn put_model(
        &mut self,
        entry: ServiceEntry,
        kind: ChangeKind,
        model: Arc<str>,
    ) -> Arc<ServiceEntry> {
        let entry = self.replace_service(entry);
        self.tell(kind, Subject::Model(Arc::clone(&entry), model), None);
        entry
    }

    fn replace_service(&mut self, mut entry: ServiceEntry) -> Arc<ServiceEntry> {
        entry.revision += 1;
        entry.host_drains = self.host_drains(&entry);
        let entry = self.keep_service(entry);
        self.mark_service(&entry.id, entry.host_id());
        entry
    }

    /// Replaces a service by one that differs in nothing that is told. Returns the successor.
    pub(super) fn keep_service(&mut self, entry: ServiceEntry) -> Arc<ServiceEntry> {
        let entry = Arc::new(entry);
        let before = self.registry.service(entry.id.as_str());
        self.registry.models.release(before.as_deref(), &entry);
        self.registry.services.insert(entry.id.clone(), Arc::clone(&entry));
        self.ledger.departed.remove(&entry.id);
        self.registry.models.take(before.as_deref(), &entry);
        self.follow_claims(before.as_deref(), Some(&entry));
        self.registry.follow_service(before.as_deref(), Some(&entry));
        entry
    }

    /// Removes a service.
    pub(super) fn remove_service(&mut self, id: &ServiceId, cause: &str) {
        self.unlist_service(id, ChangeKind::ServiceRemoved, cause);
    }

    /// Removes a service, and tells why in this word.
    pub(super) fn unlist_service(&mut self, id: &ServiceId, kind: ChangeKind, cause: &str) {
        let Some(service) = self.registry.service(id.as_str()) else { return };
        self.registry.models.remove(&service);
        self.follow_claims(Some(&service), None);
        self.registry.services.remove(id);
        self.registry.follow_service(Some(&service), None);
        let host_id = service.host_id().cloned();
        self.mark_service(id, host_id.as_ref());
        let subject = Subject::NoService(id.clone(), host_id.clone());
        self.tell(kind, subject, Some(cause.to_owned()));
        if let Some(host_id) = &host_id {
            self.unfollow_service(host_id, id);
        }
    }

    /// A service is its host's no longer.
    pub(super) fn unfollow_service(&self, host_id: &HostId, id: &ServiceId) {
        let is_known = self.host(host_id).is_some_and(|host| host.services.contains(id));
        if is_known {
            self.follow_services(host_id, |services| services.retain(|other| other != id));
        }
    }

    /// Has the store write a service, unless its host is a clone.
    fn mark_service(&mut self, id: &ServiceId, host_id: Option<&HostId>) {
        if !host_id.is_some_and(HostId::is_clone) {
            self.mark_dirty(Dirty::Service(id.clone()));
        }
    }

    /// Has the store write an entity.
    pub(super) fn mark_dirty(&mut self, dirty: Dirty) {
        if self.is_command {
            self.ledger.dirty.mark_urgent(dirty);
        } else {
            self.ledger.dirty.mark(dirty);
        }
    }

    /// A command found a service to be as it shall be. It may be on its way to the disk, or yet to
    /// go there, and its answer says that it is so.
    pub(super) fn confirm(&mut self, service: &ServiceEntry) {
        if self.is_command {
            self.mark_service(&service.id, service.host_id());
        }
    }

    /// Changes which services a host has, and which of their models are in memory with it. These
    /// follow from the services, so this is no change of its own.
    pub(super) fn follow_services(&self, host: &HostId, edit: impl FnOnce(&mut Vec<ServiceId>)) {
        let Some(host) = self.host(host) else { return };
        let mut services = host.services.to_vec();
        edit(&mut services);
        services.sort_unstable();
        services.dedup();
        let entries = services.iter().filter_map(|id| self.registry.service(id.as_str()));
        let mut warm: Vec<String> = entries
            .flat_map(|entry| entry.warm().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>())
            .collect();
        warm.sort_unstable();
        warm.dedup();
        if services[..] != host.services[..] || warm[..] != host.warm[..] {
            let successor =
                HostEntry { services: services.into(), warm: warm.into(), ..(*host).clone() };
            self.keep_host(successor);
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle_names();
        }
        let seq = self.ledger.seq();
        if seq != self.seq_before {
            self.registry.seq.send_replace(seq);
            self.registry.dirty.notify_one();
        }
        if self.ledger.dirty.ticket() != self.ticket_before {
            self.registry.urgent.notify_one();
        }
    }
}
