//! The keys of agents: which host each is of, and how it came to count.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Octets;
use serde::{Deserialize, Serialize};

/// How a key came to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "AgentHow")]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By the token of a join line.
    Token,
    /// A person approved it.
    Approval,
    /// It came from an address that is approved.
    Cidr,
    /// Everybody is let in.
    Open,
}

/// How a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "AgentState")]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Its agent waits for a person.
    Pending,
    /// It counts.
    Approved,
    /// It counts no longer, for ever.
    Revoked,
}

/// A key that counts, or once did, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentKey {
    /// What it is known by.
    pub fingerprint: Fingerprint,
    /// The key; `None` until its agent came with it.
    pub public_key: Option<Octets<32>>,
    /// Whose it is, likewise.
    pub host_id: Option<HostId>,
    /// The host's name, as it was told last.
    pub name: Arc<str>,
    /// Approved or revoked.
    pub state: KeyState,
    /// How it came to count.
    pub how: How,
    /// By which token.
    #[serde(default)]
    pub token: Option<Arc<str>>,
    /// From where it came first.
    pub from_address: IpAddr,
    /// When it came first.
    pub first_seen_at: Timestamp,
    /// Since when it counts.
    pub approved_at: Timestamp,
    /// Who let it in: a person, or the one who made the token.
    pub approved_by: Arc<str>,
    /// Since when it counts no longer.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// Since when the agent has this key, which may have followed another.
    pub key_made_at: Timestamp,
    /// Whether it is asked to make itself another.
    #[serde(default)]
    pub rotate: bool,
}

/// A key as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Agent")]
pub struct AgentView {
    /// What the key is known by, to be compared with what the agent's log says.
    pub fingerprint: Fingerprint,
    /// Whose it is; `null` until the agent has proved the key.
    #[schemars(with = "Option<String>")]
    pub host_id: Option<HostId>,
    /// The host's name, as its agent says.
    pub name: Arc<str>,
    /// How it does.
    pub state: KeyState,
    /// How it came to count; `null` while it does not yet.
    pub how: Option<How>,
    /// From where it came first.
    pub from_address: IpAddr,
    /// When it came first.
    pub first_seen_at: Timestamp,
    /// When its agent was here last; `null` where that is not known.
    pub last_seen_at: Option<Timestamp>,
    /// Since when it counts.
    pub approved_at: Option<Timestamp>,
    /// Who let it in.
    pub approved_by: Option<Arc<str>>,
    /// Since when the agent has this key.
    pub key_made_at: Option<Timestamp>,
    /// Whether its agent is connected.
    pub connected: bool,
}

impl AgentKey {
    /// As it is told.
    pub(super) fn view(&self, last_seen_at: Option<Timestamp>, connected: bool) -> AgentView {
        AgentView {
            fingerprint: self.fingerprint,
            host_id: self.host_id.clone(),
            name: Arc::clone(&self.name),
            state: self.state,
            how: Some(self.how),
            from_address: self.from_address,
            first_seen_at: self.first_seen_at,
            last_seen_at,
            approved_at: Some(self.approved_at),
            approved_by: Some(Arc::clone(&self.approved_by)),
            key_made_at: Some(self.key_made_at),
            connected,
        }
    }
}
