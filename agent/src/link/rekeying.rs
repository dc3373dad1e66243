//! The change of keys within a session. Of the agent's: when to begin, and what the answer means. Of
//! the collector's: which it tells.

use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::enrol::{ChannelSecret, Octets};
use tokio::time::Instant;
use tracing::{error, info};

use super::beat::Beat;
use crate::enrol::{Channel, Membership, Target};
use crate::error_chain::Chain;

/// How often the key's age is looked at, and what was not answered asked again.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The collector's keys are not listened to more often: each time may be a write.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What this connection has that a signature binds to.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The collector's challenge.
    pub nonce: Octets<32>,
    /// The secret of the TLS connection.
    pub secret: ChannelSecret,
}

/// The change of keys within one session.
#[derive(Debug)]
pub(super) struct Rekeying<'a> {
    membership: &'a mut Membership,
    /// Where the collector is and what shows its key; none without TLS.
    reached: Option<(&'a Target, Channel)>,
    /// None without TLS, where no key of the agent was shown.
    opened: Option<Opened>,
    look: Beat,
    wish: Wish,
    told_at: Option<Instant>,
}

/// Whether the collector asked for another key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wish {
    Asked,
    None,
}

impl<'a> Rekeying<'a> {
    pub(super) fn new(
        membership: &'a mut Membership,
        reached: Option<(&'a Target, Channel)>,
        opened: Option<Opened>,
        wish: Wish,
        now: Instant,
    ) -> Self {
        let look = Beat::new(now, LOOK_EVERY);
        Self { membership, reached, opened, look, wish, told_at: None }
    }

    /// What to say, where a change is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<AgentMessage> {
        let opened = self.opened?;
        if !self.look.take(now) {
            return None;
        }
        let at = Timestamp::now();
        let keys = self.membership.keys()?;
        if self.wish == Wish::None && !keys.is_due(at) {
            return None;
        }
        match keys.rekey(&opened.nonce, &opened.secret, at) {
            Ok(rekey) => Some(AgentMessage::Rekey(rekey)),
            Err(error) => {
                error!("the agent's key cannot be changed: {}", Chain(&error));
                None
            }
        }
    }

    /// The collector says that this key counts.
    pub(super) fn heard(&mut self, fingerprint: Fingerprint) {
        let Some(keys) = self.opened.and_then(|_| self.membership.keys()) else { return };
        match keys.rekeyed(fingerprint) {
            Ok(true) => {
                self.wish = Wish::None;
                info!("this agent's key is {fingerprint} from here on");
            }
            Ok(false) => {}
            Err(error) => error!("the agent's key cannot be changed: {}", Chain(&error)),
        }
    }

    /// The collector tells its own keys. Whether that was listened to.
    pub(super) fn told(&mut self, pins: &[Fingerprint], now: Instant) -> bool {
        if self.told_at.is_some_and(|at| now < at + TOLD_EVERY) {
            return false;
        }
        self.told_at = Some(now);
        self.membership.told_pins(pins, self.reached);
        true
    }
}
