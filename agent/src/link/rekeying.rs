//! The change of the agent's key within a session: when to begin, and what the answer means.

use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::enrol::{ChannelSecret, Octets};
use tokio::time::Instant;
use tracing::{error, info};

use super::beat::Beat;
use crate::error_chain::Chain;
use crate::key::KeyRing;

/// How often the key's age is looked at, and what was not answered asked again.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// What this connection has that a signature binds to.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The collector's challenge.
    pub nonce: Octets<32>,
    /// The secret of the TLS connection.
    pub secret: ChannelSecret,
}

/// The change of the key within one session.
#[derive(Debug)]
pub(super) struct Rekeying<'a> {
    /// None without TLS, where no key was shown.
    shown: Option<(&'a mut KeyRing, Opened)>,
    look: Beat,
    wish: Wish,
}

/// Whether the collector asked for another key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wish {
    Asked,
    None,
}

impl<'a> Rekeying<'a> {
    pub(super) fn new(shown: Option<(&'a mut KeyRing, Opened)>, wish: Wish, now: Instant) -> Self {
        Self { shown, look: Beat::new(now, LOOK_EVERY), wish }
    }

    /// What to say, where a change is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<AgentMessage> {
        let (keys, opened) = self.shown.as_mut()?;
        if !self.look.take(now) {
            return None;
        }
        let at = Timestamp::now();
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
        let Some((keys, _)) = &mut self.shown else { return };
        match keys.rekeyed(fingerprint) {
            Ok(true) => {
                self.wish = Wish::None;
                info!("this agent's key is {fingerprint} from here on");
            }
            Ok(false) => {}
            Err(error) => error!("the agent's key cannot be changed: {}", Chain(&error)),
        }
    }
}
