//! Lets an idle GPU fall asleep. Each reading starts the kernel's clock for runtime power
//! management anew, so a GPU that is asked every second never sleeps. One that the kernel may
//! suspend, that nobody uses and that does nothing is left in peace for a while; if it is still
//! awake then, something else keeps it so, and it is left in peace ever less often.
//!
//! Meanwhile its values are missing as those of a sleeping one. A GPU with any context on it is
//! never left, nor is one that the kernel may not suspend, which is how servers are set up.

/// Slow readings with nothing to see before the first rest.
const QUIET_FIRST: u32 = 3;
/// The longest wait for another rest, in slow readings.
const QUIET_MAX: u32 = 192;
/// How long a rest is, in slow readings: the kernel's delay is a few seconds.
const REST: u32 = 3;

/// What a slow reading showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// No process and no work.
    Idle,
    /// A process, or work, or it cannot be told.
    InUse,
}

/// One GPU's way to its rest.
#[derive(Debug)]
pub(super) struct Drowse {
    quiet: u32,
    wanted: u32,
    rest: u32,
}

impl Drowse {
    pub(super) fn new() -> Self {
        Self { quiet: 0, wanted: QUIET_FIRST, rest: 0 }
    }

    /// Whether the GPU is to be left in peace now.
    pub(super) fn is_resting(&self) -> bool {
        self.rest > 0
    }

    /// A slow reading.
    pub(super) fn note(&mut self, seen: Seen) {
        match seen {
            Seen::InUse => *self = Self::new(),
            Seen::Idle => self.quiet += 1,
        }
        if self.quiet >= self.wanted {
            self.quiet = 0;
            self.wanted = (2 * self.wanted).min(QUIET_MAX);
            self.rest = REST;
        }
    }

    /// A slow reading's time has come while the GPU rests.
    pub(super) fn pass(&mut self) {
        self.rest = self.rest.saturating_sub(1);
    }

    /// It sleeps: whoever wakes it may want it, and its next rest is the first one again.
    pub(super) fn note_asleep(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_gpu_rests_and_one_that_stays_awake_rests_less_often() {
        let mut drowse = Drowse::new();
        let mut rests = Vec::new();
        for n in 0..100 {
            let was_resting = drowse.is_resting();
            if was_resting {
                drowse.pass();
            } else {
                drowse.note(Seen::Idle);
            }
            if !was_resting && drowse.is_resting() {
                rests.push(n);
            }
        }
        assert_eq!(rests, [2, 11, 26, 53]);
    }

    #[test]
    fn use_and_sleep_begin_it_anew() {
        let mut drowse = Drowse::new();
        for _ in 0..20 {
            drowse.note(Seen::Idle);
            drowse.note(Seen::Idle);
            drowse.note(Seen::InUse);
            assert!(!drowse.is_resting());
        }
        for _ in 0..3 {
            drowse.note(Seen::Idle);
        }
        assert!(drowse.is_resting());
        drowse.note_asleep();
        assert!(!drowse.is_resting());
    }
}
