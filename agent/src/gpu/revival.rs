//! When to start the child anew for a GPU that stays lost. NVML shows a GPU that came back, after
//! a reset or a replugging, only to a process that initialises it anew; so a child that has missed
//! one for a minute is ended in order and another started. Each try costs the other GPUs nothing
//! that lasts: the last readings stand until the new child speaks or its deadline is over. Yet
//! drivers have hung in repeated initialisations, so every try waits twice as long as the last.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);
/// All GPUs were there for so long: the next loss is another one.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// Whether every GPU that was ever seen is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Muster {
    Complete,
    SomeLost,
}

/// The wait for lost GPUs.
#[derive(Debug)]
pub(super) struct Revival {
    first: Duration,
    pause: Duration,
    due: Option<Instant>,
    complete_since: Option<Instant>,
}

impl Revival {
    pub(super) fn new() -> Self {
        Self::after(FIRST)
    }

    /// One whose first try comes so long after the loss.
    pub(super) fn after(first: Duration) -> Self {
        Self { first, pause: first, due: None, complete_since: None }
    }

    /// Notes what the last readings showed.
    pub(super) fn note(&mut self, muster: Muster, now: Instant) {
        match muster {
            Muster::Complete => {
                self.due = None;
                let since = *self.complete_since.get_or_insert(now);
                if now - since >= FORGIVEN_AFTER {
                    self.pause = self.first;
                }
            }
            Muster::SomeLost => {
                self.complete_since = None;
                self.due.get_or_insert(now + self.pause);
            }
        }
    }

    /// When to start the child anew.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Not now: a child starts, and what it shows decides; or another one would see less.
    pub(super) fn call_off(&mut self) {
        self.due = None;
    }

    /// The child is being ended for the sake of a lost GPU.
    pub(super) fn tried(&mut self) {
        self.due = None;
        self.pause = (2 * self.pause).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_gpu_that_stays_lost_is_tried_ever_less_often() {
        let start = Instant::now();
        let mut revival = Revival::new();
        let mut tries = Vec::new();
        for seconds in 0..10_000 {
            let now = start + SECOND * seconds;
            revival.note(Muster::SomeLost, now);
            if revival.due().is_some_and(|due| due <= now) {
                revival.tried();
                tries.push(seconds);
            }
        }
        assert_eq!(tries, [60, 181, 422, 903, 1864, 3785, 7386]);
    }

    #[test]
    fn a_gpu_that_returns_calls_it_off_and_long_health_forgives() {
        let start = Instant::now();
        let mut revival = Revival::new();
        revival.note(Muster::SomeLost, start);
        revival.note(Muster::Complete, start + SECOND);
        assert_eq!(revival.due(), None);
        revival.tried();
        revival.note(Muster::SomeLost, start + 2 * SECOND);
        assert_eq!(revival.due(), Some(start + 2 * SECOND + 2 * FIRST));
        revival.note(Muster::Complete, start + 3 * SECOND);
        revival.note(Muster::Complete, start + 3 * SECOND + FORGIVEN_AFTER);
        revival.note(Muster::SomeLost, start + 1000 * SECOND);
        assert_eq!(revival.due(), Some(start + 1000 * SECOND + FIRST));
    }

    proptest! {
        /// However GPUs come and go, children are never started anew more than once a minute.
        #[test]
        fn never_more_than_once_a_minute(losses in prop::collection::vec((1_u64..400, any::<bool>()), 1..100)) {
            let mut now = Instant::now();
            let mut last: Option<Instant> = None;
            let mut revival = Revival::new();
            for (seconds, is_lost) in losses {
                revival.note(if is_lost { Muster::SomeLost } else { Muster::Complete }, now);
                now += SECOND * u32::try_from(seconds).unwrap();
                if revival.due().is_some_and(|due| due <= now) {
                    prop_assert!(last.is_none_or(|last| now - last >= FIRST));
                    last = Some(now);
                    revival.tried();
                }
            }
        }
    }
}
