//! A fleet with names and addresses of its own, for the stories of who is called what and which
//! entries are one.

use herdbook_shared::wire::inventory::Service;

use crate::config::Liveness;
use crate::registry::unkept::Dirty;
use crate::store::RowKind;

use super::*;

/// The collector's own boot.
pub(crate) const BOOT: &str = "5f0e";

/// From where the first host of a story comes.
pub(crate) const PEER: &str = "10.0.0.7";

pub(crate) struct Fleet {
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let registry = Registry::new(Liveness::default()).with_boot_id(Some(BOOT.to_owned()));
        Self { registry, clock: Clock::new() }
    }

    /// Host `n` connects from there and has these servers.
    pub(crate) fn host(&mut self, n: u8, name: &str, peer: &str, servers: Vec<Service>) -> Opened {
        self.host_since(n, Arrival { name, peer, boot_id: "a boot of its own" }, servers)
    }

    pub(crate) fn host_since(
        &mut self,
        n: u8,
        arrival: Arrival<'_>,
        servers: Vec<Service>,
    ) -> Opened {
        let opened = arrive(&self.registry, n, arrival, self.clock.pass(1));
        self.registry.take_sample(&opened, sample(), self.clock.moment());
        self.registry.take_inventory(&opened, servers, self.clock.moment());
        opened
    }

    pub(crate) fn add(&mut self, url: &str) -> (String, DeclaredAs) {
        self.declare(Source::Manual, url)
    }

    pub(crate) fn declare(&mut self, source: Source, url: &str) -> (String, DeclaredAs) {
        let (entry, declared_as) = self.registry.declare_url(source, url, self.clock.pass(1));
        self.registry.check_indexes();
        (entry.id.to_string(), declared_as)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.registry.services().iter().map(|s| s.id.to_string()).collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn led_to(&self, name: &str) -> Option<String> {
        self.registry.resolve(name).map(|entry| entry.id.to_string())
    }

    pub(crate) fn aliases(&self, name: &str) -> Vec<String> {
        let entry = self.registry.resolve(name).unwrap();
        entry.aliases().into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn sources(&self, name: &str) -> Vec<Source> {
        self.registry.resolve(name).unwrap().facts.records.sources()
    }
}

pub(crate) fn ollama(address: &str) -> Service {
    service(address, 11434, vec![model("a", true)])
}

pub(crate) fn both() -> Vec<Source> {
    vec![Source::Agent, Source::Manual]
}

pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The registry of the next run of the collector.
pub(crate) fn restarted(registry: &Registry, moment: Moment) -> Registry {
    let hosts = registry.hosts().into_iter().map(|host| Dirty::Host(host.id.clone()));
    let services = registry.services().into_iter();
    let services = services.map(|service| Dirty::Service(service.id.clone()));
    hosts.chain(services).for_each(|dirty| registry.ledger().dirty.mark(dirty));
    let (mut hosts, mut services) = (Vec::new(), Vec::new());
    for row in registry.take_dirty(usize::MAX) {
        match row.kind {
            RowKind::Host => hosts.extend(row.doc),
            RowKind::Service => services.extend(row.doc),
            kind => panic!("{kind:?} is none of the registry\'s"),
        }
    }
    let next = Registry::new(Liveness::default()).with_boot_id(Some(BOOT.to_owned()));
    assert_eq!(next.restore(&hosts, &services, moment), 0);
    next
}
