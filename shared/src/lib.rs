//! What crosses the wire between an agent and its collector, and nothing else.
//!
//! No I/O, no clock but [`time::Timestamp::now`], no knowledge of either side. Read in this order:
//! limits, then the small words (time, fingerprint, ids, missing), then the wire from [`wire::hello`] on.

pub mod limits;
pub mod time;

pub mod fingerprint;
pub mod ids;
pub mod missing;

pub mod wire;
