//! When to ping, and when a peer is dead: a value without a clock of its own.

use std::time::Duration;

use tokio::time::Instant;

/// How often each side pings.
pub const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a peer may be silent.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);

/// The pings of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Pings {
    next: Instant,
    last_heard: Instant,
    sent: Option<Instant>,
    n_sent: u64,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A ping with this payload.
    Ping([u8; 8]),
    /// The end: the peer is dead.
    Dead,
    /// Nothing yet.
    Nothing,
}

impl Pings {
    /// Of a connection that begins now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { next: now + PING_EVERY, last_heard: now, sent: None, n_sent: 0 }
    }

    /// When to ask [`Pings::due`] again.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next.min(self.last_heard + DEAD_AFTER)
    }

    /// Anything came from the peer.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// What is due now.
    pub fn due(&mut self, now: Instant) -> Due {
        if now >= self.last_heard + DEAD_AFTER {
            return Due::Dead;
        }
        if now < self.next {
            return Due::Nothing;
        }
        self.next = now + PING_EVERY;
        self.sent = Some(now);
        self.n_sent += 1;
        Due::Ping(self.n_sent.to_be_bytes())
    }

    /// A pong came. Returns the round trip, if it answers the last ping.
    pub fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        let sent = self.sent.filter(|_| payload == self.n_sent.to_be_bytes())?;
        self.sent = None;
        Some(now.saturating_duration_since(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_sent_and_their_round_trip_is_kept() {
        let start = Instant::now();
        let mut pings = Pings::new(start);
        assert_eq!(pings.due(start), Due::Nothing);
        let later = start + PING_EVERY;
        let Due::Ping(payload) = pings.due(later) else { panic!("no ping") };
        assert_eq!(pings.pong(b"something", later), None);
        let trip = pings.pong(&payload, later + Duration::from_millis(3));
        assert_eq!(trip, Some(Duration::from_millis(3)));
        assert_eq!(pings.pong(&payload, later), None);
    }

    #[test]
    fn a_silent_peer_is_dead() {
        let start = Instant::now();
        let mut pings = Pings::new(start);
        pings.heard(start + Duration::from_secs(5));
        assert_ne!(pings.due(start + Duration::from_secs(34)), Due::Dead);
        assert_eq!(pings.due(start + Duration::from_secs(35)), Due::Dead);
        assert!(pings.deadline() <= start + Duration::from_secs(35));
    }
}
