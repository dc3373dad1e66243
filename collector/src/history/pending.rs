//! Entries on their way to the disk. They wait while it is full; beyond the bound the oldest are
//! dropped, and counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::Entry;

/// Most entries that wait, some 6 MB: what 10,000 hosts do when they all come back at once.
pub(super) const PENDING_MAX: usize = 20_000;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// The number of the first entry: how many went before it.
    first: u64,
    n_dropped: u64,
}

/// How much of the history waits to be written, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Backlog(pub(super) Arc<Pending>);

impl Backlog {
    /// Entries that wait.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.0.len()
    }

    /// Entries that were dropped since the start.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.0.n_dropped()
    }
}

/// The oldest entries, and the number of the one after them.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) end: u64,
}

impl Pending {
    pub(super) fn push(&self, entries: Vec<Entry>) {
        let mut queue = self.queue();
        queue.entries.extend(entries);
        while queue.entries.len() > PENDING_MAX {
            queue.pop();
            if queue.n_dropped == 0 {
                tracing::error!(at_most = PENDING_MAX, "the oldest of the history is dropped");
            }
            queue.n_dropped += 1;
        }
    }

    /// The oldest entries, which stay until they are forgotten.
    pub(super) fn first(&self, max: usize) -> Batch {
        let queue = self.queue();
        let entries: Vec<Entry> = queue.entries.iter().take(max).cloned().collect();
        let end = queue.first + u64::try_from(entries.len()).unwrap_or(u64::MAX);
        Batch { entries, end }
    }

    /// Lets go of all entries before this one, of which some may have been dropped already.
    pub(super) fn forget_until(&self, end: u64) {
        let mut queue = self.queue();
        while queue.first < end && !queue.entries.is_empty() {
            queue.pop();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue().entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were dropped since the start.
    pub(super) fn n_dropped(&self) -> u64 {
        self.queue().n_dropped
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn pop(&mut self) {
        self.entries.pop_front();
        self.first += 1;
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::time::Timestamp;

    use super::*;

    fn entries(range: std::ops::Range<usize>) -> Vec<Entry> {
        range.map(|n| Entry::Alive(Timestamp::from_unix_ms(i64::try_from(n).unwrap()))).collect()
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_dropped_and_counted() {
        let pending = Pending::default();
        pending.push(entries(0..PENDING_MAX));
        let batch = pending.first(10);
        pending.push(entries(PENDING_MAX..PENDING_MAX + 4));
        assert_eq!((pending.len(), pending.n_dropped()), (PENDING_MAX, 4));
        // Four of the batch are gone already: what came after it stays.
        pending.forget_until(batch.end);
        assert_eq!(pending.len(), PENDING_MAX - 6);
        assert_eq!(pending.first(1).entries, entries(10..11));
    }

    #[test]
    fn a_batch_waits_until_it_is_forgotten() {
        let pending = Pending::default();
        pending.push(entries(0..3));
        assert_eq!(pending.first(2).entries, entries(0..2));
        let batch = pending.first(2);
        pending.forget_until(batch.end);
        pending.forget_until(batch.end);
        assert_eq!(pending.first(2).entries, entries(2..3));
    }
}
