//! How late the sweep comes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Lateness {
    last_us: AtomicU64,
    n_pauses: AtomicU64,
}

impl Lateness {
    /// How late the last tick came.
    #[must_use]
    pub fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.load(Ordering::Relaxed))
    }

    /// How often since the start one came so late that every deadline started anew.
    #[must_use]
    pub fn n_pauses(&self) -> u64 {
        self.n_pauses.load(Ordering::Relaxed)
    }

    pub(super) fn write(&self, late: Duration, n_pauses: u64) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(us, Ordering::Relaxed);
        self.n_pauses.store(n_pauses, Ordering::Relaxed);
    }
}
