//! Which service claims which names, and what follows when that changes: a name that became
//! ambiguous or clear is told, and a service that was declared joins the one that an agent found at
//! its address. Mutations only note what they touched; it is settled when they are over, so that
//! nothing is replaced while they still work on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};

use super::Registry;
use super::alias::{Claim, Ground};
use super::change::ChangeKind;
use super::moment::Moment;
use super::names::{Listener, names_of};
use super::service::record::{Declared, Found, Records};
use super::service::{Name, ServiceEntry};
use super::transaction::Transaction;
use super::url::ServiceUrl;

/// What a transaction touched.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// Hosts whose name, address or services changed.
    pub(super) hosts: BTreeSet<HostId>,
    /// Names that somebody new claims, or nobody else any more.
    names: BTreeSet<Arc<str>>,
    /// Services that may have gained or lost a name.
    services: BTreeSet<ServiceId>,
    /// Names are as before, and only known again.
    is_quiet: bool,
}

impl Records {
    /// The addresses at which people and files declared it, as ids. What a service says of itself
    /// claims nothing: it could name another's address.
    pub(super) fn declared_ids(&self) -> impl Iterator<Item = String> {
        let by_people = [&self.file, &self.manual, &self.patch].into_iter().flatten();
        let by_people = by_people.filter(|_| self.own.is_none());
        by_people.filter_map(|declared| declared.service_url()).map(|url| url.id())
    }
}

impl Declared {
    /// Its URL, in the one spelling.
    pub(super) fn service_url(&self) -> Option<ServiceUrl> {
        ServiceUrl::parse(self.url.as_deref()?).ok()
    }
}

impl ServiceEntry {
    /// Whether it surely claims the same as its predecessor; cheap, since most successors do.
    fn claims_as(&self, other: &Self) -> bool {
        let given = |entry: &Self| {
            let records = &entry.facts.records;
            let declared = [&records.file, &records.manual, &records.patch, &records.own];
            declared.map(|record| record.as_ref().map(Arc::as_ptr))
        };
        Arc::ptr_eq(&self.names, &other.names)
            && Arc::ptr_eq(&self.facts.aliases, &other.facts.aliases)
            && self.facts.found().is_some() == other.facts.found().is_some()
            && given(self) == given(other)
    }

    /// All names that it claims, and why.
    pub(super) fn claims(&self) -> BTreeSet<Claim> {
        let of_host = self.names.iter().map(|name| (Arc::clone(&name.text), Ground::Host));
        let given = self.facts.aliases.iter().map(|name| (Arc::clone(name), Ground::Declared));
        let urls = self.facts.records.declared_ids().map(|id| (id.into(), Ground::Declared));
        of_host.chain(given).chain(urls).collect()
    }
}

