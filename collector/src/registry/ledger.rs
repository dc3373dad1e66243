//! What the one lock guards: the number of the last change, the ring of the newest ones, which
//! entities the store has not seen yet, and who was superseded by whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use herdbook_shared::ids::{HostId, InstanceId};
use herdbook_shared::time::Timestamp;
use uuid::Uuid;

use super::alert::Alert;
use super::change::{Change, ChangeKind, Subject};
use super::check::departed::Departed;
use super::unkept::Unkept;

/// The ring keeps at least this many changes, while they fit [`RING_BYTES_MAX`].
pub const RING_CHANGES_MIN: usize = 10_000;
/// The ring takes no more memory than about this.
pub const RING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many superseded instances of one host are remembered.
const SUPERSEDED_MAX: usize = 8;

/// The ring no longer holds everything after the cursor, or never did: take a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring does not reach back to the cursor")]
pub struct Lagged;

/// How much lies in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Changes in the ring.
    pub ring_changes: usize,
    /// What they take in memory, about.
    pub ring_bytes: usize,
    /// Entities that the store has not seen.
    pub dirty: usize,
}

/// See the module's words.
#[derive(Debug)]
pub struct Ledger {
    epoch: Arc<str>,
    seq: u64,
    ring: VecDeque<Arc<Change>>,
    ring_bytes: usize,
    /// Entities that the store has not seen.
    pub dirty: Unkept,
    /// Hosts that were replaced since the sweep asked.
    pub touched: BTreeSet<HostId>,
    /// Services that left and may come back.
    pub departed: Departed,
    /// Alerts that are not resolved, by id.
    pub alerts: BTreeMap<Arc<str>, Arc<Alert>>,
    superseded: HashMap<HostId, VecDeque<InstanceId>>,
}

impl Ledger {
    /// An empty one, with an epoch of its own.
    #[must_use]
    pub fn new() -> Self {
        let epoch = Uuid::new_v4().simple().to_string();
        Self {
            epoch: epoch[..16].into(),
            seq: 0,
            ring: VecDeque::new(),
            ring_bytes: 0,
            dirty: Unkept::default(),
            touched: BTreeSet::new(),
            departed: Departed::default(),
            alerts: BTreeMap::new(),
            superseded: HashMap::new(),
        }
    }

    /// This run of the collector.
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    /// The number of the last change.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How much lies here.
    #[must_use]
    pub fn depths(&self) -> Depths {
        let (ring_changes, ring_bytes) = (self.ring.len(), self.ring_bytes);
        Depths { ring_changes, ring_bytes, dirty: self.dirty.len() }
    }

    /// Numbers a change and takes it into the ring, which forgets its oldest ones at its bounds.
    pub fn push(
        &mut self,
        at: Timestamp,
        kind: ChangeKind,
        subject: Subject,
        cause: Option<String>,
        n_hosts: usize,
    ) {
        self.seq += 1;
        let change = Change::new((self.epoch(), self.seq), at, kind, subject, cause);
        self.ring_bytes += change.approximate_bytes();
        self.ring.push_back(Arc::new(change));
        let changes_max = RING_CHANGES_MIN.max(2 * n_hosts);
        while self.ring.len() > changes_max || self.ring_bytes > RING_BYTES_MAX {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.approximate_bytes();
        }
    }

    /// Up to `max` changes after `seq`, in order.
    ///
    /// # Errors
    ///
    /// Where the ring does not hold them all, or `seq` is still to come.
    pub fn since(&self, seq: u64, max: usize) -> Result<Vec<Arc<Change>>, Lagged> {
        let n_behind = self.seq.checked_sub(seq).ok_or(Lagged)?;
        let n_behind = usize::try_from(n_behind).map_err(|_| Lagged)?;
        let skip = self.ring.len().checked_sub(n_behind).ok_or(Lagged)?;
        Ok(self.ring.iter().skip(skip).take(max).cloned().collect())
    }

    /// Remembers that `instance` lost its host to another one.
    pub fn supersede(&mut self, host: &HostId, instance: InstanceId) {
        let instances = self.superseded.entry(host.clone()).or_default();
        instances.retain(|other| *other != instance);
        instances.push_back(instance);
        if instances.len() > SUPERSEDED_MAX {
            instances.pop_front();
        }
    }

    /// Forgets that `instance` was superseded, since it has its host again.
    pub fn reinstate(&mut self, host: &HostId, instance: InstanceId) {
        if let Some(instances) = self.superseded.get_mut(host) {
            instances.retain(|other| *other != instance);
            if instances.is_empty() {
                self.superseded.remove(host);
            }
        }
    }

    /// Whether `instance` lost this host to another one.
    #[must_use]
    pub fn was_superseded(&self, host: &HostId, instance: InstanceId) -> bool {
        self.superseded.get(host).is_some_and(|instances| instances.contains(&instance))
    }

    /// Forgets all about a host that is gone.
    pub fn forget_host(&mut self, host: &HostId) {
        self.superseded.remove(host);
        self.touched.remove(host);
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ledger: &mut Ledger, n: usize) {
        for _ in 0..n {
            let subject = Subject::Fleet(serde_json::Value::Null);
            ledger.push(Timestamp::from_unix_ms(0), ChangeKind::FleetMassOffline, subject, None, 0);
        }
    }

    #[test]
    fn a_cursor_gets_every_change_once_and_in_order() {
        let mut ledger = Ledger::new();
        push(&mut ledger, 10);
        let seqs = |since, max| -> Vec<u64> {
            let changes = ledger.since(since, max).unwrap();
            changes.iter().map(|change| change.seq).collect()
        };
        assert_eq!(seqs(0, 3), [1, 2, 3]);
        assert_eq!(seqs(7, 100), [8, 9, 10]);
        assert_eq!(seqs(10, 100), [0; 0]);
    }

    #[test]
    fn beyond_the_ring_or_ahead_of_it_is_lagged() {
        let mut ledger = Ledger::new();
        push(&mut ledger, RING_CHANGES_MIN + 5);
        assert_eq!(ledger.since(4, 1).unwrap_err(), Lagged);
        assert_eq!(ledger.since(5, 1).unwrap()[0].seq, 6);
        assert_eq!(ledger.since(RING_CHANGES_MIN as u64 + 6, 1).unwrap_err(), Lagged);
        assert!(ledger.ring_bytes <= RING_BYTES_MAX);
    }

    #[test]
    fn only_the_newest_superseded_instances_are_remembered() {
        let mut ledger = Ledger::new();
        let host = HostId::random();
        let instances: Vec<_> = (0..=SUPERSEDED_MAX).map(|_| InstanceId::random()).collect();
        instances.iter().for_each(|instance| ledger.supersede(&host, *instance));
        assert!(!ledger.was_superseded(&host, instances[0]));
        assert!(ledger.was_superseded(&host, instances[1]));
        ledger.reinstate(&host, instances[1]);
        assert!(!ledger.was_superseded(&host, instances[1]));
    }
}
