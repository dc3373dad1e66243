//! How many tokens that are not good may come from one address, of IPv6 from one /56. Whoever guesses 256 bits needs no
//! limit to fail; this is for the log, and for whoever else is behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;

use tokio::time::{Duration, Instant};

use super::door::network_of;
use crate::budget::Budget;

/// Bad tokens of one address, at once and each second.
const TRIES: (f64, f64) = (10.0, 1.0);
/// After so long a network has all its tries again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// Networks that are remembered; beyond, the next one is as if it had tried enough.
const NETWORKS_MAX: usize = 4096;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Tries {
    networks: HashMap<IpAddr, (Budget, Instant)>,
}

/// Neighbours on one IPv4 network are not held up by one another.
fn origin(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(_) => network_of(from),
    }
}

impl Tries {
    /// Whether another may be tried from there.
    pub(super) fn may(&mut self, from: IpAddr, now: Instant) -> bool {
        match self.networks.get_mut(&origin(from)) {
            Some((budget, _)) => budget.has(1, now),
            None => self.has_room(now),
        }
    }

    /// Notes one that was not good.
    pub(super) fn failed(&mut self, from: IpAddr, now: Instant) {
        if !self.has_room(now) {
            return;
        }
        let full = || (Budget::new(TRIES.0, TRIES.1, now), now);
        let (budget, at) = self.networks.entry(origin(from)).or_insert_with(full);
        budget.take(1, now);
        *at = now;
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.networks.len() >= NETWORKS_MAX {
            self.networks.retain(|_, (_, at)| now < *at + FORGOTTEN_AFTER);
        }
        self.networks.len() < NETWORKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_tries_at_once_and_one_a_second_for_each_address() {
        let mut tries = Tries::default();
        let (here, beside) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..10 {
            assert!(tries.may(here, Instant::now()));
            tries.failed(here, Instant::now());
        }
        assert!(!tries.may(here, Instant::now()));
        assert!(tries.may(beside, Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(tries.may(here, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn many_networks_take_no_more_memory_and_are_forgotten() {
        let mut tries = Tries::default();
        let network = |n: u32| IpAddr::from((0x0a00_0000 + (n << 8)).to_be_bytes());
        for n in 0..10_000 {
            tries.failed(network(n), Instant::now());
        }
        assert_eq!(tries.networks.len(), NETWORKS_MAX);
        assert!(!tries.may(network(9_999), Instant::now()));
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert!(tries.may(network(9_999), Instant::now()));
    }
}
