//! How often callers may do what costs the collector something.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::buckets::Buckets;
use crate::auth::{Access, Caller, Principal, Who};
use crate::budget::Budget;
use crate::limits::{
    CALLERS_MAX, FAILED_SIGN_INS_TOLD, HEARTBEATS, REGISTRATIONS, SIGN_INS_A_PERSON,
    SIGN_INS_AN_ADDRESS,
};
use crate::serve::Network;

type Address = (Network, u8);

/// How long it is known from where somebody signed in.
const KNOWN_FOR: Duration = Duration::from_hours(7 * 24);

/// See the module's words.
#[derive(Debug)]
pub(super) struct Rates {
    addresses: Buckets<Address>,
    names: Buckets<String>,
    registrations: Buckets<String>,
    heartbeats: Buckets<String>,
    known: Mutex<Known>,
    failures: Mutex<Failures>,
}

/// From where people signed in, and when.
#[derive(Debug, Default)]
struct Known(HashMap<(Address, String), Instant>);

impl Known {
    fn knows(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let at = self.0.get(&(one(address), name.to_owned()));
        at.is_some_and(|at| now.duration_since(*at) < KNOWN_FOR)
    }

    fn note(&mut self, address: IpAddr, name: &str, now: Instant) {
        let key = (one(address), name.to_owned());
        if !self.0.contains_key(&key) && self.0.len() >= CALLERS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, now);
    }
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
            known: Mutex::default(),
            failures: Mutex::new(Failures { budget, n_untold: 0 }),
        }
    }
}

impl Rates {
    /// Whether somebody may try to sign in now, from this address and as this person. Strangers
    /// who use up the tries of a name do not keep out whoever signed in by it from there before.
    pub(super) fn try_sign_in(&self, from: Option<IpAddr>, name: &str) -> Result<(), Duration> {
        let now = Instant::now();
        self.take_address(from, now)?;
        if from.is_some_and(|address| self.known().knows(address, name, now)) {
            return Ok(());
        }
        self.names.take(name.to_owned(), now)
    }

    /// Whether somebody may try a code of the first admin now, from this address.
    pub(super) fn try_first_admin(&self, from: Option<IpAddr>) -> Result<(), Duration> {
        self.take_address(from, Instant::now())
    }

    /// Notes that somebody signed in from this address.
    pub(super) fn signed_in(&self, from: Option<IpAddr>, name: &str) {
        if let Some(address) = from {
            self.known().note(address, name, Instant::now());
        }
    }

    fn take_address(&self, from: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        from.map_or(Ok(()), |address| self.addresses.take(one(address), now))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What counts as one address: whoever has an IPv6 address has a whole network of them. Of IPv4
/// each counts for itself: many people share one already, and neighbours must not use up their
/// tries.
fn one(address: IpAddr) -> Address {
    let last = match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    (Network::of(address), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let one = |text: &str| one(text.parse().unwrap());
        assert_eq!(one("2001:db8:1:2345:6::7"), one("2001:db8:1:23ff::1"));
        assert_ne!(one("2001:db8:1:2345:6::7"), one("2001:db8:1:2445:6::7"));
        assert_eq!(one("::ffff:192.0.2.1"), one("192.0.2.1"));
        assert_ne!(one("192.0.2.2"), one("192.0.2.1"));
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
