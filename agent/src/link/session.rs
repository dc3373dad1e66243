//! The conversation after the welcome, apart from the socket: it takes frames and the time, and
//! hands out what to send next. It decides when, never how.

use std::time::Duration;

use herdbook_shared::ids::SessionId;
use herdbook_shared::limits;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::hello::{Goodbye, GoodbyeReason, Welcome};
use tokio::time::Instant;

use super::beat::Beat;
use super::outbox::Outbox;
pub use super::outbox::Outgoing;
use super::{End, HostView};
use crate::sampling::Depth;

/// How often the collector is pinged.
pub const PING_EVERY: Duration = Duration::from_secs(15);
/// A collector from which nothing came for so long is dead, whatever TCP thinks.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
/// How often the inventory is sent again, so that a collector that lost everything heals.
pub const INVENTORY_EVERY: Duration = Duration::from_secs(300);

/// How often the inventory is looked at; changes within it are sent as one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every tenth sample is complete.
const COMPLETE_EVERY: u64 = 10;

/// A welcomed connection.
#[derive(Debug)]
pub struct Session {
    session_id: SessionId,
    heard_at: Instant,
    ping: Beat,
    look: Beat,
    sample: Beat,
    n_samples: u64,
    told: Option<u64>,
    tell_again_at: Instant,
    outbox: Outbox,
    random: fastrand::Rng,
}

impl Session {
    /// Begins with an inventory and a complete sample, at once. `wish` is how often this agent
    /// wants to sample; the slower of both wishes holds.
    #[must_use]
    pub fn open(welcome: &Welcome, wish: Duration, random: fastrand::Rng, now: Instant) -> Self {
        Self {
            session_id: welcome.session_id.clone(),
            heard_at: now,
            ping: Beat::new(now + PING_EVERY, PING_EVERY),
            look: Beat::new(now, LOOK_EVERY),
            sample: Beat::new(now, slower(wish, welcome.sample_interval_ms)),
            n_samples: 0,
            told: None,
            tell_again_at: now,
            outbox: Outbox::default(),
            random,
        }
    }

    /// A frame came in, whichever: the collector lives.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// When [`Session::tick`] has something to do.
    #[must_use]
    pub fn due(&self) -> Instant {
        let dead_at = self.heard_at + DEAD_AFTER;
        dead_at.min(self.ping.due()).min(self.look.due()).min(self.sample.due())
    }

    /// Does what is due.
    ///
    /// # Errors
    ///
    /// Where the collector has been silent for too long.
    pub fn tick(&mut self, now: Instant, view: &mut impl HostView) -> Result<(), End> {
        if now >= self.heard_at + DEAD_AFTER {
            return Err(End::Silent);
        }
        if self.ping.take(now) {
            self.outbox.ping();
        }
        if self.look.take(now) {
            self.look_at_inventory(now, view);
        }
        if self.sample.take(now) {
            let depth = self.next_depth();
            self.outbox.sample(view.sample(depth, now));
        }
        Ok(())
    }

    /// Something to say besides what the host has to tell.
    pub fn say(&mut self, message: AgentMessage) {
        self.outbox.say(message);
    }

    /// What to send, asked for whenever the socket can take a frame.
    pub fn next_outgoing(&mut self) -> Option<Outgoing> {
        self.outbox.next()
    }

    /// A sample was handed out and could not be sent: the next one is complete.
    pub fn lost_sample(&mut self) {
        self.outbox.lost_sample();
    }

    /// The last message of a session that ends on purpose.
    #[must_use]
    pub fn goodbye(&self) -> AgentMessage {
        let session_id = self.session_id.clone();
        AgentMessage::Goodbye(Goodbye { reason: GoodbyeReason::Shutdown, session_id })
    }

    /// How many samples were replaced by newer ones before the socket could take them.
    #[must_use]
    pub fn samples_dropped(&self) -> u64 {
        self.outbox.samples_dropped()
    }

    fn look_at_inventory(&mut self, now: Instant, view: &mut impl HostView) {
        let Some(revision) = view.revision(now) else { return };
        let is_due = self.told != Some(revision) || now >= self.tell_again_at;
        if self.outbox.has_inventory() || !is_due {
            return;
        }
        self.outbox.inventory(view.inventory());
        self.told = Some(revision);
        self.tell_again_at = now + INVENTORY_EVERY.mul_f64(0.9 + 0.2 * self.random.f64());
    }

    /// The first is complete, and so is one that takes the place of one that was never sent.
    fn next_depth(&mut self) -> Depth {
        let nth = self.n_samples;
        self.n_samples += 1;
        if self.outbox.lacks_sample() || nth.is_multiple_of(COMPLETE_EVERY) {
            Depth::Complete
        } else {
            Depth::Fast
        }
    }
}

fn slower(wish: Duration, theirs_ms: u64) -> Duration {
    let allowed_ms = limits::SAMPLE_INTERVAL_MS_MIN..=limits::SAMPLE_INTERVAL_MS_MAX;
    let theirs_ms = theirs_ms.clamp(*allowed_ms.start(), *allowed_ms.end());
    wish.max(Duration::from_millis(theirs_ms))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
