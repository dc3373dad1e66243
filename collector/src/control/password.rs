//! Reads a password from standard input: of a terminal without showing it.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::secret::Secret;

/// More than any password has.
const BYTES_MAX: u64 = 4 * 1024;

pub(super) fn read() -> io::Result<Secret> {
    let input = io::stdin();
    let hidden = if input.is_terminal() { Some(Hidden::new()?) } else { None };
    let mut line = String::new();
    let read = input.lock().take(BYTES_MAX).read_line(&mut line);
    drop(hidden);
    if read? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        write!(io::stderr(), "password: ")?;
        let before = tcgetattr(io::stdin())?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &without)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
        let _ = writeln!(io::stderr());
    }
}
