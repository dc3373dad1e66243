//! The fleet's own time, in whole seconds from its begin, which may run faster than everybody else's.

use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

/// See the module's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    began_at: Timestamp,
    speed: u32,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn starting(speed: u32) -> Self {
        Self { began: Instant::now(), began_at: Timestamp::now(), speed: speed.max(1) }
    }

    /// Which second it is.
    pub(super) fn now_s(&self) -> u64 {
        (self.began.elapsed() * self.speed).as_secs()
    }

    /// When that second begins.
    pub(super) fn instant(&self, at_s: u64) -> Instant {
        self.began + Duration::from_secs(at_s) / self.speed
    }

    /// What a wall clock shows in that second.
    pub(super) fn wall(&self, at_s: u64) -> Timestamp {
        let ms = i64::try_from(at_s.saturating_mul(1000) / u64::from(self.speed));
        Timestamp::from_unix_ms(self.began_at.unix_ms().saturating_add(ms.unwrap_or(i64::MAX)))
    }

    /// What a wall clock showed so many seconds before the begin.
    pub(super) fn before(&self, ago_s: u64) -> Timestamp {
        let ms = i64::try_from(ago_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(self.began_at.unix_ms().saturating_sub(ms))
    }

    /// How many times faster it runs.
    pub(super) fn speed(&self) -> u32 {
        self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn twenty_of_its_seconds_fit_into_one() {
        let clock = Clock::starting(20);
        tokio::time::advance(Duration::from_millis(1_549)).await;
        assert_eq!(clock.now_s(), 30);
        assert_eq!(clock.wall(30).ms_since(clock.wall(0)), 1_500);
        assert_eq!(clock.wall(0).ms_since(clock.before(60)), 60_000);
        assert_eq!(clock.instant(20) - clock.instant(0), Duration::from_secs(1));
    }
}
