//! The Herdbook agent: one process on every host that finds the local model servers by itself,
//! samples CPU, memory and GPUs, and streams what it sees to the collector over one outbound
//! WebSocket. It opens no port, runs no program but itself, and takes no command.
//!
//! Read in this order: what it is told ([`config`]), who it is ([`identity`], [`key`]), whom it
//! trusts ([`enrol`]), what it sees
//! ([`sampling`], [`gpu`], [`discovery`]), how it tells ([`link`]), [`run`], which
//! joins them, and [`once`], which does so for one look.

pub mod error_chain;

pub mod config;

mod durable;
pub mod identity;
pub mod key;

pub mod enrol;
pub mod find;

pub mod sampling;

pub mod gpu;

pub mod discovery;

pub mod link;

pub mod once;
pub mod run;
