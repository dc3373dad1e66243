//! One instant on both clocks. Time comes into the registry as a value.

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

/// One instant: by the monotonic clock, which judges, and by the wall clock, which people read.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic.
    pub now: Instant,
    /// Wall clock.
    pub at: Timestamp,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self { now: Instant::now(), at: Timestamp::now() }
    }
}
