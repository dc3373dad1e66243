//! What strangers send, made up by the million: each module is one target, which takes any bytes and
//! must neither panic nor take much time or memory. `make fuzz` runs them all, `corpus/` keeps the
//! inputs that reach the most code.
//!
//! Agents and whoever claims to be one ([`frame`], [`hello`]), model servers (`answers`), the
//! kernel and whoever names processes (`proc`), and people who write configuration ([`config`]).

pub mod config;
pub mod frame;
pub mod hello;

#[cfg(feature = "libfuzzer")]
pub mod answers;
#[cfg(feature = "libfuzzer")]
pub mod proc;

use std::path::Path;
use std::sync::OnceLock;

/// The folder of one target, in memory where the machine has a place for that: every input is
/// written there.
fn folder(of: &OnceLock<tempfile::TempDir>) -> &Path {
    let made = of.get_or_init(|| {
        let memory = tempfile::tempdir_in("/dev/shm");
        memory.or_else(|_| tempfile::tempdir()).expect("a folder for inputs")
    });
    made.path()
}

#[cfg(test)]
mod tests;
