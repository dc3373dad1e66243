//! The fake Ollama, which has a package of its own so that the agent's tests can use it too.

pub use fake_ollama::*;
