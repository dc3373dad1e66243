//! The whole system under test: the vocabulary of the end-to-end stories ([`harness`]), the
//! simulated agents that load a collector and stand in for hosts ([`swarm`]), the fleet of the
//! demo ([`demo`]), what an agent costs its host ([`footprint`]), what the registry costs in process
//! ([`registry`]) and over HTTP ([`asked`]), what the collector does for many at once
//! ([`serving`]), how fast agents enrol and come back ([`enrolment`]), a server that answers like
//! Ollama ([`fake_ollama`]), and parties that mean harm ([`hostile`]).
//!
//! Nothing here is part of a product: it starts the real programs as processes and watches them
//! from outside, through the interfaces that users have.

pub mod harness;

pub mod swarm;

pub mod demo;

pub mod footprint;

pub mod registry;

pub mod asked;
pub mod enrolment;
pub mod serving;

pub mod fake_ollama;

pub mod hostile;
