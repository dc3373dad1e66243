//! What Prometheus is told: the fleet and the collector itself, in the text format. Nothing is kept
//! for it: each answer is written from the register as it is, a piece at a time.
//!
//! What is counted stands in [`meters`]; which families of series there are, in one table each for
//! [`hosts`], [`gpus`], [`services`], [`models`] and the collector's [`own`]. Not here: the routes
//! (`api::metrics`, `api::stats`, `api::discovery`).

pub mod meters;
mod probe;
mod rate;

pub mod disk;
pub mod figures;
pub mod process;

pub mod family;
pub mod text;

pub mod gpus;
pub mod hosts;
pub mod models;
pub mod own;
pub mod services;

pub mod exposition;
pub mod fleet;

#[cfg(test)]
pub(crate) mod testing;
