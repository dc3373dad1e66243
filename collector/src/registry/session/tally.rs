//! How many sessions were opened and ended since the start, and why they ended.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{CloseReason, SessionChange};

/// See the module's words.
#[derive(Debug, Default)]
pub struct Sessions {
    opened: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl Sessions {
    /// One more.
    pub(in crate::registry) fn count(&self, change: &SessionChange) {
        let counter = match change {
            SessionChange::Opened(_) => Some(&self.opened),
            SessionChange::Closed(_, reason) => self.closed.get(*reason as usize),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were opened.
    #[must_use]
    pub fn n_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// How many ended, by reason, each reason there is.
    #[must_use]
    pub fn closed(&self) -> Vec<(&'static str, u64)> {
        let counts = CloseReason::ALL.iter().zip(&self.closed);
        counts.map(|(reason, n)| (reason.word(), n.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        for (place, reason) in CloseReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place, "{}", reason.word());
        }
    }
}
