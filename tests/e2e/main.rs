//! The end-to-end stories: the real programs as processes, watched from outside.
//!
//! Each story has a fleet of its own, so they run in parallel; most of their time is waiting for
//! deadlines that the design promises. Deadlines here are generous, since test machines are busy:
//! what is asserted is what happens, and in what order, not how fast.

// What several stories share.
#[path = "../../agent/tests/support/door.rs"]
#[expect(dead_code, reason = "the agent's own tests use more of it")]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
mod door;
mod networks;

mod appears;
mod finding;
mod garbage_from_ollama;
mod gpu;
mod once;
mod servers;

mod collector_goes;
mod identity;
mod silence;

mod by_hand;
mod old_clients;
mod one_entry;
mod registers;
mod two_ubuntus;

mod alerts;
mod journal;
mod notify;

mod graph;
mod nodes;
mod picks;
mod refusals;
mod series;

mod catalog;

mod storage;

mod found;
mod namespaces;

mod joining;
mod keys;
mod middle;
mod secrets;

mod contract;
mod events;
mod feed;
mod figures;
mod prometheus;
mod texts;
mod web_edges;

mod demo;
mod hostile_agent;
mod hostile_collector;
mod hostile_credentials;
mod hostile_frames;
mod hostile_herd;
mod hostile_network;
mod hostile_slowloris;
mod start;

mod agent_soak;
mod soak;
