//! Whether a service changes how it does all the time: a pure value over its last results.
//!
//! A result is one judgement: one check of a probed service (it answered or not), one state told
//! by an agent, one beat, and each look at an agent's service or at one that stays silent. Of the last
//! 21 results there are 20 pairs of neighbours; the share that differs is reckoned of these 20,
//! also while fewer are known. At 30 % (6 pairs) a service begins to flap, below 15 % (2 pairs) it
//! stops, once all 20 are known.

use crate::registry::service::ServiceStatus;

/// Pairs of neighbours among the last 21 results.
const PAIRS: u32 = 20;
const PAIRS_MASK: u32 = (1 << PAIRS) - 1;
/// So many that differ are 30 %.
const BEGINS_AT: u32 = 6;
/// So many are 15 %.
const ENDS_BELOW: u32 = 3;

/// The last results: for each pair whether it differs, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Results {
    differs: u32,
    n_pairs: u32,
    last: Option<u8>,
}

impl Results {
    /// The same with one more.
    #[must_use]
    pub fn with(self, result: ServiceStatus) -> Self {
        let result = result as u8;
        let Some(last) = self.last else { return Self { last: Some(result), ..self } };
        let newest = u32::from(last != result);
        Self {
            differs: ((self.differs << 1) | newest) & PAIRS_MASK,
            n_pairs: (self.n_pairs + 1).min(PAIRS),
            last: Some(result),
        }
    }

    /// Whether one that did not flap begins to.
    #[must_use]
    pub fn begins(self) -> bool {
        self.differs.count_ones() >= BEGINS_AT
    }

    /// Whether one that flapped stops.
    #[must_use]
    pub fn ends(self) -> bool {
        self.n_pairs == PAIRS && self.differs.count_ones() < ENDS_BELOW
    }

    /// In one word, so that it can be written without a lock.
    #[must_use]
    pub fn packed(self) -> u32 {
        let last = self.last.map_or(0, |last| u32::from(last) + 1);
        self.differs | (self.n_pairs << PAIRS) | (last << 25)
    }

    /// Out of that word.
    #[must_use]
    pub fn of_packed(packed: u32) -> Self {
        let last = (packed >> 25).checked_sub(1).and_then(|last| u8::try_from(last).ok());
        Self { differs: packed & PAIRS_MASK, n_pairs: (packed >> PAIRS) & 0x1f, last }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ServiceStatus::{Degraded, Down, Healthy, Unhealthy};

    fn of(results: &[ServiceStatus]) -> Results {
        results.iter().fold(Results::default(), |all, result| all.with(*result))
    }

    #[test]
    fn begins_at_six_of_twenty_pairs() {
        let six = [Healthy, Down, Healthy, Down, Healthy, Down, Healthy];
        assert!(of(&six).begins());
        assert!(!of(&six[1..]).begins());
    }

    #[test]
    fn ends_below_three_of_twenty_pairs_and_not_before_all_are_known() {
        let mut results = vec![Healthy, Down, Healthy, Down];
        results.extend([Down; 17]);
        assert!(!of(&results).ends(), "3 of 20 differ");
        results.push(Down);
        assert!(of(&results).ends(), "2 of 20 differ");
        assert!(!of(&[Healthy; 20]).ends(), "19 pairs are known");
        assert!(of(&[Healthy; 21]).ends());
    }

    proptest! {
        /// Against a list of all results.
        #[test]
        fn holds_what_a_list_of_the_last_21_holds(
            results in prop::collection::vec(
                prop_oneof![Just(Healthy), Just(Degraded), Just(Unhealthy), Just(Down)], 0..80),
        ) {
            let mut packed = 0;
            for (n, result) in results.iter().enumerate() {
                packed = Results::of_packed(packed).with(*result).packed();
                let known = &results[(n + 1).saturating_sub(21)..=n];
                let n_changes = known.windows(2).filter(|pair| pair[0] != pair[1]).count();
                let share = n_changes as f64 / 20.0;
                let all = Results::of_packed(packed);
                prop_assert_eq!(all.begins(), share >= 0.3);
                prop_assert_eq!(all.ends(), known.len() == 21 && share < 0.15);
            }
        }
    }
}
