//! One connection of an agent. It has its own id, and whatever ends it must name that id, so that
//! a late goodbye cannot end its successor.

use std::net::IpAddr;

use herdbook_shared::ids::{InstanceId, SessionId};
use herdbook_shared::time::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An open connection of an agent.
#[derive(Debug)]
pub struct Session {
    /// Which connection.
    pub id: SessionId,
    /// Which run of the agent.
    pub instance_id: InstanceId,
    /// Which boot of the host.
    pub boot_id: String,
    /// From where, as the socket says.
    pub remote_address: IpAddr,
    /// When it was opened, by the wall clock.
    pub opened_at: Timestamp,
    /// When it was opened, by the clock that judges.
    pub opened: Instant,
    /// Cancelled when another connection of the host takes over, or the host is removed.
    pub superseded: CancellationToken,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The agent or its host stopped.
    Shutdown,
    /// The host went to sleep.
    Suspend,
    /// A new version of the agent takes over.
    Upgrade,
    /// The connection broke, or was closed without a goodbye.
    Lost,
    /// Nothing was heard for too long.
    Silent,
    /// Another connection of the same host took over.
    Superseded,
    /// The agent said what this collector refuses.
    Refused,
    /// The collector shut down.
    CollectorShutdown,
}

impl CloseReason {
    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Suspend => "suspend",
            Self::Upgrade => "upgrade",
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::CollectorShutdown => "collector_shutdown",
        }
    }
}
