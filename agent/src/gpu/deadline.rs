//! How long a silent child is waited for. The first silence dims the readings only: the first
//! NVML call on a large machine may take many seconds. Then it is asked to end, then killed; in
//! uninterruptible sleep it obeys neither, and is waited for without an end.

use std::time::Duration;

use tokio::time::Instant;

/// The steps, each counted from the last line heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) silent: Duration,
    pub(super) terminate: Duration,
    pub(super) kill: Duration,
}

impl Patience {
    /// For a child that speaks every `interval`.
    pub(super) fn with(interval: Duration) -> Self {
        let after = |seconds| interval + Duration::from_secs(seconds);
        Self { silent: after(2), terminate: after(30), kill: after(60) }
    }
}

/// What is to be done about a silent child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its readings are too old.
    Dim,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// One child's deadline.
#[derive(Debug)]
pub(super) struct Deadline {
    patience: Patience,
    heard: Instant,
    taken: Option<Step>,
}

impl Deadline {
    /// For a child that starts now, or for the successor of one that was heard last.
    pub(super) fn new(patience: Patience, heard: Instant) -> Self {
        Self { patience, heard, taken: None }
    }

    /// The child spoke.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.taken = None;
    }

    /// When the child last spoke, or was started.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether the child is silent beyond the first step.
    pub(super) fn is_silent(&self) -> bool {
        self.taken.is_some()
    }

    /// When [`Deadline::judge`] has something to say next; `None`: nothing is left to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next_step().map(|(_, after)| self.heard + after)
    }

    /// The step that has come due, each once, in order.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Step> {
        let (step, after) = self.next_step()?;
        if now < self.heard + after {
            return None;
        }
        self.taken = Some(step);
        Some(step)
    }

    fn next_step(&self) -> Option<(Step, Duration)> {
        match self.taken {
            None => Some((Step::Dim, self.patience.silent)),
            Some(Step::Dim) => Some((Step::Terminate, self.patience.terminate)),
            Some(Step::Terminate) => Some((Step::Kill, self.patience.kill)),
            Some(Step::Kill) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_child_is_dimmed_asked_and_killed_in_this_order() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Patience::with(SECOND), start);
        let mut steps = Vec::new();
        for seconds in 0..200 {
            let now = start + SECOND * seconds;
            if let Some(step) = deadline.judge(now) {
                steps.push((seconds, step));
            }
        }
        assert_eq!(steps, [(3, Step::Dim), (31, Step::Terminate), (61, Step::Kill)]);
        assert_eq!(deadline.next(), None);
    }

    #[test]
    fn a_word_starts_the_deadline_anew() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Patience::with(SECOND), start);
        assert_eq!(deadline.judge(start + 3 * SECOND), Some(Step::Dim));
        assert!(deadline.is_silent());
        deadline.hear(start + 4 * SECOND);
        assert!(!deadline.is_silent());
        assert_eq!(deadline.judge(start + 6 * SECOND), None);
        assert_eq!(deadline.judge(start + 7 * SECOND), Some(Step::Dim));
    }

    proptest! {
        /// Whatever the child does: a child that spoke within the silence is never touched, and
        /// none is killed that was not asked first.
        #[test]
        fn never_harsher_than_the_silence(events in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..60)) {
            let patience = Patience::with(SECOND);
            let start = Instant::now();
            let mut now = start;
            let mut heard = start;
            let mut deadline = Deadline::new(patience, start);
            let mut asked = false;
            for (pause_ms, speaks) in events {
                now += Duration::from_millis(pause_ms);
                if speaks {
                    deadline.hear(now);
                    heard = now;
                    asked = false;
                }
                while let Some(step) = deadline.judge(now) {
                    let silence = now - heard;
                    match step {
                        Step::Dim => prop_assert!(silence >= patience.silent),
                        Step::Terminate => {
                            prop_assert!(silence >= patience.terminate);
                            asked = true;
                        }
                        Step::Kill => prop_assert!(silence >= patience.kill && asked),
                    }
                }
                prop_assert!(deadline.next().is_none_or(|next| next > now));
            }
        }
    }
}
