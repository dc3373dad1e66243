//! Which of a server's log lines are written: a fault that repeats every five seconds is one line.

use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(600);
const LINES_PER_WINDOW: u32 = 12;

/// Admits a line if it differs from the one before, up to a number of lines in ten minutes.
#[derive(Debug, Default)]
pub(super) struct Journal {
    last: Option<String>,
    since: Option<Instant>,
    n_lines: u32,
}

impl Journal {
    /// Whether this line is to be written.
    pub(super) fn admits(&mut self, line: &str, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), ..Self::default() };
        }
        if self.last.as_deref() == Some(line) || self.n_lines >= LINES_PER_WINDOW {
            return false;
        }
        self.last = Some(line.to_owned());
        self.n_lines += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_is_written_once_in_ten_minutes() {
        let mut journal = Journal::default();
        let now = Instant::now();
        assert!(journal.admits("no answer", now));
        assert!(!journal.admits("no answer", now + Duration::from_secs(5)));
        assert!(journal.admits("answers again", now + Duration::from_secs(10)));
        assert!(journal.admits("no answer", now + WINDOW));
    }

    #[test]
    fn lines_that_alternate_are_bounded() {
        let mut journal = Journal::default();
        let now = Instant::now();
        let n_written = (0..1000).filter(|n| journal.admits(&(n % 2).to_string(), now)).count();
        assert_eq!(n_written, LINES_PER_WINDOW as usize);
    }
}
