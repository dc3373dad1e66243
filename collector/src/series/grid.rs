//! Steps and blocks of time, and the keys of rows.

use std::time::Duration;

use herdbook_shared::time::Timestamp;

use crate::config::HistoryRules;

/// Fine steps of one block.
pub(super) const STEPS_OF_BLOCK: i64 = 60;
/// Fine steps of one coarse step.
pub(super) const STEPS_OF_COARSE: i64 = 10;

/// How time is cut, and how long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// How long samples stay at full rate.
    pub recent_ms: i64,
    /// One fine step.
    pub step_ms: i64,
    /// How long fine steps are kept.
    pub fine_ms: i64,
    /// How long coarse ones are.
    pub coarse_ms: i64,
    /// What all of it may take on the disk.
    pub disk_bytes: i64,
}

impl Grid {
    /// As these rules say.
    #[must_use]
    pub fn of(rules: &HistoryRules) -> Self {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            recent_ms: ms(rules.recent),
            step_ms: ms(rules.step),
            fine_ms: ms(rules.fine),
            coarse_ms: ms(rules.coarse),
            disk_bytes: i64::from(rules.disk_mib) << 20,
        }
    }

    /// The number of the step that holds an instant.
    #[must_use]
    pub fn step(&self, at: Timestamp) -> i64 {
        at.unix_ms().div_euclid(self.step_ms)
    }

    /// When a step begins.
    #[must_use]
    pub fn start(&self, step: i64) -> Timestamp {
        Timestamp::from_unix_ms(step * self.step_ms)
    }

    /// The number of the block that holds an instant.
    #[must_use]
    pub fn block(&self, at: Timestamp) -> i64 {
        self.step(at).div_euclid(STEPS_OF_BLOCK)
    }

    /// How long a block is.
    #[must_use]
    pub fn block_ms(&self) -> i64 {
        self.step_ms * STEPS_OF_BLOCK
    }
}

/// Where the row of a set of series stands: `number` of the step or block above, the set below.
pub(super) fn key(number: i64, set: i64) -> i64 {
    number << 32 | set & 0xFFFF_FFFF
}

/// The number and the set of a key.
pub(super) fn of_key(key: i64) -> (i64, i64) {
    (key >> 32, key & 0xFFFF_FFFF)
}
