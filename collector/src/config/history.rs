//! How much of what samples said is kept, and for how long.

use std::time::Duration;

use super::error::ConfigError;
use super::given::{Given, Unit};
use super::table::{Table, unknown};

/// The figures of `[history]` in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRules {
    /// `recent_s`, 600: for this long samples stay in memory as they came.
    pub recent: Duration,
    /// `step_s`, 60: one row of the fine roll-ups is of this many seconds; ten of them are one row of
    /// the coarse ones, sixty one block on the disk.
    pub step: Duration,
    /// `fine_h`, 24: how long the fine roll-ups are kept.
    pub fine: Duration,
    /// `coarse_d`, 30: how long the coarse ones are.
    pub coarse: Duration,
    /// `disk_mib`, 2048: what all of it may take on the disk; beyond that the oldest goes first.
    pub disk_mib: u32,
}

const KEYS: [&str; 5] = ["recent_s", "step_s", "fine_h", "coarse_d", "disk_mib"];

/// Steps of which an hour has a whole number of blocks, and a block a whole number of coarse rows.
const STEPS_S: [u64; 11] = [1, 2, 3, 4, 5, 6, 10, 15, 20, 30, 60];
/// Longest that samples stay at full rate.
const RECENT_MAX: Duration = Duration::from_hours(1);
/// What a handful of hosts needs.
const DISK_MIB_MIN: u32 = 16;

impl Default for HistoryRules {
    fn default() -> Self {
        Self {
            recent: Duration::from_mins(10),
            step: Duration::from_mins(1),
            fine: Duration::from_hours(24),
            coarse: Duration::from_hours(30 * 24),
            disk_mib: 2048,
        }
    }
}

impl Table for HistoryRules {
    const NAME: &'static str = "history";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        match given.key.as_str() {
            "recent_s" => self.recent = recent(given)?,
            "step_s" => self.step = step(given)?,
            "fine_h" => self.fine = given.as_duration(Unit::Hours)?,
            "coarse_d" => self.coarse = given.as_duration(Unit::Days)?,
            "disk_mib" => {
                let mib = given.as_number().ok().filter(|mib| *mib >= DISK_MIB_MIN);
                self.disk_mib =
                    mib.ok_or_else(|| given.bad("a whole number of MiB from 16 to 100000"))?;
            }
            _ => return Err(unknown::<Self>(given, &KEYS)),
        }
        Ok(())
    }

    /// What is kept for less long must be the finer; and rows must not leave the memory before
    /// they are in a roll-up.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = if self.recent < 2 * self.step {
            "recent_s must be at least twice step_s"
        } else if self.fine < self.recent {
            "fine_h must be at least as long as recent_s"
        } else if self.coarse < self.fine {
            "coarse_d must be at least as long as fine_h"
        } else {
            return Ok(());
        };
        Err(ConfigError::Contradiction { table: Self::NAME, words: wrong })
    }
}

fn recent(given: &Given) -> Result<Duration, ConfigError> {
    let recent = given.as_duration(Unit::Seconds)?;
    let is_fit = recent.subsec_nanos() == 0 && recent <= RECENT_MAX;
    is_fit.then_some(recent).ok_or_else(|| given.bad("a whole number of seconds from 2 to 3600"))
}

fn step(given: &Given) -> Result<Duration, ConfigError> {
    let step = given.as_number().ok().map(u64::from).filter(|step| STEPS_S.contains(step));
    step.map(Duration::from_secs)
        .ok_or_else(|| given.bad("one of 1, 2, 3, 4, 5, 6, 10, 15, 20, 30 and 60 seconds"))
}

#[cfg(test)]
mod tests {
    use super::super::given::Source;
    use super::*;

    fn given(key: &str, value: impl Into<toml::Value>) -> Given {
        Given { key: key.to_owned(), value: value.into(), source: Source::Default }
    }

    #[test]
    fn the_defaults_agree_with_each_other() {
        HistoryRules::default().check().unwrap();
    }

    #[test]
    fn every_key_that_is_named_can_be_set() {
        for key in KEYS {
            let mut rules = HistoryRules::default();
            rules.set(&given(key, 20)).unwrap();
            assert_ne!(rules, HistoryRules::default(), "{key} sets nothing");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut rules = HistoryRules::default();
        let bad: [(&str, toml::Value); 9] = [
            ("recent_s", 0.into()),
            ("recent_s", 1.5.into()),
            ("recent_s", 7200.into()),
            ("step_s", 7.into()),
            ("step_s", 120.into()),
            ("fine_h", 0.into()),
            ("coarse_d", "30d".into()),
            ("disk_mib", 15.into()),
            ("disk_gib", 2.into()),
        ];
        for (key, value) in bad {
            let given = given(key, value);
            assert!(rules.set(&given).is_err(), "{given:?}");
        }
        assert_eq!(rules, HistoryRules::default());
        for (key, value) in [("recent_s", 100), ("fine_h", 24 * 31), ("coarse_d", 0)] {
            let mut rules = HistoryRules::default();
            let wrong = rules.set(&given(key, value)).is_err() || rules.check().is_err();
            assert!(wrong, "{key} = {value}");
        }
    }
}
