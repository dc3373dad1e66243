//! When a target that failed is tried again: a pure value. Each pause is twice the one before, up
//! to a minute, and shortened by chance, so that several collectors do not come together.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest, which is also how soon a target that is back hears of it.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest that a target may ask for.
const ASKED_MAX: Duration = Duration::from_mins(5);

/// See the module's words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    n_failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure. `asked`: what the target asked for; `chance`: from
    /// 0 to 1.
    pub(super) fn failed(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.n_failures.min(16));
        self.n_failures = self.n_failures.saturating_add(1);
        let shortened = doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        asked.map_or(shortened, |asked| shortened.max(asked.min(ASKED_MAX)))
    }

    /// It answered.
    pub(super) fn succeeded(&mut self) {
        self.n_failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..9).map(|_| backoff.failed(None, 1.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn what_a_target_asks_for_is_the_least_within_reason() {
        let mut backoff = Backoff::default();
        let asked = |s| Some(Duration::from_secs(s));
        assert_eq!(backoff.failed(asked(30), 1.0), Duration::from_secs(30));
        assert_eq!(backoff.failed(asked(0), 1.0), Duration::from_secs(2));
        assert_eq!(backoff.failed(asked(86_400), 1.0), ASKED_MAX);
    }

    proptest! {
        #[test]
        fn no_pause_is_nothing_or_endless(
            n in 0u32..100, chance in -1.0f64..2.0, asked in proptest::option::of(0u64..1_000_000)
        ) {
            let mut backoff = Backoff { n_failures: n };
            let pause = backoff.failed(asked.map(Duration::from_secs), chance);
            prop_assert!(pause >= FIRST / 2 && pause <= ASKED_MAX);
        }
    }
}
