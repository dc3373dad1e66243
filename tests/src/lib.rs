//! Placeholder.

pub mod fake_ollama;
