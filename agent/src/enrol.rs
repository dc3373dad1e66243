//! Which collector is this agent's, how it is known, and how the agent becomes known to it.
//!
//! Read in this order: what a person pastes ([`JoinLine`]), by what a collector is known
//! ([`Trust`]), what is remembered of it ([`Remembered`]), and [`Membership`], which holds all of
//! it while the agent runs. [`join`] is the subcommand.
//!
//! A collector is known by a pin, which is the fingerprint of its public key, or by the system's
//! roots, never by neither. Nothing that a collector says can make the agent dial elsewhere.

use std::fmt;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::wire::enrol::ChannelSecret;

use crate::config::CollectorUrl;

mod join_line;
mod remembered;

mod membership;
mod outcome;

pub mod join;

pub use join_line::{JoinLine, JoinLineError};
pub use membership::{Membership, MembershipError, Next};
pub use remembered::{Origin, Remembered, StateError};

/// A collector has one key, and a second one while it is about to change it; this leaves room.
pub const PINS_MAX: usize = 4;

/// By what a collector is known over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One of these keys. Names and dates in the certificate mean nothing then.
    Pins(Vec<Fingerprint>),
    /// A certificate for its name, by the roots of this system.
    Roots,
}

impl Trust {
    /// By pins where there are any.
    #[must_use]
    pub fn by(pins: Vec<Fingerprint>) -> Self {
        if pins.is_empty() { Self::Roots } else { Self::Pins(pins) }
    }
}

/// Where to dial, and whom to expect there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub url: CollectorUrl,
    /// Whom; means nothing without TLS.
    pub trust: Trust,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// What a TLS connection says of its two ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// The collector's key.
    pub pin: Fingerprint,
    /// What only the two ends know.
    pub secret: ChannelSecret,
}

/// Pins, as a person compares them.
pub(crate) struct Shown<'a>(pub(crate) &'a [Fingerprint]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, pin) in self.0.iter().enumerate() {
            write!(f, "{}{pin}", if n == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}
