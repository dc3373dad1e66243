//! When to dial again: a pure value, its randomness passed in.
//!
//! The first redial is uniform within the span that the collector told, so that a fleet that lost
//! its collector does not come back in one instant. Further ones follow decorrelated jitter from a
//! quarter of that span: each is uniform between the quarter and three times its predecessor.

use std::time::Duration;

use fastrand::Rng;

/// No redial is later than this, unless a refusal asks for it.
pub const CAP: Duration = Duration::from_secs(20);
/// The span before any collector has told one.
pub const DEFAULT_SPREAD: Duration = Duration::from_millis(500);
/// A refusal cannot ask for more than this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// After a sleep the redial is within this: a laptop that is opened wants to be seen, and of hosts
/// that wake together few are of one fleet.
pub const AFTER_RESUME: Duration = Duration::from_secs(2);

/// A span so short that a fleet would hammer is none that a collector means.
const SPREAD_MIN: Duration = Duration::from_millis(100);

/// When to dial again.
#[derive(Clone, Debug)]
pub struct Backoff {
    spread: Duration,
    previous: Option<Duration>,
    floor: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { spread: DEFAULT_SPREAD, previous: None, floor: Duration::ZERO }
    }
}

impl Backoff {
    /// A collector told its span, which holds from here on. It cannot move a redial over the cap.
    pub fn welcomed(&mut self, spread: Duration) {
        self.spread = spread.clamp(SPREAD_MIN, CAP);
    }

    /// The connection lived: the next redial is a first one again.
    pub fn lived(&mut self) {
        self.previous = None;
    }

    /// A refusal asked to wait; holds for the next redial alone.
    pub fn refused(&mut self, retry_after: Duration) {
        self.floor = retry_after.min(RETRY_AFTER_MAX);
    }

    /// The host slept: what happened before says nothing of now. How long to wait before dialling.
    pub fn resumed(&mut self, random: &mut Rng) -> Duration {
        self.previous = None;
        self.floor = Duration::ZERO;
        uniform(random, Duration::ZERO, AFTER_RESUME)
    }

    /// How long to wait before dialling again.
    pub fn next_delay(&mut self, random: &mut Rng) -> Duration {
        let base = self.spread / 4;
        let drawn = match self.previous {
            None => uniform(random, Duration::ZERO, self.spread),
            Some(previous) => uniform(random, base, (previous * 3).min(CAP)),
        };
        self.previous = Some(drawn.max(base));
        match std::mem::take(&mut self.floor) {
            Duration::ZERO => drawn,
            // Spread anew, or everybody who was refused at once would be back at once.
            floor => drawn.max(floor + uniform(random, Duration::ZERO, self.spread)),
        }
    }
}

fn uniform(random: &mut Rng, from: Duration, to: Duration) -> Duration {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.u64(nanos(from)..=nanos(to.max(from))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof, proptest,
    };

    use super::*;

    /// What can happen to an agent between two redials.
    #[derive(Clone, Debug)]
    enum Event {
        Welcomed(u64),
        Lived,
        Refused(u64),
        Failed,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any::<u64>().prop_map(Event::Welcomed),
            (0_u64..30_000).prop_map(Event::Welcomed),
            Just(Event::Lived),
            any::<u64>().prop_map(Event::Refused),
            (0_u64..60_000).prop_map(Event::Refused),
            Just(Event::Failed),
        ]
    }

    proptest! {
        #[test]
        fn every_redial_is_within_its_bounds(
            seed: u64,
            events in prop::collection::vec(event(), 1..40),
        ) {
            let mut random = Rng::with_seed(seed);
            let mut backoff = Backoff::default();
            let (mut spread, mut first) = (DEFAULT_SPREAD, true);
            for event in events {
                let mut floor = Duration::ZERO;
                match event {
                    Event::Welcomed(ms) => {
                        backoff.welcomed(Duration::from_millis(ms));
                        spread = Duration::from_millis(ms).clamp(SPREAD_MIN, CAP);
                    }
                    Event::Lived => { backoff.lived(); first = true; }
                    Event::Refused(ms) => {
                        backoff.refused(Duration::from_millis(ms));
                        floor = Duration::from_millis(ms).min(RETRY_AFTER_MAX);
                    }
                    Event::Failed => {}
                }
                let delay = backoff.next_delay(&mut random);
                let (least, most) = if first { (Duration::ZERO, spread) } else { (spread / 4, CAP) };
                prop_assert!(delay >= least.max(floor), "{delay:?}");
                let most_floored = if floor.is_zero() { most } else { most.max(floor + spread) };
                prop_assert!(delay <= most_floored, "{delay:?} > {most_floored:?}");
                first = false;
            }
        }

    }

    proptest! {
        // Each case is 40,000 draws.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_fleet_that_lost_its_collector_does_not_come_back_at_once(seed: u64) {
            const AGENTS: usize = 10_000;
            let mut random = Rng::with_seed(seed);
            // What a collector of this fleet tells: 500 ms + 0.6 ms a host.
            let spread = Duration::from_millis(6_500);
            let mut fleet = vec![(Backoff::default(), Duration::ZERO); AGENTS];
            for (backoff, _) in &mut fleet {
                backoff.welcomed(spread);
                backoff.lived();
            }
            for attempt in 1..=4 {
                let mut windows = std::collections::HashMap::<u128, usize>::new();
                for (backoff, at) in &mut fleet {
                    *at += backoff.next_delay(&mut random);
                    *windows.entry(at.as_millis() / 100).or_default() += 1;
                }
                let busiest = windows.values().max().copied().unwrap_or_default();
                prop_assert!(busiest <= AGENTS * 3 / 100, "attempt {attempt}: {busiest}");
            }
        }
    }

    #[test]
    fn delays_grow_to_the_cap_and_start_anew() {
        let mut random = Rng::with_seed(1);
        let mut backoff = Backoff::default();
        let delays: Vec<Duration> = (0..200).map(|_| backoff.next_delay(&mut random)).collect();
        assert!(delays[0] <= DEFAULT_SPREAD);
        assert!(delays.iter().any(|delay| *delay > CAP / 2), "never grew");
        backoff.lived();
        assert!(backoff.next_delay(&mut random) <= DEFAULT_SPREAD);
    }

    #[test]
    fn after_a_sleep_nothing_from_before_is_waited_for() {
        let mut random = Rng::with_seed(1);
        let mut backoff = Backoff::default();
        while backoff.next_delay(&mut random) < CAP / 2 {}
        backoff.refused(Duration::from_secs(600));
        assert!(backoff.resumed(&mut random) <= AFTER_RESUME);
        assert!(backoff.next_delay(&mut random) <= DEFAULT_SPREAD);
    }

    #[test]
    fn a_refusal_holds_once() {
        let mut random = Rng::with_seed(1);
        let mut backoff = Backoff::default();
        backoff.refused(Duration::from_secs(60));
        assert!(backoff.next_delay(&mut random) >= Duration::from_secs(60));
        assert!(backoff.next_delay(&mut random) <= CAP);
    }
}
