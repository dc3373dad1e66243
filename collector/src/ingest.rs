//! How agents come in: the protocol, apart from the socket, and the loop that joins both with the
//! registry.

pub mod dropped;
mod known;
pub mod protocol;

pub mod ping;
pub mod socket;

use std::sync::Arc;
use std::time::Duration;

use crate::serve::Rarely;

use dropped::Dropped;

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
}

impl Desk {
    /// One that nobody came to yet.
    #[must_use]
    pub fn new(collector_id: &str) -> Self {
        Self {
            collector_id: collector_id.into(),
            dropped: Arc::default(),
            strangers: Arc::new(Rarely::every(STRANGERS_LOG_EVERY)),
        }
    }
}
