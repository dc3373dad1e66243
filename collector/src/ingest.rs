//! How agents come in: the protocol, apart from the socket, and the loop that joins both with the
//! registry.

pub mod dropped;
pub mod protocol;

pub mod ping;
pub mod socket;

/// What every connection needs.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Which collector this is.
    pub collector_id: std::sync::Arc<str>,
    /// What was dropped, by reason.
    pub dropped: std::sync::Arc<dropped::Dropped>,
}
