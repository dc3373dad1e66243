//! How a connection begins and ends: hello, welcome, refused, goodbye.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::ids::{InstanceId, SessionId};
use crate::time::Timestamp;

use super::enrol::Proof;

/// The protocol versions that a side can speak, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtocolRange {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl ProtocolRange {
    /// The newest version that `self` and `other` both speak.
    #[must_use]
    pub fn best_common(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// Who an agent is. An id is an attribute here, never a credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hello {
    /// The versions that the agent speaks.
    pub protocol: ProtocolRange,
    /// Optional features, by name; unknown ones are ignored.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The host, a UUID made at the agent's first start.
    pub host_id: String,
    /// This run of the agent process.
    pub instance_id: InstanceId,
    /// This boot of the host's kernel.
    #[serde(default)]
    pub boot_id: String,
    /// The agent's version.
    #[serde(default)]
    pub agent_version: String,
    /// The host's name for people.
    pub name: String,
    /// A free word.
    #[serde(default = "default_role")]
    pub role: String,
    /// Free key-value pairs.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How often the agent wishes to send a sample; the slower of both wishes holds.
    #[serde(default = "default_interval_ms")]
    pub sample_interval_ms: u64,
    /// That it is who it says, where the collector asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

fn default_role() -> String {
    "worker".to_owned()
}

fn default_interval_ms() -> u64 {
    crate::limits::SAMPLE_INTERVAL_MS_MIN
}

/// The collector takes the host in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Welcome {
    /// Which collector this is; random, kept with its data.
    pub collector_id: String,
    /// This connection.
    pub session_id: SessionId,
    /// The protocol version that both speak from here on.
    pub protocol: u32,
    /// How often to send a sample.
    pub sample_interval_ms: u64,
    /// The span over which the first redial after a loss is spread, so that a fleet does not
    /// come back in one instant.
    pub reconnect_spread_ms: u64,
    /// The collector's wall clock.
    pub server_time: Timestamp,
    /// The keys by which the collector can be known from here on: the one that it has, and while
    /// it is about to get another, that one. Empty: none is told, and what was known stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Fingerprint>,
    /// Whether the agent is to make itself another key now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rotate_key: bool,
}

/// The collector does not take the host in, or ends the connection, and says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refused {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Why, for a person: what was wrong, what was expected, what to do.
    pub message: String,
    /// How long to wait before the next try.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// Why a collector refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// A frame that is no JSON, or no message.
    BadFrame,
    /// A frame over the limit.
    TooLarge,
    /// Anything but a hello came first, or a second hello came.
    UnexpectedMessage,
    /// No common protocol version.
    ProtocolOutOfRange,
    /// A field of the hello is malformed or over its limit.
    BadHello,
    /// No hello came in time.
    HelloTimeout,
    /// Another connection of the same host took over.
    Superseded,
    /// Too many machines claim this identity.
    DuplicateIdentity,
    /// The collector has no room for another host.
    Full,
    /// The collector is shutting down.
    ShuttingDown,
    /// Too much that could not be used.
    TooManyErrors,
    /// The collector demands credentials, and the agent began without: it has to knock first.
    CredentialsNeeded,
    /// The key is unknown, and a person has to approve it first. Nothing is wrong: ask again.
    Pending,
    /// The key is unknown, and the collector takes nobody in without a token.
    UnknownKey,
    /// The key was revoked.
    Revoked,
    /// The token is unknown, used up, expired, or not for this host.
    TokenRefused,
    /// The signature does not hold.
    BadProof,
    /// The host's id belongs to another key.
    NotYours,
    /// It broke its limits too often, and is kept out for a while.
    Quarantined,
    /// A reason of a later version.
    #[serde(other)]
    Unknown,
}

/// The agent leaves on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Goodbye {
    /// Why.
    pub reason: GoodbyeReason,
    /// The session that ends, so that a late goodbye cannot end its successor.
    pub session_id: SessionId,
}

/// Why an agent leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GoodbyeReason {
    /// The agent or its host stops.
    Shutdown,
    /// The host goes to sleep.
    Suspend,
    /// A new version of the agent takes over at once.
    Upgrade,
    /// A reason of a later version; read as a loss of the connection.
    #[serde(other)]
    Unknown,
}
