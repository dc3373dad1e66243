//! Simulated agents: whole hosts that exist only on the wire, made from a seed, so that the same
//! fleet comes back in every run.
//!
//! Stories use one at a time where a real agent cannot be made to do what a host may do (to
//! reboot, say); the load generator runs thousands in one process.

mod depth;
pub mod host;

pub mod agent;
pub mod enrolled;
pub mod session;

pub mod limit;
pub mod load;
pub mod usage;

pub use agent::SimulatedAgent;
pub use enrolled::Member;
pub use host::SimulatedHost;
