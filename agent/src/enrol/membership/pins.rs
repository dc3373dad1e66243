//! Which keys of the collector to expect, of those that it tells.

use herdbook_shared::fingerprint::Fingerprint;
use tracing::warn;

use super::{Channel, Membership, PINS_MAX, Remembered, Target};

impl Membership {
    /// The collector tells its keys within a session, as in a welcome. `reached` is where and over
    /// what, where that was TLS.
    pub(crate) fn told_pins(&mut self, pins: &[Fingerprint], reached: Option<(&Target, Channel)>) {
        let Some((target, channel)) = reached else {
            warn!("the collector told keys over a connection that shows none; they do not count");
            return;
        };
        let known = self.remembered.as_ref().filter(|known| known.url == target.url);
        // One that is known by the system's roots is not pinned.
        let Some(known) = known.filter(|known| !known.pins.is_empty()) else { return };
        let pins = expected(pins, &channel, &known.pins);
        let remembered = Remembered { pins, ..known.clone() };
        self.remember(remembered);
    }
}

/// The pins to expect from here on. A list without the key that was just seen would lock the agent
/// out, so it is none.
pub(super) fn expected(
    told: &[Fingerprint],
    channel: &Channel,
    before: &[Fingerprint],
) -> Vec<Fingerprint> {
    if told.is_empty() {
        return before.to_vec();
    }
    if told.len() > PINS_MAX || !told.contains(&channel.pin) {
        warn!("the collector told keys without the one that it has; those known before stay");
        return before.to_vec();
    }
    told.to_vec()
}
