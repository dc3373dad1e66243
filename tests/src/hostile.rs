//! Parties that mean harm, as programs: what the stories of `tests/e2e/hostile_*.rs` set upon a real
//! collector or a real agent. Beside them what they are measured against: a [`House`], which is a
//! collector that demands credentials, and [`Member`]s, the enrolled hosts that must notice nothing.

pub mod house;
pub mod member;

pub mod offender;
pub mod too_much;

pub mod collector;
pub mod manner;

pub mod dribble;
pub mod namespace;
pub mod network;

pub use house::House;
pub use member::{Member, Tally};
