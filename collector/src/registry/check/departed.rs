//! Services that were deregistered because their beats were missing. For a while one of their
//! beats lists them again, as what they were.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use crate::registry::service::ServiceEntry;

/// Most that are remembered; beyond, whoever left first is forgotten.
pub const DEPARTED_MAX: usize = 10_000;

/// One that left.
#[derive(Clone, Debug)]
pub struct Gone {
    /// As it was.
    pub entry: Arc<ServiceEntry>,
    /// When it left, by the wall clock: the memory of it outlives the collector.
    pub at: Timestamp,
    /// The same by the monotonic clock, where it left in this run.
    pub left: Option<Instant>,
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Departed {
    by_id: HashMap<ServiceId, Gone>,
    by_time: BTreeSet<(i64, ServiceId)>,
}

impl Departed {
    /// Remembers one. Returns who is forgotten for it.
    pub fn insert(&mut self, gone: Gone) -> Option<ServiceId> {
        let id = gone.entry.id.clone();
        self.remove(&id);
        self.by_time.insert((gone.at.unix_ms(), id.clone()));
        self.by_id.insert(id, gone);
        if self.by_id.len() <= DEPARTED_MAX {
            return None;
        }
        let (_, oldest) = self.by_time.pop_first()?;
        self.by_id.remove(&oldest);
        Some(oldest)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Gone> {
        self.by_id.get(id)
    }

    /// Forgets one.
    pub fn remove(&mut self, id: &ServiceId) -> Option<Gone> {
        let gone = self.by_id.remove(id)?;
        self.by_time.remove(&(gone.at.unix_ms(), id.clone()));
        Some(gone)
    }

    /// Forgets those of whom this is so.
    pub fn forget(&mut self, is_over: impl Fn(&Gone) -> bool) -> Vec<ServiceId> {
        let over = self.by_id.values().filter(|gone| is_over(gone));
        let forgotten: Vec<ServiceId> = over.map(|gone| gone.entry.id.clone()).collect();
        for id in &forgotten {
            self.remove(id);
        }
        forgotten
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Gone> {
        self.by_id.values()
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::service::record::Records;
    use crate::registry::service::{Check, ServiceFacts};

    fn gone(id: &str, ms: i64) -> Gone {
        let at = Timestamp::from_unix_ms(ms);
        let facts = ServiceFacts::of(Records::default(), Check::Heartbeat, at, None);
        let id = ServiceId::from_text(id);
        Gone { entry: Arc::new(ServiceEntry::unjudged(id, facts)), at, left: None }
    }

    #[test]
    fn whoever_left_first_is_forgotten_first() {
        let mut departed = Departed::default();
        for n in 0..DEPARTED_MAX {
            assert_eq!(departed.insert(gone(&n.to_string(), n as i64)), None);
        }
        assert_eq!(departed.insert(gone("0", 20_000)), None, "it left again");
        assert_eq!(departed.insert(gone("x", 20_001)), Some(ServiceId::from_text("1")));
        assert_eq!((departed.len(), departed.by_time.len()), (DEPARTED_MAX, DEPARTED_MAX));
        let forgotten = departed.forget(|gone| gone.at.unix_ms() <= 20_000);
        assert_eq!(forgotten.len(), DEPARTED_MAX - 1);
        assert!(departed.get("0").is_none() && departed.get("x").is_some());
        assert!(departed.remove(&ServiceId::from_text("x")).is_some());
        assert!(departed.is_empty() && departed.by_time.is_empty());
    }
}
