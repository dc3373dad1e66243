//! That the host slept, kept until a session has surely told it: a session that ends at once may
//! have told nobody.

use herdbook_shared::wire::sample::Gap;
use tokio::sync::watch;

/// A session that has sampled so often has told what it had to tell first.
const TOLD_AFTER: u64 = 10;

/// The last gap, until it is told.
#[derive(Debug)]
pub(super) struct GapToTell {
    seen: watch::Receiver<Option<Gap>>,
    untold: Option<(Gap, Told)>,
    n_samples: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Never,
    Perhaps,
}

impl GapToTell {
    pub(super) fn new(seen: watch::Receiver<Option<Gap>>) -> Self {
        Self { seen, untold: None, n_samples: 0 }
    }

    /// A session begins.
    pub(super) fn connected(&mut self) {
        self.n_samples = 0;
    }

    /// What the next sample has to say.
    pub(super) fn next(&mut self) -> Option<Gap> {
        if self.seen.has_changed().unwrap_or(false) {
            self.untold = (*self.seen.borrow_and_update()).map(|gap| (gap, Told::Never));
        }
        self.n_samples += 1;
        let (gap, told) = self.untold?;
        if told == Told::Perhaps && self.n_samples > TOLD_AFTER {
            self.untold = None;
        }
        if told == Told::Perhaps && self.n_samples > 1 {
            return None;
        }
        self.untold = Some((gap, Told::Perhaps));
        Some(gap)
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::time::Timestamp;

    use super::*;

    fn gap(ms: i64) -> Gap {
        Gap { from: Timestamp::from_unix_ms(ms), to: Timestamp::from_unix_ms(ms + 5000) }
    }

    fn told(gaps: &mut GapToTell, n: usize) -> Vec<Option<Gap>> {
        (0..n).map(|_| gaps.next()).collect()
    }

    #[test]
    fn a_gap_is_in_the_first_sample_alone() {
        let (slept, seen) = watch::channel(None);
        let mut gaps = GapToTell::new(seen);
        gaps.connected();
        assert_eq!(told(&mut gaps, 3), [None, None, None]);
        slept.send_replace(Some(gap(1)));
        gaps.connected();
        assert_eq!(told(&mut gaps, 3), [Some(gap(1)), None, None]);
    }

    #[test]
    fn a_session_that_ends_at_once_leaves_it_to_the_next_and_one_that_lives_does_not() {
        let (slept, seen) = watch::channel(None);
        let mut gaps = GapToTell::new(seen);
        slept.send_replace(Some(gap(1)));
        for _ in 0..3 {
            gaps.connected();
            assert_eq!(told(&mut gaps, 2), [Some(gap(1)), None]);
        }
        told(&mut gaps, 9);
        gaps.connected();
        assert_eq!(told(&mut gaps, 2), [None, None]);
        slept.send_replace(Some(gap(2)));
        assert_eq!(told(&mut gaps, 2), [Some(gap(2)), None]);
    }
}
