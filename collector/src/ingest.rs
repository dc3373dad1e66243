//! How agents come in: the protocol, apart from the socket, and the loop that joins both with the
//! registry.

pub mod dropped;
mod known;
pub mod protocol;

mod quarantine;

mod complaints;
pub mod door;
pub mod ping;
pub mod socket;

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;

use tokio::sync::watch;

use crate::serve::Rarely;
use crate::tls::Keys;

use dropped::Dropped;
use quarantine::Quarantine;

/// Connections that were never taken in are logged at most this often, all together.
const STRANGERS_LOG_EVERY: Duration = Duration::from_secs(1);

/// What every connection needs.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Which collector this is.
    pub collector_id: Arc<str>,
    /// What was dropped, by reason.
    pub dropped: Arc<Dropped>,
    /// When a connection that was not taken in may be logged.
    strangers: Arc<Rarely>,
    /// Which hosts are kept out.
    quarantine: Arc<Quarantine>,
    /// The collector's own, where it speaks TLS.
    keys: Option<Arc<Keys>>,
}

impl Desk {
    /// One that nobody came to yet.
    #[must_use]
    pub fn new(collector_id: &str) -> Self {
        Self {
            collector_id: collector_id.into(),
            dropped: Arc::default(),
            strangers: Arc::new(Rarely::every(STRANGERS_LOG_EVERY)),
            quarantine: Arc::default(),
            keys: None,
        }
    }

    /// The same, of a collector that is known by these keys.
    #[must_use]
    pub fn with_keys(self, keys: Option<Arc<Keys>>) -> Self {
        Self { keys, ..self }
    }

    /// Wakes when they change.
    #[must_use]
    pub fn pins_changed(&self) -> Option<watch::Receiver<()>> {
        self.keys.as_ref().map(|keys| keys.changes())
    }

    /// By which keys the collector can be known from here on.
    #[must_use]
    pub fn pins(&self) -> Vec<Fingerprint> {
        self.keys.as_ref().map(|keys| keys.pins()).unwrap_or_default()
    }
}
