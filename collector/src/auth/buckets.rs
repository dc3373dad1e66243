//! How often each of many may do something: a token bucket for each, in a bounded map. Whoever was
//! limited least is forgotten first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Budget;
use crate::limits::Rate;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    keys_max: usize,
    all: Mutex<HashMap<K, Budget>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub(super) fn new(rate: Rate, keys_max: usize) -> Self {
        Self { rate, keys_max, all: Mutex::default() }
    }

    /// Takes one, or says how long it takes until there is one.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= self.keys_max && !all.contains_key(&key) {
            forget_fullest(&mut all, now);
        }
        let Rate { burst, per_second } = self.rate;
        let budget = all.entry(key).or_insert_with(|| Budget::new(burst, per_second, now));
        if budget.take(1, now) { Ok(()) } else { Err(budget.until(1, now)) }
    }
}

/// Those that are full have nothing to remember. Where none is, the fullest one goes.
fn forget_fullest<K: Eq + Hash + Clone>(all: &mut HashMap<K, Budget>, now: Instant) {
    let before = all.len();
    all.retain(|_, budget| budget.missing(now) > 0.0);
    if all.len() < before {
        return;
    }
    let missing =
        |(_, a): &(&K, &Budget), (_, b): &(&K, &Budget)| a.missing(now).total_cmp(&b.missing(now));
    if let Some(fullest) = all.iter().min_by(missing).map(|(key, _)| key.clone()) {
        all.remove(&fullest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2.0, per_second: 1.0 };

    #[test]
    fn each_has_its_own_and_is_told_how_long_to_wait() {
        let (buckets, now) = (Buckets::new(RATE, 10), Instant::now());
        for key in ["a", "b"] {
            assert_eq!(buckets.take(key, now), Ok(()));
            assert_eq!(buckets.take(key, now), Ok(()));
            assert_eq!(buckets.take(key, now), Err(Duration::from_secs(1)));
        }
        assert_eq!(buckets.take("a", now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn however_many_there_are_the_limited_stay_limited() {
        let (buckets, now) = (Buckets::new(RATE, 10), Instant::now());
        let limited = usize::MAX;
        while buckets.take(limited, now).is_ok() {}
        for key in 0..1_000 {
            assert_eq!(buckets.take(key, now), Ok(()));
        }
        assert!(buckets.all.lock().unwrap().len() <= 10);
        assert!(buckets.take(limited, now).is_err());
        let later = now + Duration::from_mins(1);
        assert_eq!(buckets.take(5_000, later), Ok(()));
        assert_eq!(buckets.all.lock().unwrap().len(), 1, "the full ones were forgotten");
    }
}
