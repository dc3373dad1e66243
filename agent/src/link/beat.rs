//! Something due every so often: missed turns are skipped, never made up for. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Something due every so often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    due: Instant,
    every: Duration,
}

impl Beat {
    pub(super) fn new(first: Instant, every: Duration) -> Self {
        Self { due: first, every }
    }

    /// When it is due next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is due; if so, it is taken, and the next turn is after `now`.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        let (late_ns, every_ns) = ((now - self.due).as_nanos(), self.every.as_nanos().max(1));
        let past_ns = u64::try_from(late_ns % every_ns).unwrap_or_default();
        self.due = now - Duration::from_nanos(past_ns) + self.every;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn missed_turns_are_skipped_and_the_pace_is_kept() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut beat = Beat::new(start, Duration::from_secs(1));
        assert!(beat.take(at(0)));
        assert!(!beat.take(at(999)));
        assert!(beat.take(at(1_001)));
        assert_eq!(beat.due(), at(2_000));
        assert!(beat.take(at(90_400)));
        assert_eq!(beat.due(), at(91_000));
        assert!(!beat.take(at(90_999)));
    }
}
