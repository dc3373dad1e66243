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
pub mod recent;
pub mod service;
pub mod session;
pub mod slow;

pub mod alert;

pub mod change;
pub mod encode;
pub mod fold;
pub mod ledger;
pub mod unkept;
pub mod view;

mod transaction;

pub mod url;

mod alias;
mod claim;
pub mod counters;
mod identity;
mod join;
pub mod lookup;
pub mod model;
pub mod names;
mod whereabouts;

pub mod check;

mod appear;
pub mod arrive;
pub mod declare;
mod derive;
pub mod holes;
mod inventory;
pub mod mark;
pub mod sample;
pub mod vouch;

pub mod graph;
pub mod lease;
pub mod node;
pub mod pick;

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
use crate::serve::Rarely;
use crate::store::Waiting;

use alias::AliasIndex;
use change::Change;
use graph::GraphCache;
use host::HostEntry;
use lease::Leases;
use ledger::{Depths, Lagged, Ledger};
use model::ModelIndex;
use pick::Needs;
use service::ServiceEntry;
use service::live::UNBEGUN_EVERY;
use session::tally::Sessions;
use whereabouts::Whereabouts;

/// Most hosts that a registry takes in.
pub const HOSTS_MAX: usize = 50_000;
/// Most services that a registry takes in.
pub const SERVICES_MAX: usize = 200_000;

/// A map that many read while it changes. Its hasher is seeded anew for each map.
type Map<K, V> = DashMap<K, V, foldhash::fast::RandomState>;

/// The register of the fleet.
#[derive(Debug)]
pub struct Registry {
    hosts: Map<HostId, Arc<HostEntry>>,
    services: Map<ServiceId, Arc<ServiceEntry>>,
    models: ModelIndex,
    aliases: AliasIndex,
    whereabouts: Whereabouts,
    needs: Needs,
    leases: Leases,
    graph: GraphCache,
    ledger: Mutex<Ledger>,
    epoch: Arc<str>,
    seq: watch::Sender<u64>,
    dirty: Notify,
    urgent: Notify,
    waiting: Waiting,
    liveness: Liveness,
    boot_id: Option<String>,
    notice: Option<Arc<str>>,
    checks: Checks,
    recent: Duration,
    origin: Instant,
    believed_ms: AtomicU64,
    sessions: Sessions,
    n_samples: AtomicU64,
    n_gaps: AtomicU64,
    n_unlisted: AtomicU64,
    unbegun: Rarely,
    n_let_go: AtomicU64,
}

impl Registry {
    /// An empty registry with an epoch of its own.
    #[must_use]
    pub fn new(liveness: Liveness) -> Self {
        let ledger = Ledger::new();
        Self {
            hosts: Map::default(),
            services: Map::default(),
            models: ModelIndex::default(),
            aliases: AliasIndex::default(),
            whereabouts: Whereabouts::default(),
            needs: Needs::default(),
            leases: Leases::default(),
            graph: GraphCache::default(),
            epoch: ledger.epoch(),
            ledger: Mutex::new(ledger),
            seq: watch::Sender::new(0),
            dirty: Notify::new(),
            urgent: Notify::new(),
            waiting: Waiting::default(),
            liveness,
            boot_id: None,
            notice: None,
            checks: Checks::default(),
            recent: recent::WINDOW,
            origin: Instant::now(),
            believed_ms: AtomicU64::new(0),
            sessions: Sessions::default(),
            n_samples: AtomicU64::new(0),
            n_gaps: AtomicU64::new(0),
            n_unlisted: AtomicU64::new(0),
            unbegun: Rarely::every(UNBEGUN_EVERY),
            n_let_go: AtomicU64::new(0),
        }
    }

    /// The same, on a machine that runs since this boot. An agent that connects by loopback is on
    /// this machine only if it says the same.
    #[must_use]
    pub fn with_boot_id(self, boot_id: Option<String>) -> Self {
        Self { boot_id, ..self }
    }

    /// The same, which says this of itself in every snapshot.
    #[must_use]
    pub fn with_notice(self, notice: Option<&str>) -> Self {
        Self { notice: notice.map(Arc::from), ..self }
    }

    /// What it says of itself.
    #[must_use]
    pub fn notice(&self) -> Option<Arc<str>> {
        self.notice.clone()
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

    /// This run of the collector and the number of the last change, without the lock: entries
    /// that are read after it hold all changes up to that number, and perhaps more.
    #[must_use]
    pub fn cursor(&self) -> (Arc<str>, u64) {
        (Arc::clone(&self.epoch), *self.seq.borrow())
    }

    /// Sessions since the start.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How much lies in the ledger.
    #[must_use]
    pub fn depths(&self) -> Depths {
        self.ledger().depths()
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

    /// Services that were gone, and let go of early since their host had too many, since the start.
    #[must_use]
    pub fn n_let_go(&self) -> u64 {
        self.n_let_go.load(Ordering::Relaxed)
    }

    /// Milliseconds of the monotonic clock since the registry was made, from 1.
    pub(crate) fn ms_of(&self, now: Instant) -> u64 {
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
