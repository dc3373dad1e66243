//! Signatures of agents: Ed25519 (RFC 8032), by the library that speaks TLS.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::wire::enrol::{ChannelSecret, Octets, Proof, Rekey, proven, rekeyed};

use crate::auth::digest;

/// What one connection asked an agent to sign, and what only its two ends know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Random, and never used again.
    pub nonce: Octets<32>,
    /// Of the TLS connection.
    pub channel: ChannelSecret,
}

impl Asked {
    /// With a fresh challenge.
    ///
    /// # Errors
    ///
    /// Where the system has no random bytes.
    pub fn over(channel: ChannelSecret) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce)?;
        Ok(Self { nonce: Octets(nonce), channel })
    }

    /// Whether this agent has the key.
    pub(super) fn holds(&self, proof: &Proof, host_id: &str) -> bool {
        let message = proven(&self.nonce, &self.channel, &proof.public_key, host_id);
        verifies(&proof.public_key, &message, &proof.signature)
    }

    /// Whether who has the old key also has the new one.
    pub(super) fn holds_both(&self, old: &Octets<32>, rekey: &Rekey) -> bool {
        let message = rekeyed(&self.nonce, &self.channel, &rekey.public_key);
        verifies(old, &message, &rekey.signature_by_old)
            && verifies(&rekey.public_key, &message, &rekey.signature_by_new)
    }
}

/// What a key is known by.
pub(super) fn fingerprint_of(public_key: &Octets<32>) -> Fingerprint {
    Fingerprint::of_digest(digest(public_key.0))
}

fn verifies(key: &Octets<32>, message: &[u8], signature: &Octets<64>) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(message, &signature.0).is_ok()
}
