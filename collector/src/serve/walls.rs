//! The walls in front of the collector: who gets a connection while nobody vouches for them. Where
//! no credentials are demanded there are none.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Rarely;
use super::network::Network;
use super::pools::{Bounds, Id, Peer, Pools};

/// Refused and dropped connections are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Why a connection did not come to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// There were too many strangers, all of them as new.
    Crowded,
    /// It was the oldest stranger, and had to go in favour of a newcomer.
    Outlasted,
    /// It said nothing.
    Silent,
    /// Its TLS handshake failed, or took too long.
    Handshake,
}

/// How many were turned away, since the start.
#[derive(Debug, Default)]
pub struct Turned([AtomicU64; 4]);

/// See the module's words.
#[derive(Debug)]
pub struct Walls {
    /// Whether somebody must vouch for a peer.
    are_up: bool,
    pools: Mutex<Pools>,
    turned: Arc<Turned>,
    complaints: Rarely,
}

/// Where a connection stands with the collector, an extension of every request: whoever
/// authenticated its peer vouches for it. Without, it may be dropped in favour of a newcomer.
#[derive(Clone, Debug)]
pub struct Standing {
    walls: Arc<Walls>,
    id: Id,
    network: Option<Network>,
}

/// A connection's place, for as long as it is open.
#[derive(Debug)]
pub(super) struct Seat {
    standing: Standing,
    leave: Option<CancellationToken>,
}

impl TurnedAway {
    const ALL: [Self; 4] = [Self::Crowded, Self::Outlasted, Self::Silent, Self::Handshake];

    /// As it is called in `/metrics`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::Outlasted => "outlasted",
            Self::Silent => "silent",
            Self::Handshake => "handshake",
        }
    }
}

impl Turned {
    pub(super) fn count(&self, why: TurnedAway) {
        self.of(why).fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, why: TurnedAway) -> &AtomicU64 {
        &self.0[why as usize]
    }

    /// By the word of their reason.
    #[must_use]
    pub fn each(&self) -> Vec<(&'static str, u64)> {
        let n = |why: TurnedAway| (why.word(), self.of(why).load(Ordering::Relaxed));
        TurnedAway::ALL.into_iter().map(n).collect()
    }
}

impl Walls {
    /// Of a collector that demands no credentials: everybody is welcome.
    #[must_use]
    pub fn down(turned: Arc<Turned>) -> Arc<Self> {
        Self::new(Bounds::default(), turned, false)
    }

    /// Of one that demands them.
    #[must_use]
    pub fn up(turned: Arc<Turned>) -> Arc<Self> {
        Self::new(Bounds::default(), turned, true)
    }

    /// With bounds that a test can reach.
    #[cfg(test)]
    pub(super) fn within(bounds: Bounds) -> Arc<Self> {
        Self::new(bounds, Arc::default(), true)
    }

    fn new(bounds: Bounds, turned: Arc<Turned>, are_up: bool) -> Arc<Self> {
        let pools = Mutex::new(Pools::new(bounds));
        Arc::new(Self { are_up, pools, turned, complaints: Rarely::every(LOG_EVERY) })
    }

    /// Remembers from where a host comes that is enrolled, as of one that was known before the
    /// start: so much room is there for hosts that come back.
    pub fn know(&self, host: Fingerprint, address: IpAddr) {
        self.pools().know(host, bounded(address));
    }

    /// A host is enrolled no more.
    pub fn forget(&self, host: &Fingerprint) {
        self.pools().forget(host);
    }

