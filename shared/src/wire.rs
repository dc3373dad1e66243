//! The conversation of an agent with its collector, JSON text frames over one WebSocket.
//!
//! ```text
//! agent                                   collector
//!   ── GET /api/v1/agent, upgraded ─────────▶
//!   ── hello ───────────────────────────────▶
//!   ◀─────────────────── welcome | refused ──
//!   ── inventory (1 … n parts) ─────────────▶   on connect, on change, every 5 min
//!   ── sample, sample, sample … ────────────▶   each is also the heartbeat
//!   ── goodbye ─────────────────────────────▶   on shutdown, suspend, upgrade
//! ```
//!
//! Where credentials are demanded, a knock and a challenge come first: see [`enrol`].
//!
//! Both sides ping every 15 s and take the other for dead after 30 s of silence. Readers ignore
//! fields and message types that they do not know, and every field that came after version 1 has a
//! default, so that old and new meet. There is no message by which a collector could name a path,
//! a URL or a program to an agent.

pub mod detail;
pub mod enrol;
pub mod hello;
pub mod inventory;
pub mod sample;

pub mod check;
pub mod codec;

pub mod fixtures;

use serde::{Deserialize, Serialize};

use enrol::{Challenge, Knock, Pins, Rekey, Rekeyed};
use hello::{Goodbye, Hello, Refused, Welcome};
use inventory::Inventory;
use sample::Sample;

/// The protocol version that this build speaks.
pub const PROTOCOL: u32 = 1;

/// The WebSocket subprotocol of [`PROTOCOL`].
pub const SUBPROTOCOL: &str = "herdbook.v1";

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AgentMessage {
    /// It is at the door of a collector that demands credentials.
    Knock(Knock),
    /// Who it is; the first message of a connection without credentials.
    Hello(Box<Hello>),
    /// What the host has and rarely changes.
    Inventory(Box<Inventory>),
    /// What moves, and the heartbeat.
    Sample(Box<Sample>),
    /// From here on it has another key.
    Rekey(Rekey),
    /// Why the connection is about to end.
    Goodbye(Goodbye),
}

/// What a collector says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CollectorMessage {
    /// What to sign.
    Challenge(Challenge),
    /// The hello was good; samples may flow.
    Welcome(Welcome),
    /// It was not, or the connection has to end; a close follows.
    Refused(Refused),
    /// The new key counts.
    Rekeyed(Rekeyed),
    /// By which keys it can be known from here on.
    Pins(Pins),
    /// A message of a later version, ignored.
    #[serde(other)]
    Unknown,
}
