//! One connection of an agent. It has its own id, and whatever ends it must name that id, so that
//! a late goodbye cannot end its successor.

pub mod tally;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use herdbook_shared::ids::{InstanceId, SessionId};
use herdbook_shared::time::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection of an agent.
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
    /// Where it came in, likewise.
    pub local_address: Option<IpAddr>,
    /// The agent's version.
    pub agent_version: String,
    /// When it was opened, by the wall clock.
    pub opened_at: Timestamp,
    /// When it was opened, by the clock that judges.
    pub opened: Instant,
    /// Cancelled when another connection of the host takes over, or the host is removed.
    pub superseded: CancellationToken,
    /// What moves while it is open.
    pub live: SessionLive,
}

/// What moves while a session is open; written without a lock.
#[derive(Debug)]
pub struct SessionLive {
    n_samples: AtomicU64,
    latency_ms: AtomicU64,
}

const NO_LATENCY: u64 = u64::MAX;

impl Default for SessionLive {
    fn default() -> Self {
        Self { n_samples: AtomicU64::new(0), latency_ms: AtomicU64::new(NO_LATENCY) }
    }
}

impl SessionLive {
    pub(super) fn count_sample(&self) {
        self.n_samples.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a round trip in.
    pub fn write_latency(&self, ms: u64) {
        self.latency_ms.store(ms.min(NO_LATENCY - 1), Ordering::Relaxed);
    }

    /// How many samples came.
    #[must_use]
    pub fn n_samples(&self) -> u64 {
        self.n_samples.load(Ordering::Relaxed)
    }

    /// The last round trip.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u64> {
        let ms = self.latency_ms.load(Ordering::Relaxed);
        (ms != NO_LATENCY).then_some(ms)
    }
}

/// What became of a session.
#[derive(Clone, Debug)]
pub enum SessionChange {
    /// It was opened.
    Opened(Arc<Session>),
    /// It ended, and why.
    Closed(Arc<Session>, CloseReason),
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
    /// The agent's key was revoked.
    Revoked,
    /// The collector shut down.
    CollectorShutdown,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Shutdown,
        Self::Suspend,
        Self::Upgrade,
        Self::Lost,
        Self::Silent,
        Self::Superseded,
        Self::Refused,
        Self::Revoked,
        Self::CollectorShutdown,
    ];

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
            Self::Revoked => "revoked",
            Self::CollectorShutdown => "collector_shutdown",
        }
    }
}
