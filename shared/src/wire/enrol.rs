//! How a collector that demands credentials learns who an agent is, before the agent tells
//! anything else. Only over TLS; on loopback without credentials a conversation begins with its
//! hello.
//!
//! ```text
//! agent                                   collector
//!   ── knock (name, fingerprint) ───────────▶   who is unknown is refused as pending here, and
//!   ◀───────────────── challenge | refused ──   has told no more than that
//!   ── hello (… proof) ─────────────────────▶
//!   ◀─────────────────── welcome | refused ──
//! ```
//!
//! What is signed holds the challenge, which is fresh, and a secret of the very TLS connection, so
//! that neither a recording nor somebody in the middle has any use for it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fingerprint::Fingerprint;

/// The label under which both ends export the secret of their TLS connection (RFC 5705,
/// RFC 8446 §7.5), without a context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-herdbook-agent-v1";

/// Sets what is signed here apart from everything else that a key may sign.
const PROOF_DOMAIN: &[u8] = b"herdbook agent proof v1\0";
const REKEY_DOMAIN: &[u8] = b"herdbook agent rekey v1\0";

/// What is exported from a TLS connection: 32 bytes that only its two ends know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChannelSecret(pub [u8; 32]);

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An agent is at the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Knock {
    /// The host's name for people.
    pub name: String,
    /// Of the key with which it will sign.
    pub fingerprint: Fingerprint,
    /// Whether it has a token with which to join. The token itself comes with the proof.
    #[serde(default)]
    pub has_token: bool,
}

/// What to sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Challenge {
    /// Random, and never used again.
    pub nonce: Octets<32>,
}

/// That the agent has the key, and where it is not yet known, what lets it join.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Proof {
    /// The key, Ed25519 (RFC 8032).
    pub public_key: Octets<32>,
    /// Over [`proven`].
    pub signature: Octets<64>,
    /// The token of a join line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[secret]");
        f.debug_struct("Proof")
            .field("public_key", &self.public_key)
            .field("token", &token)
            .finish_non_exhaustive()
    }
}

/// From here on, the agent has another key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rekey {
    /// The new key.
    pub public_key: Octets<32>,
    /// By the old key, over [`rekeyed`].
    pub signature_by_old: Octets<64>,
    /// By the new key, over the same.
    pub signature_by_new: Octets<64>,
}

/// The new key counts, and the old one no longer does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rekeyed {
    /// Of the key that counts.
    pub fingerprint: Fingerprint,
}

/// The keys by which the collector can be known from here on, told where they change while an agent
/// is connected: as in its welcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pins {
    /// The one that it has first, and while it is about to get another, that one.
    pub pins: Vec<Fingerprint>,
}

/// What an agent signs to prove who it is.
#[must_use]
pub fn proven(
    nonce: &Octets<32>,
    channel: &ChannelSecret,
    public_key: &Octets<32>,
    host_id: &str,
) -> Vec<u8> {
    // All but the last part have a fixed length, so no two readings of it are possible.
    [PROOF_DOMAIN, &nonce.0, &channel.0, &public_key.0, host_id.as_bytes()].concat()
}

/// What an agent signs, with both keys, to change its key.
#[must_use]
pub fn rekeyed(nonce: &Octets<32>, channel: &ChannelSecret, new_key: &Octets<32>) -> Vec<u8> {
    [REKEY_DOMAIN, &nonce.0, &channel.0, &new_key.0].concat()
}

/// A fixed number of bytes, as base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Octets<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Octets<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Octets<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let octets = BASE64_URL_SAFE_NO_PAD.decode(text.as_bytes()).ok();
        let octets = octets.and_then(|octets| octets.try_into().ok());
        let expected = || serde::de::Error::custom(format!("expected {N} bytes as base64url"));
        octets.map(Self).ok_or_else(expected)
    }
}

#[cfg(feature = "schema")]
impl<const N: usize> schemars::JsonSchema for Octets<N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Octets{N}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let n_characters = (N * 8).div_ceil(6);
        schemars::json_schema!({
            "description": format!("{N} bytes as base64url without padding."),
            "type": "string",
            "pattern": format!("^[A-Za-z0-9_-]{{{n_characters}}}$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written() {
        let octets = Octets([7_u8; 32]);
        let text = serde_json::to_string(&octets).unwrap();
        assert_eq!(serde_json::from_str::<Octets<32>>(&text).unwrap(), octets);
        assert!(serde_json::from_str::<Octets<64>>(&text).is_err());
        assert!(serde_json::from_str::<Octets<32>>("\"=\"").is_err());
    }

    #[test]
    fn what_is_signed_differs_with_each_of_its_parts() {
        let (one, two) = (Octets([1; 32]), Octets([2; 32]));
        let (here, there) = (ChannelSecret([3; 32]), ChannelSecret([4; 32]));
        let all = [
            proven(&one, &here, &one, "a"),
            proven(&two, &here, &one, "a"),
            proven(&one, &there, &one, "a"),
            proven(&one, &here, &two, "a"),
            proven(&one, &here, &one, "b"),
            rekeyed(&one, &here, &one),
        ];
        for (n, first) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|second| second != first));
        }
    }

    #[test]
    fn neither_a_token_nor_the_secret_of_a_channel_is_printed() {
        let (public_key, signature) = (Octets([1; 32]), Octets([2; 64]));
        let proof = Proof { public_key, signature, token: Some("canary".to_owned()) };
        assert!(!format!("{proof:?} {:?}", ChannelSecret([99; 32])).contains("canary"));
        assert!(!format!("{:?}", ChannelSecret([99; 32])).contains("99"));
    }
}
