//! Lets a repeated log line through once in a while, and counts the ones between.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One line at once, then at most one each interval.
#[derive(Debug)]
pub struct Rarely {
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl Rarely {
    /// At most one line each `every`.
    #[must_use]
    pub const fn every(every: Duration) -> Self {
        Self { every, state: Mutex::new(State { last: None, held_back: 0 }) }
    }

    /// Whether to log now: then how many were held back since the last one.
    #[must_use]
    pub fn allow(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < self.every) {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lets_one_through_and_counts_the_rest() {
        let rarely = Rarely::every(Duration::from_secs(10));
        assert_eq!(rarely.allow(), Some(0));
        assert_eq!(rarely.allow(), None);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(rarely.allow(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(rarely.allow(), Some(2));
        assert_eq!(rarely.allow(), None);
    }
}
