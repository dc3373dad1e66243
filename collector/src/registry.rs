//! What is known of the fleet, and the only place that changes it.
//!
//! Two paths. Every mutation of hosts, sessions, services and indexes goes through one
//! [`transaction`], which holds the ledger's lock: it replaces map entries, numbers what changed
//! and pushes it to the ring. A sample takes the other path: it writes the live cell that all
//! successors of an entry share, touches no lock, and enters the ledger only when a status or a
//! finding changes. Readers never take the lock, but for a snapshot, which needs it for as long as
//! it takes to clone the entries.
//!
//! The registry returns and records what changed; it never calls a subscriber. Read in this order.

pub mod moment;

pub mod condition;
pub mod finding;
pub mod host;
pub mod service;
pub mod session;
pub mod slow;

pub mod change;
pub mod encode;
pub mod fold;
pub mod ledger;
pub mod view;

mod transaction;

pub mod url;

mod alias;
mod identity;
pub mod model;

pub mod check;

pub mod arrive;
mod derive;
mod inventory;
pub mod mark;
pub mod sample;

pub mod restore;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use herdbook_shared::ids::{HostId, ServiceId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::{Checks, Liveness};

use alias::AliasIndex;
use change::Change;
use host::HostEntry;
use ledger::{Lagged, Ledger};
use model::ModelIndex;
use service::ServiceEntry;

/// Most hosts that a registry takes in.
pub const HOSTS_MAX: usize = 50_000;
/// Most services that a registry takes in.
pub const SERVICES_MAX: usize = 200_000;

/// The register of the fleet.
#[derive(Debug)]
pub struct Registry {
    hosts: DashMap<HostId, Arc<HostEntry>>,
    services: DashMap<ServiceId, Arc<ServiceEntry>>,
    models: ModelIndex,
    aliases: AliasIndex,
    ledger: Mutex<Ledger>,
    seq: watch::Sender<u64>,
    dirty: Notify,
    liveness: Liveness,
    checks: Checks,
    origin: Instant,
    believed_ms: AtomicU64,
    n_samples: AtomicU64,
    n_gaps: AtomicU64,
    n_unlisted: AtomicU64,
}

impl Registry {
    /// An empty registry with an epoch of its own.
    #[must_use]
    pub fn new(liveness: Liveness) -> Self {
        Self {
            hosts: DashMap::new(),
            services: DashMap::new(),
            models: ModelIndex::default(),
            aliases: AliasIndex::default(),
            ledger: Mutex::new(Ledger::new()),
            seq: watch::Sender::new(0),
            dirty: Notify::new(),
            liveness,
            checks: Checks::default(),
            origin: Instant::now(),
            believed_ms: AtomicU64::new(0),
            n_samples: AtomicU64::new(0),
            n_gaps: AtomicU64::new(0),
            n_unlisted: AtomicU64::new(0),
        }
    }

    /// The rules by which hosts are judged.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// The same registry, judging services by these rules.
    #[must_use]
    pub fn with_checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    /// The rules by which services are judged.
    #[must_use]
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// One host.
    #[must_use]
    pub fn host(&self, id: &str) -> Option<Arc<HostEntry>> {
        self.hosts.get(id).map(|entry| Arc::clone(&entry))
    }

    /// All hosts, in no order. They are consistent one by one, not together: see
    /// [`Registry::snapshot`].
    #[must_use]
    pub fn hosts(&self) -> Vec<Arc<HostEntry>> {
        self.hosts.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// How many hosts there are.
    #[must_use]
    pub fn n_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// One service.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<Arc<ServiceEntry>> {
        self.services.get(id).map(|entry| Arc::clone(&entry))
    }

    /// The service of this id, or else the one that this `host:port` belongs to.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Arc<ServiceEntry>> {
        let by_alias = || self.service(self.aliases.owner(name)?.as_str());
        self.service(name).or_else(by_alias)
    }

    /// All services, in no order.
    #[must_use]
    pub fn services(&self) -> Vec<Arc<ServiceEntry>> {
        self.services.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// The services that have `model` now, by id. Never one without it.
    #[must_use]
    pub fn services_of_model(&self, model: &str) -> Vec<Arc<ServiceEntry>> {
        let ids = self.models.services(model);
        let services = ids.iter().filter_map(|id| self.service(id.as_str()));
        services.filter(|service| service.model(model).is_some()).collect()
    }

    /// A receiver that is woken after every transaction that changed something, with the number
    /// of the last change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    /// Up to `max` changes after `seq`, in order.
    ///
    /// # Errors
    ///
    /// Where the ring no longer holds them all: take a snapshot.
    pub fn changes_since(&self, seq: u64, max: usize) -> Result<Vec<Arc<Change>>, Lagged> {
        self.ledger().since(seq, max)
    }

    /// This run of the collector and the number of the last change.
    #[must_use]
    pub fn cursor(&self) -> (Arc<str>, u64) {
        let ledger = self.ledger();
        (ledger.epoch(), ledger.seq())
    }

    /// Samples taken in since the start.
    #[must_use]
    pub fn n_samples(&self) -> u64 {
        self.n_samples.load(Ordering::Relaxed)
    }

    /// Times that a host told since the start that it had slept.
    #[must_use]
    pub fn n_gaps(&self) -> u64 {
        self.n_gaps.load(Ordering::Relaxed)
    }

    /// Services that found no place in the register since the start.
    #[must_use]
    pub fn n_unlisted(&self) -> u64 {
        self.n_unlisted.load(Ordering::Relaxed)
    }

    /// Milliseconds of the monotonic clock since the registry was made, from 1.
    fn ms_of(&self, now: Instant) -> u64 {
        let ms = now.saturating_duration_since(self.origin).as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The instant of a reading of that clock; 0 is never.
    #[must_use]
    pub fn instant_of(&self, ms: u64) -> Option<Instant> {
        let since_origin = ms.checked_sub(1)?;
        self.origin.checked_add(Duration::from_millis(since_origin))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic while the lock was held is a bug that has been reported where it happened;
        // the ledger is only ever left between two whole steps.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
