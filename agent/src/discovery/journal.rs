//! Which of a server's log lines are written: a fault that repeats every five seconds is one line.

use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(600);
const LINES_PER_WINDOW: usize = 12;

/// Admits each line once in ten minutes, and a number of different ones.
#[derive(Debug, Default)]
pub(super) struct Journal {
    written: Vec<String>,
    since: Option<Instant>,
}

impl Journal {
    /// Whether this line is to be written.
    pub(super) fn admits(&mut self, line: &str, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), written: Vec::new() };
        }
        let is_known = self.written.iter().any(|written| written == line);
        let is_admitted = !is_known && self.written.len() < LINES_PER_WINDOW;
        if is_admitted {
            self.written.push(line.to_owned());
        }
        is_admitted
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
    fn lines_that_alternate_are_written_once_each() {
        let mut journal = Journal::default();
        let now = Instant::now();
        let n_written = (0..1000).filter(|n| journal.admits(&(n % 2).to_string(), now)).count();
        assert_eq!(n_written, 2);
    }

    #[test]
    fn lines_that_are_all_different_are_bounded() {
        let mut journal = Journal::default();
        let now = Instant::now();
        let n_written = (0..1000).filter(|n| journal.admits(&n.to_string(), now)).count();
        assert_eq!(n_written, LINES_PER_WINDOW);
    }
}
