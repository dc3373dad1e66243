//! How often callers may do what costs the collector something.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::buckets::Buckets;
use crate::auth::{Access, Caller, Principal, Who};
use crate::budget::Budget;
use crate::limits::{
    CALLERS_MAX, FAILED_SIGN_INS_TOLD, HEARTBEATS, REGISTRATIONS, SIGN_INS_A_PERSON,
    SIGN_INS_AN_ADDRESS,
};

/// See the module's words.
#[derive(Debug)]
pub(super) struct Rates {
    addresses: Buckets<IpAddr>,
    names: Buckets<String>,
    registrations: Buckets<String>,
    heartbeats: Buckets<String>,
    failures: Mutex<Failures>,
}

/// Sign-ins that failed, and how many of them nobody was told of.
#[derive(Debug)]
struct Failures {
    budget: Budget,
    n_untold: u64,
}

impl Default for Rates {
    fn default() -> Self {
        let told = FAILED_SIGN_INS_TOLD;
        let budget = Budget::new(told.burst, told.per_second, Instant::now());
        Self {
            addresses: Buckets::new(SIGN_INS_AN_ADDRESS, CALLERS_MAX),
            names: Buckets::new(SIGN_INS_A_PERSON, CALLERS_MAX),
            registrations: Buckets::new(REGISTRATIONS, CALLERS_MAX),
            heartbeats: Buckets::new(HEARTBEATS, CALLERS_MAX),
            failures: Mutex::new(Failures { budget, n_untold: 0 }),
        }
    }
}

impl Rates {
    /// Whether somebody may try to sign in now, from this address and as this person.
    pub(super) fn try_sign_in(&self, from: Option<IpAddr>, name: &str) -> Result<(), Duration> {
        let now = Instant::now();
        if let Some(address) = from {
            self.addresses.take(network(address), now)?;
        }
        self.names.take(name.to_owned(), now)
    }

    /// Whether a failure is told: then how many were not since the last one that was.
    pub(super) fn tell_failure(&self) -> Option<u64> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.budget.take(1, Instant::now()) {
            return Some(std::mem::take(&mut failures.n_untold));
        }
        failures.n_untold += 1;
        None
    }
}

impl Access {
    /// Whether a caller may register a service now. Whoever needs no credentials is not limited.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn may_register(&self, caller: &Caller) -> Result<(), Duration> {
        let key = limited(caller);
        key.map_or(Ok(()), |key| self.rates.registrations.take(key, Instant::now()))
    }

    /// Whether a caller may beat for a service now.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn may_beat(&self, caller: &Caller) -> Result<(), Duration> {
        let key = limited(caller);
        key.map_or(Ok(()), |key| self.rates.heartbeats.take(key, Instant::now()))
    }
}

fn limited(caller: &Caller) -> Option<String> {
    match &caller.principal {
        Principal::Known { who: Who::Loopback | Who::Control, .. } => None,
        principal => Some(principal.to_string()),
    }
}

/// What counts as one address: whoever has an IPv6 address has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2345:6::7"), "2001:db8:1:2300::");
        assert_eq!(network("2001:db8:1:23ff::1"), "2001:db8:1:2300::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[tokio::test(start_paused = true)]
    async fn five_tries_a_minute_from_an_address_and_twenty_an_hour_as_a_person() {
        let rates = Rates::default();
        let from = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        for n in 0..5 {
            assert_eq!(rates.try_sign_in(from(1), &n.to_string()), Ok(()));
        }
        assert!(rates.try_sign_in(from(1), "another").is_err());
        for n in 10..30 {
            assert_eq!(rates.try_sign_in(from(n), "anna"), Ok(()));
        }
        let wait = rates.try_sign_in(from(99), "anna").unwrap_err();
        assert_eq!(wait.as_secs(), 180);
        tokio::time::advance(Duration::from_secs(181)).await;
        assert_eq!(rates.try_sign_in(from(99), "anna"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_beyond_ten_a_minute_are_counted() {
        let rates = Rates::default();
        assert!((0..10).all(|_| rates.tell_failure() == Some(0)));
        assert!((0..7).all(|_| rates.tell_failure().is_none()));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(rates.tell_failure(), Some(7));
    }
}
