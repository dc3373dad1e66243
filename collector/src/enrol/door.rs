//! Agents that wait for a person: who they say they are, within bounds, so that strangers cannot
//! fill the list or the memory. Nothing of it is kept: who still waits knocks again. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use super::key::{AgentView, KeyState};
use crate::budget::Budget;
use crate::serve::Network;

/// Most agents that wait at one time.
pub(super) const WAITING_MAX: usize = 256;
/// Most of them from one network.
pub(super) const WAITING_A_NETWORK: usize = 64;
/// New ones that are told to everybody, at once and each second.
const NEW: (f64, f64) = (WAITING_MAX as f64, 1.0);
/// Who has not knocked for so long is gone, milliseconds.
const GONE_AFTER_MS: i64 = 120_000;

/// An agent that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) name: Arc<str>,
    pub(super) from: IpAddr,
    pub(super) first_seen_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
}

/// All that wait.
#[derive(Debug)]
pub(super) struct Door {
    waiting: HashMap<Fingerprint, Waiting>,
    new: Budget,
}

impl Door {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: HashMap::new(), new: Budget::new(NEW.0, NEW.1, now) }
    }

    /// Notes that it knocked. Whether it is new, which is worth telling.
    pub(super) fn knocked(
        &mut self,
        fingerprint: Fingerprint,
        name: &str,
        from: IpAddr,
        (at, now): (Timestamp, Instant),
    ) -> bool {
        if let Some(waiting) = self.waiting.get_mut(&fingerprint) {
            waiting.last_seen_at = at;
            if *waiting.name != *name {
                waiting.name = name.into();
            }
            return false;
        }
        self.waiting.retain(|_, waiting| at.ms_since(waiting.last_seen_at) < GONE_AFTER_MS);
        let network = Network::of(from);
        let of_network = |waiting: &&Waiting| Network::of(waiting.from) == network;
        let n_of_network = self.waiting.values().filter(of_network).count();
        let has_room = self.waiting.len() < WAITING_MAX && n_of_network < WAITING_A_NETWORK;
        if !has_room || !self.new.take(1, now) {
            return false;
        }
        let name = name.into();
        let waiting = Waiting { name, from, first_seen_at: at, last_seen_at: at };
        self.waiting.insert(fingerprint, waiting);
        true
    }

    pub(super) fn get(&self, fingerprint: &Fingerprint) -> Option<&Waiting> {
        self.waiting.get(fingerprint)
    }

    pub(super) fn remove(&mut self, fingerprint: &Fingerprint) -> Option<Waiting> {
        self.waiting.remove(fingerprint)
    }

    /// Those that still wait.
    pub(super) fn views(&self, at: Timestamp) -> impl Iterator<Item = AgentView> + '_ {
        let still = move |waiting: &Waiting| at.ms_since(waiting.last_seen_at) < GONE_AFTER_MS;
        let waiting = self.waiting.iter().filter(move |(_, waiting)| still(waiting));
        waiting.map(|(fingerprint, waiting)| waiting.view(*fingerprint))
    }
}

impl Waiting {
    /// As it is told.
    pub(super) fn view(&self, fingerprint: Fingerprint) -> AgentView {
        AgentView {
            fingerprint,
            host_id: None,
            name: Arc::clone(&self.name),
            state: KeyState::Pending,
            how: None,
            from_address: self.from,
            first_seen_at: self.first_seen_at,
            last_seen_at: Some(self.last_seen_at),
            approved_at: None,
            approved_by: None,
            key_made_at: None,
            connected: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(n: u32) -> Fingerprint {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        Fingerprint::of_digest(digest)
    }

    fn moment(ms: i64) -> (Timestamp, Instant) {
        (Timestamp::from_unix_ms(ms), Instant::now())
    }

    fn of(n: u32) -> IpAddr {
        IpAddr::from([10, u8::try_from(n / 250).unwrap(), u8::try_from(n % 250).unwrap(), 1])
    }

    #[tokio::test(start_paused = true)]
    async fn who_knocks_again_is_not_new() {
        let mut door = Door::new(Instant::now());
        assert!(door.knocked(fingerprint(1), "a", of(1), moment(0)));
        assert!(!door.knocked(fingerprint(1), "b", of(1), moment(10_000)));
        let views: Vec<_> = door.views(Timestamp::from_unix_ms(10_000)).collect();
        assert_eq!((views.len(), &*views[0].name), (1, "b"));
        assert_eq!(views[0].first_seen_at, Timestamp::from_unix_ms(0));
        assert_eq!(door.views(Timestamp::from_unix_ms(130_001)).count(), 0, "it is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_fill_neither_the_list_nor_what_one_network_has() {
        let mut door = Door::new(Instant::now());
        let one_network = |n: u32| IpAddr::from([192, 0, 2, u8::try_from(n).unwrap()]);
        let taken =
            (0..200).filter(|n| door.knocked(fingerprint(*n), "a", one_network(*n), moment(0)));
        assert_eq!(taken.count(), WAITING_A_NETWORK);
        let taken = (200..900).filter(|n| door.knocked(fingerprint(*n), "a", of(*n), moment(0)));
        assert_eq!(taken.count(), WAITING_MAX - WAITING_A_NETWORK);
        // The silent ones make room, and what is new is still told no faster than each second.
        assert!(!door.knocked(fingerprint(1000), "a", of(1), moment(120_000)));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!(door.knocked(fingerprint(1000), "a", of(1), moment(120_000)));
        assert!(!door.knocked(fingerprint(1001), "a", of(1), moment(120_000)));
    }
}
