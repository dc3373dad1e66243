//! What a person should see: which alerts there are, and which of them nobody wants to hear now.
//!
//! The [`Watchman`] follows the registry as any subscriber does, with a cursor and no hold on it,
//! looks at samples once a second, and raises and resolves alerts through the registry, which numbers
//! them for everybody. What he raised is [`Kept`], over restarts too. Not here: who is notified, and
//! the logs of alerts.
//!
//! Read in this order: the rules, what hosts, services and samples tell of them, the book of what is
//! open and on its way, and the engine that joins them.

mod rule;

mod host;
mod sample;
mod service;
mod told;

mod book;
mod mass;
mod masses;

mod kept;
mod voice;

mod engine;
mod watchman;

mod group;
mod silence;

pub use group::group_key;
pub use kept::{Kept, Place};
pub use rule::{Rule, Threshold};
pub use silence::{Matcher, MatcherSubject, Silence, SilenceError, Silences};
pub use watchman::Watchman;
