//! A terminal that does not show what is typed, for as long as this lives.

use std::io::Stdin;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

pub(super) struct Silenced {
    terminal: OwnedFd,
    before: Termios,
}

impl Silenced {
    /// None where the terminal refuses: it shows what is typed then, as it would anyway.
    pub(super) fn new(stdin: &Stdin) -> Option<Self> {
        let terminal = stdin.as_fd().try_clone_to_owned().ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Silenced {
    fn drop(&mut self) {
        // There is nobody to tell where this fails.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
