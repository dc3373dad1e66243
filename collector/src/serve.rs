//! The sockets: binds them, accepts connections within bounds and deadlines, speaks TLS, hands requests to the guarded
//! application, and ends within a deadline. What is answered is decided in `api`.

mod accept;
mod bind;
mod connection;
mod control;
mod load;
mod network;
mod opening;
mod pools;
mod rarely;
mod socket;
mod sources;
mod walls;

use std::net::SocketAddr;

use herdbook_shared::wire::enrol::ChannelSecret;

pub use accept::serve;
pub use bind::{BindError, Listeners};
pub use control::{CONTROL_FILE, CONTROL_HOST, ControlSocket, connect_control};
pub use rarely::Rarely;
pub use walls::{Standing, Turned, TurnedAway, Walls};

/// Where a request's connection comes from, an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Which of our addresses a request's connection came to, an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddr(pub SocketAddr);

/// What carries a request, an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// TCP that anybody on the way can read.
    Plain,
    /// TLS. The secret is known to its two ends alone.
    Tls(ChannelSecret),
    /// The socket in the data directory, which only the collector's own user can open.
    Control,
}
