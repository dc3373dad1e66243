//! Token buckets: what one connection may use over time.

use std::time::Duration;

use tokio::time::Instant;

/// Holds at most `capacity` and refills at `per_second`.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    capacity: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    /// A full one.
    #[must_use]
    pub fn new(capacity: f64, per_second: f64, now: Instant) -> Self {
        Self { capacity, per_second, left: capacity, at: now }
    }

    /// How much of it is missing.
    #[must_use]
    pub fn missing(&self, now: Instant) -> f64 {
        let refill = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.capacity - (self.left + refill).min(self.capacity)
    }

    /// How long it takes until there are `n`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "frames are far below 2^52 bytes")]
    pub fn until(&self, n: usize, now: Instant) -> Duration {
        let lacking = n as f64 - (self.capacity - self.missing(now));
        Duration::try_from_secs_f64(lacking / self.per_second).unwrap_or(Duration::ZERO)
    }

    /// Takes `n`, if there is as much.
    #[expect(clippy::cast_precision_loss, reason = "frames are far below 2^52 bytes")]
    pub fn take(&mut self, n: usize, now: Instant) -> bool {
        let is_enough = self.has(n, now);
        if is_enough {
            self.left -= n as f64;
        }
        is_enough
    }

    /// Whether there is as much, which stays.
    #[expect(clippy::cast_precision_loss, reason = "frames are far below 2^52 bytes")]
    pub fn has(&mut self, n: usize, now: Instant) -> bool {
        self.left = self.capacity - self.missing(now);
        self.at = now;
        self.left >= n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_only_the_refill() {
        let start = Instant::now();
        let mut budget = Budget::new(3.0, 1.0, start);
        assert!((0..3).all(|_| budget.take(1, start)));
        assert!(!budget.take(1, start));
        assert!(budget.take(1, start + Duration::from_secs(1)));
        assert!(!budget.take(4, start + Duration::from_secs(3600)));
        assert!(budget.take(3, start + Duration::from_secs(3600)));
    }
}
