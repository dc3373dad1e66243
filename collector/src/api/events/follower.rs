//! The one mechanism: a place in the registry's ring that moves on over what happened, and hands
//! out what is wanted of it. It holds nothing but its place.

use std::sync::Arc;

use tokio::sync::watch;

use crate::registry::Registry;
use crate::registry::change::Change;

use super::cursor::Cursor;
use super::filter::Filter;

/// Why a reader cannot go on from its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The collector was started anew since.
    #[error("the cursor is of another run of the collector")]
    OtherRun,
    /// The ring does not reach back to it.
    #[error("what came after the cursor is not kept any more")]
    TooOld,
    /// Nothing of that number has happened.
    #[error("the cursor is ahead of everything that happened")]
    Ahead,
}

/// See the module's words.
#[derive(Debug)]
pub struct Follower {
    registry: Arc<Registry>,
    woken: watch::Receiver<u64>,
    epoch: Arc<str>,
    /// The last change that was looked at.
    seq: u64,
    filter: Filter,
}

impl Follower {
    /// Follows what happens from now on.
    #[must_use]
    pub fn from_now(registry: Arc<Registry>, filter: Filter) -> Self {
        let woken = registry.watch();
        let (epoch, seq) = registry.cursor();
        Self { registry, woken, epoch, seq, filter }
    }

    /// Goes on from a cursor. Where that cannot be, it follows what happens from now on, and says
    /// why.
    #[must_use]
    pub fn after(registry: Arc<Registry>, cursor: &Cursor, filter: Filter) -> (Self, Option<Lost>) {
        let mut follower = Self::from_now(registry, filter);
        let why = follower.why_not(cursor);
        if why.is_none() {
            follower.seq = cursor.seq();
        }
        (follower, why)
    }

    fn why_not(&self, cursor: &Cursor) -> Option<Lost> {
        if cursor.epoch() != self.epoch {
            return Some(Lost::OtherRun);
        }
        // Whoever has it was told so by the ledger, whose number may be newer than ours.
        let reach = self.registry.changes_since(cursor.seq(), 0);
        let last = self.registry.cursor().1;
        reach.err().map(|_| if cursor.seq() > last { Lost::Ahead } else { Lost::TooOld })
    }

    /// Where it stands: all changes up to there were looked at.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::new(Arc::clone(&self.epoch), self.seq)
    }

    /// Looks at up to `max` more changes. Returns those that are wanted, in order.
    ///
    /// # Errors
    ///
    /// Where the ring has moved on beyond its place.
    pub fn look(&mut self, max: usize) -> Result<Vec<Arc<Change>>, Lost> {
        let changes = self.registry.changes_since(self.seq, max);
        let mut changes = changes.map_err(|_| Lost::TooOld)?;
        if let Some(last) = changes.last() {
            self.seq = last.seq;
        }
        changes.retain(|change| self.filter.lets_through(change));
        Ok(changes)
    }

    /// Leaves out what it has not looked at.
    pub fn skip_to_now(&mut self) {
        self.seq = self.registry.cursor().1;
    }

    /// Whether there is more to look at.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.seq < *self.woken.borrow()
    }

    /// Waits until there is more to look at. May be dropped at any time.
    pub async fn changed(&mut self) {
        let seq = self.seq;
        // The registry outlives whoever waits here, and with it what wakes.
        drop(self.woken.wait_for(|last| *last > seq).await);
    }
}
