//! What the collector answers.

pub mod guard;
pub mod health;
pub mod problem;
