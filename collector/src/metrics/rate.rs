//! How fast a counter grows, over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Over how long.
const WINDOW: Duration = Duration::from_secs(10);

/// Readings of a counter.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Takes a reading in, and tells how fast the counter grew since the oldest that it knows.
    #[expect(clippy::cast_precision_loss, reason = "some thousands a second")]
    pub(super) fn read(&mut self, now: Instant, count: u64) -> f64 {
        self.0.push_back((now, count));
        // One that is older than the window stays: what lies between shall be all of the window.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
        let Some((since, before)) = self.0.front() else { return 0.0 };
        let seconds = now.duration_since(*since).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_the_last_ten_seconds() {
        let mut rate = Rate::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        assert!((rate.read(at(0), 100) - 0.0).abs() < 1e-9);
        assert!((rate.read(at(1), 140) - 40.0).abs() < 1e-9);
        for second in 2..=20 {
            rate.read(at(second), 140 + 5 * (second - 1));
        }
        assert!((rate.read(at(21), 240) - 5.0).abs() < 1e-9);
        assert!(rate.0.len() <= 12, "{rate:?}");
        assert!((rate.read(at(60), 240) - 0.0).abs() < 1e-9);
    }
}
