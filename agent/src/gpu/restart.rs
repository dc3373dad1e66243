//! How long to wait before another child: 1 s, doubled after each short life, 60 s at most.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The pause before the next child.
#[derive(Debug)]
pub(super) struct Restart {
    next: Duration,
}

impl Restart {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The pause after a child that was `well` for so long.
    pub(super) fn after(&mut self, well: Duration) -> Duration {
        if well >= LONGEST {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (2 * pause).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lives_wait_longer_and_a_long_one_forgives() {
        let mut restart = Restart::new();
        let pauses: Vec<u64> = (0..9).map(|_| restart.after(Duration::ZERO).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(restart.after(Duration::from_secs(61)), FIRST);
        assert_eq!(restart.after(Duration::ZERO), 2 * FIRST);
    }
}
