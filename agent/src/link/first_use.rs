//! Tells a person, before anything else is told to a collector that nobody chose, that it is trusted
//! for being the first.

use herdbook_shared::fingerprint::Fingerprint;
use tracing::info;

use super::greeting::Credentials;

/// Of which key a person was told.
#[derive(Debug, Default)]
pub(super) struct FirstUse {
    told: Option<Fingerprint>,
}

impl FirstUse {
    /// The collector made the agent wait, whose log has shown both keys.
    pub(super) fn waited(&mut self, pin: Option<Fingerprint>) {
        self.told = pin;
    }

    /// The collector asks for a proof. Whether that is told: once, until another key asks.
    pub(super) fn challenged(&mut self, credentials: &Credentials<'_>) -> bool {
        let (pin, own) = (credentials.channel.pin, credentials.key.fingerprint());
        if self.told.replace(pin) == Some(pin) {
            return false;
        }
        info!(
            "trusted on first use: the collector's key is {pin}, this agent's is {own}; to choose \
             the collector yourself, use a join line or discovery = \"off\""
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::time::Timestamp;
    use herdbook_shared::wire::enrol::{ChannelSecret, Octets};

    use super::*;
    use crate::enrol::Channel;
    use crate::key::Key;

    #[test]
    fn is_told_once_for_each_key_and_not_after_a_wait() {
        let key = Key::from_seed(&Octets([7; 32]), Timestamp::default()).unwrap();
        let mut first_use = FirstUse::default();
        let mut challenged = |n: u8, has_waited: bool| {
            let pin = Fingerprint::of_digest([n; 32]);
            if has_waited {
                first_use.waited(Some(pin));
            }
            let channel = Channel { pin, secret: ChannelSecret([0; 32]) };
            first_use.challenged(&Credentials { key: &key, channel, token: None })
        };
        assert!(challenged(1, false) && !challenged(1, false));
        assert!(challenged(2, false) && challenged(1, false));
        assert!(!challenged(3, true));
    }
}
