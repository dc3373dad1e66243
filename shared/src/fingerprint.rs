//! What a public key is known by: to people, who compare two of them by eye, and to programs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PREFIX: &str = "sha256:";

/// The SHA-256 of a public key, written `sha256:` and 43 characters of base64url (RFC 4648 §5).
///
/// Of an agent's key it is taken over the 32 bytes of the key, of a collector's over the
/// SubjectPublicKeyInfo of its certificate (RFC 5280 §4.1), which outlives the certificate. It is
/// safe to publish: it names a key, and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sha256: and 43 characters of base64url")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// Of this digest, which the caller has computed.
    #[must_use]
    pub fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let digest = text.strip_prefix(PREFIX).ok_or(NotAFingerprint)?;
        let digest = BASE64_URL_SAFE_NO_PAD.decode(digest).map_err(|_| NotAFingerprint)?;
        digest.try_into().map(Self).map_err(|_| NotAFingerprint)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Fingerprint {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fingerprint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The SHA-256 of a public key.",
            "type": "string",
            "pattern": "^sha256:[A-Za-z0-9_-]{43}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let fingerprint = Fingerprint::of_digest([0xfb; 32]);
        let text = fingerprint.to_string();
        assert_eq!(text, format!("sha256:{}", "-_v7".repeat(10) + "-_s"));
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(serde_json::from_str::<Fingerprint>(&format!("{text:?}")).unwrap(), fingerprint);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "sha256:", "sha256:AAAA", "AAAA", "md5:AAAA"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotAFingerprint), "{text}");
        }
        let long = format!("sha256:{}", "A".repeat(44));
        assert_eq!(long.parse::<Fingerprint>(), Err(NotAFingerprint));
    }
}
