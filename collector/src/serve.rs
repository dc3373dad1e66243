//! The sockets: binds them, accepts connections within a bound, hands requests to the guarded
//! application, and ends within a deadline. What is answered is decided in `api`.

mod accept;
mod bind;
mod connection;
mod load;
mod rarely;

use std::net::SocketAddr;

pub use accept::serve;
pub use bind::{BindError, Listeners};
pub use rarely::Rarely;

/// Where a request's connection comes from, an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Which of our addresses a request's connection came to, an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddr(pub SocketAddr);
