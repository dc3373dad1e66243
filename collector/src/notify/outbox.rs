//! Messages on their way to one URL, and what became of them. Beyond the bound the oldest are
//! dropped, and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::Message;

/// Most messages that wait.
pub(super) const MESSAGES_MAX: usize = 256;

/// A message, and since when it waits.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) message: Arc<Message>,
    pub(super) since: Instant,
}

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<VecDeque<Parcel>>,
    ready: Notify,
}

/// What became of messages to one URL, since the start.
#[derive(Debug, Default)]
pub struct NotifyCounts {
    pub(super) n_sent: AtomicU64,
    pub(super) n_failed: AtomicU64,
    pub(super) n_dropped: AtomicU64,
}

impl NotifyCounts {
    /// Messages that were taken.
    #[must_use]
    pub fn n_sent(&self) -> u64 {
        self.n_sent.load(Ordering::Relaxed)
    }

    /// Messages that were refused, or for too long not taken.
    #[must_use]
    pub fn n_failed(&self) -> u64 {
        self.n_failed.load(Ordering::Relaxed)
    }

    /// Messages that were never tried to the end, as too many waited or the collector stopped.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.n_dropped.load(Ordering::Relaxed)
    }
}

impl Outbox {
    /// Appends messages; those that tell nothing new only where none waits. Returns how many were
    /// dropped for them.
    pub(super) fn push(&self, messages: &[Arc<Message>], now: Instant) -> u64 {
        let mut queue = self.queue();
        let is_idle = queue.is_empty();
        let parcel = |message: &Arc<Message>| Parcel { message: Arc::clone(message), since: now };
        let is_wanted = |message: &&Arc<Message>| is_idle || !message.is_again;
        queue.extend(messages.iter().filter(is_wanted).map(parcel));
        let n_dropped = queue.len().saturating_sub(MESSAGES_MAX);
        queue.drain(..n_dropped);
        self.ready.notify_one();
        n_dropped as u64
    }

    /// The oldest message, once there is one.
    pub(super) async fn next(&self) -> Parcel {
        loop {
            if let Some(parcel) = self.take() {
                return parcel;
            }
            self.ready.notified().await;
        }
    }

    /// The oldest message.
    pub(super) fn take(&self) -> Option<Parcel> {
        self.queue().pop_front()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue().len()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Parcel>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::What;
    use crate::notify::testing::alert;

    #[tokio::test(start_paused = true)]
    async fn beyond_the_bound_the_oldest_are_dropped() {
        let outbox = Outbox::default();
        let message = |n: usize| Arc::new(Message::of(What::Raised, &alert(&n.to_string(), "x")));
        let messages: Vec<_> = (0..MESSAGES_MAX + 3).map(message).collect();
        assert_eq!(outbox.push(&messages[..5], Instant::now()), 0);
        assert_eq!(outbox.push(&messages[5..], Instant::now()), 3);
        assert_eq!(outbox.len(), MESSAGES_MAX);
        assert_eq!(&*outbox.next().await.message.alerts[0].id, "3");
        assert_eq!(outbox.len(), MESSAGES_MAX - 1);
    }

    #[test]
    fn nothing_is_told_again_to_whoever_has_not_heard_it_yet() {
        let outbox = Outbox::default();
        let message = Message::of(What::Raised, &alert("a", "x"));
        let again = Arc::new(Message { is_again: true, ..message.clone() });
        let parts = [Arc::clone(&again), again, Arc::new(message)];
        outbox.push(&parts[..2], Instant::now());
        assert_eq!(outbox.len(), 2);
        outbox.push(&parts, Instant::now());
        assert_eq!(outbox.len(), 3);
    }
}