    /// A place for whoever connects over the network; `None`: the connection must be closed.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        if !self.are_up {
            return Some(self.admit_owner());
        }
        let (address, network) = (peer.to_canonical(), bounded(peer));
        let Some(admitted) = self.pools().admit(Peer { address, network }, Instant::now()) else {
            self.turn_away(TurnedAway::Crowded);
            return None;
        };
        if admitted.has_replaced {
            self.turn_away(TurnedAway::Outlasted);
        }
        let standing = Standing { walls: Arc::clone(self), id: admitted.id, network };
        Some(Seat { standing, leave: Some(admitted.leave) })
    }

    /// A place for whoever needs nobody to vouch.
    pub(super) fn admit_owner(self: &Arc<Self>) -> Seat {
        let id = self.pools().admit_vouched();
        Seat { standing: Standing { walls: Arc::clone(self), id, network: None }, leave: None }
    }

    /// Counts one, and says so where too many come.
    pub(super) fn turn_away(&self, why: TurnedAway) {
        self.turned.count(why);
        let is_full = matches!(why, TurnedAway::Crowded | TurnedAway::Outlasted);
        if is_full && let Some(unlogged) = self.complaints.allow() {
            let why = why.word();
            tracing::warn!(why, unlogged, "too many connections of strangers: some are closed");
        }
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn turned(&self) -> Vec<(&'static str, u64)> {
        self.turned.each()
    }
}

/// On the collector's own machine nobody has a network of their own.
fn bounded(address: IpAddr) -> Option<Network> {
    let is_loopback = address.to_canonical().is_loopback();
    (!is_loopback).then(|| Network::of(address))
}

impl Standing {
    /// Somebody proved who they are over this connection: from now on it is spared.
    pub fn vouch(&self) {
        self.walls.pools().vouch(self.id);
    }

    /// The same of an enrolled host, for which there is room from now on when it comes back.
    pub fn vouch_for_host(&self, host: Fingerprint) {
        let mut pools = self.walls.pools();
        pools.vouch(self.id);
        pools.know(host, self.network);
    }

    /// A host is enrolled no more, or has another key.
    pub fn forget_host(&self, host: &Fingerprint) {
        self.walls.forget(host);
    }

    pub(super) fn turn_away(&self, why: TurnedAway) {
        self.walls.turn_away(why);
    }
}

impl Seat {
    /// What goes with each request.
    pub(super) fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// Is cancelled when the connection must end; nothing where it never must.
    pub(super) fn leave(&self) -> Option<&CancellationToken> {
        self.leave.as_ref()
    }

    pub(super) fn turn_away(&self, why: TurnedAway) {
        self.standing.turn_away(why);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.standing.walls.pools().leave(self.standing.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn tight() -> Bounds {
        Bounds { of_network: 1, strangers: 2, connections: 100, hosts: 10 }
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_credentials_are_demanded_nobody_is_turned_away() {
        let walls = Walls::down(Arc::default());
        let seats: Vec<_> = (0..3_000).map(|_| walls.admit(STRANGER).unwrap()).collect();
        assert!(seats.iter().all(|seat| seat.leave().is_none()));
        assert!(walls.turned().iter().all(|(_, n)| *n == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_turned_away_counted_and_let_in_again_once_there_is_room() {
        let walls = Walls::within(tight());
        let seat = walls.admit(STRANGER).unwrap();
        assert!(walls.admit(STRANGER).is_none());
        drop(seat);
        let first = walls.admit(STRANGER).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let _second = walls.admit(STRANGER).unwrap();
        assert!(first.leave().unwrap().is_cancelled());
        assert_eq!(walls.turned()[..2], [("crowded", 1), ("outlasted", 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_proved_itself_has_room_for_the_next_time() {
        let walls = Walls::within(tight());
        let host = Fingerprint::of_digest([1; 32]);
        let seat = walls.admit(STRANGER).unwrap();
        seat.standing().vouch_for_host(host);
        seat.standing().vouch_for_host(host);
        let again: Vec<_> = (0..3).filter_map(|_| walls.admit(STRANGER)).collect();
        assert_eq!(again.len(), 2, "one stranger, and the host once more");
        walls.forget(&host);
        walls.know(host, LOCAL);
        assert!(walls.admit(STRANGER).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn those_on_this_machine_have_only_the_bound_over_all_and_its_owner_none() {
        let walls = Walls::within(tight());
        let local: Vec<_> = (0..3).filter_map(|_| walls.admit(LOCAL)).collect();
        assert_eq!(local.len(), 2);
        assert!(walls.admit_owner().leave().is_none());
    }
}