impl Transaction<'_> {
    /// Brings the index in line with what a service claims, and notes whom that touches.
    pub(super) fn follow_claims(
        &mut self,
        before: Option<&ServiceEntry>,
        after: Option<&ServiceEntry>,
    ) {
        let Some(id) = before.or(after).map(|entry| entry.id.clone()) else { return };
        if before.is_none() != after.is_none() {
            // Who asks for this name is, or no longer is, led to the service of that id.
            self.unsettled.services.extend(self.registry.aliases.owner(id.as_str()));
        }
        self.note_host(before, after);
        if let (Some(before), Some(after)) = (before, after)
            && before.claims_as(after)
        {
            return;
        }
        let is_found =
            |entry: Option<&ServiceEntry>| entry.is_some_and(|e| e.facts.found().is_some());
        let claims =
            |entry: Option<&ServiceEntry>| entry.map(ServiceEntry::claims).unwrap_or_default();
        let lost_agent = is_found(before) && !is_found(after);
        self.note_declared(before, after);
        let (before, after) = (claims(before), claims(after));
        if lost_agent {
            // It may now join another one, or another one what its agent kept it from.
            self.unsettled.names.extend(before.iter().map(|(name, _)| Arc::clone(name)));
        }
        for gone in before.difference(&after) {
            let gains = self.registry.aliases.release(gone, &id);
            self.touch(gone, &id, gains);
        }
        for new in after.difference(&before) {
            let loses = self.registry.aliases.claim(new, &id);
            self.touch(new, &id, loses);
        }
    }

    /// Who is declared at an address joins there, and who only keeps it as another name does not,
    /// though both claim it.
    fn note_declared(&mut self, before: Option<&ServiceEntry>, after: Option<&ServiceEntry>) {
        let declared = |entry: Option<&ServiceEntry>| -> BTreeSet<String> {
            entry.map(|e| e.facts.records.declared_ids().collect()).unwrap_or_default()
        };
        let (before, after) = (declared(before), declared(after));
        let differ = before.symmetric_difference(&after);
        self.unsettled.names.extend(differ.map(|name| Arc::from(name.as_str())));
    }

    /// The names of a host's services follow from all of them.
    fn note_host(&mut self, before: Option<&ServiceEntry>, after: Option<&ServiceEntry>) {
        let is_there = |a: &Found, b: &Found| {
            (&a.host_id, &a.address, a.port) == (&b.host_id, &b.address, b.port)
        };
        let (before, after) =
            (before.and_then(|b| b.facts.found()), after.and_then(|a| a.facts.found()));
        let is_same = match (before, after) {
            (Some(before), Some(after)) => is_there(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !is_same {
            let hosts = before.into_iter().chain(after).map(|found| found.host_id.clone());
            self.unsettled.hosts.extend(hosts);
        }
    }

    fn touch(&mut self, (name, _): &Claim, id: &ServiceId, other: Option<ServiceId>) {
        self.unsettled.names.insert(Arc::clone(name));
        self.unsettled.services.insert(id.clone());
        self.unsettled.services.extend(other);
    }

    /// Settles what was touched: names of services after their hosts, then who joins whom, then
    /// what is told of names. It ends: only a join makes more to settle, and takes an entry away.
    pub(super) fn settle_names(&mut self) {
        loop {
            if let Some(host) = self.unsettled.hosts.pop_first() {
                self.name_services(&host);
            } else if let Some(name) = self.unsettled.names.pop_first() {
                if !self.unsettled.is_quiet {
                    self.join_at(&name);
                }
            } else if let Some(id) = self.unsettled.services.pop_first() {
                self.tell_names(&id);
            } else {
                return;
            }
        }
    }

    /// A host has another name or address: what its services are called follows, and so does who
    /// joins them.
    pub(super) fn reclaim(&mut self, host: &HostId) {
        self.unsettled.hosts.insert(host.clone());
        let services = self.host(host).map(|host| self.services_of(&host)).unwrap_or_default();
        let names = services.iter().flat_map(|service| service.names.iter());
        self.unsettled.names.extend(names.map(|name| Arc::clone(&name.text)));
        self.settle_names();
    }

    /// Names the services of a host after it.
    fn name_services(&mut self, host: &HostId) {
        let Some(host) = self.host(host) else { return };
        let services = self.services_of(&host);
        let listener = |entry: &Arc<ServiceEntry>| entry.facts.found().map(Listener::of);
        let all: Vec<Listener> = services.iter().filter_map(listener).collect();
        for service in services {
            let Some(server) = listener(&service) else { continue };
            let names = names_of(&host, server, &all);
            let known = service.names.iter().map(|name| &*name.text);
            if known.eq(names.iter().map(String::as_str)) {
                continue;
            }
            let names = self.names(&service.id, names.into_iter().map(Arc::from));
            self.put_names(&service, names);
        }
    }

    /// Tells which of its names lead to a service, if that changed.
    fn tell_names(&mut self, id: &ServiceId) {
        let Some(service) = self.registry.service(id.as_str()) else { return };
        let names = self.names(id, service.names.iter().map(|name| Arc::clone(&name.text)));
        if names[..] != service.names[..] {
            self.put_names(&service, names);
        }
    }

    fn put_names(&mut self, service: &ServiceEntry, names: Vec<Name>) {
        let after = ServiceEntry { names: names.into(), ..service.clone() };
        if self.unsettled.is_quiet || after.aliases() == service.aliases() {
            self.keep_service(after);
        } else {
            let cause = Some("its other names changed".to_owned());
            self.put_service(after, ChangeKind::ServiceChanged, cause);
        }
    }

    /// Names with whether they lead to this service: nobody else claims them or has them as id.
    pub(super) fn names(&self, id: &ServiceId, texts: impl Iterator<Item = Arc<str>>) -> Vec<Name> {
        let is_alone = |text: &str| {
            let is_an_id = text == id.as_str() || self.registry.services.contains_key(text);
            !is_an_id && self.registry.aliases.is_free_for(text, id)
        };
        texts.map(|text| Name { is_alone: is_alone(&text), text }).collect()
    }
}

impl Registry {
    /// After a restart: names services after their hosts, of which only the names are known until
    /// they connect. Nobody is told, since nobody was told anything yet, and nobody joins: more may
    /// claim a name than is known now.
    pub(super) fn restore_names(&self, moment: Moment) {
        let mut transaction = self.transaction(moment);
        for host in self.hosts() {
            transaction.unsettled.hosts.insert(host.id.clone());
        }
        transaction.unsettled.is_quiet = true;
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
