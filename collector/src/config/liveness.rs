//! When a silent host or service counts as what. The sweep judges by these figures; the defaults
//! suit agents that report every second.

use std::time::Duration;

use super::error::ConfigError;
use super::given::{Given, Unit};
use super::table::{Table, unknown};

/// The figures of `[liveness]` in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Liveness {
    /// `stale_after_s`, 15: a host without a sample for this long is stale …
    pub stale_after: Duration,
    /// `stale_intervals`, 3: … or for this many of its own intervals, whichever is longer.
    pub stale_intervals: u32,
    /// `offline_after_s`, 45: a host without a sample for this long is offline …
    pub offline_after: Duration,
    /// `offline_intervals`, 6: … or for this many of its own intervals, whichever is longer.
    pub offline_intervals: u32,
    /// `closed_stale_after_s`, 10: a host whose session closed without goodbye is stale then.
    pub closed_stale_after: Duration,
    /// `upgrade_after_s`, 60: a host that said goodbye for an upgrade is offline then.
    pub upgrade_after: Duration,
    /// `forget_after_d`, 7: a host that was offline for this long is forgotten.
    pub forget_after: Duration,
    /// `vanished_service_after_h`, 24: a model server that vanished stays listed this long.
    pub vanished_service_after: Duration,
    /// `tick_s`, 1: how often the sweep looks.
    pub tick: Duration,
    /// `late_ticks`, 2: a sweep that comes later than this many ticks judges nobody.
    pub late_ticks: u32,
    /// `grace_s`, 35: how long hosts keep their status after a start or a late sweep.
    pub grace: Duration,
    /// `mass_hosts`, 3: fewer hosts going offline together, or services going down, are no mass
    /// event.
    pub mass_hosts: u32,
    /// `mass_share`, 0.15: nor is a smaller share of the fleet.
    pub mass_share: f64,
    /// `mass_window_s`, 60: "together" means within this time.
    pub mass_window: Duration,
    /// `mass_end_s`, 600: a mass event ends at the latest then …
    pub mass_end: Duration,
    /// `mass_back`, 0.9: … or once this share of its hosts is back.
    pub mass_back: f64,
    /// `disk_warning`, 0.95: a host whose disk is used to this share is degraded.
    pub disk_warning: f64,
    /// `memory_pressure_percent`, 20: so is one whose memory PSI "some avg10" reaches this.
    pub memory_pressure: f64,
}

const KEYS: [&str; 18] = [
    "stale_after_s",
    "stale_intervals",
    "offline_after_s",
    "offline_intervals",
    "closed_stale_after_s",
    "upgrade_after_s",
    "forget_after_d",
    "vanished_service_after_h",
    "tick_s",
    "late_ticks",
    "grace_s",
    "mass_hosts",
    "mass_share",
    "mass_window_s",
    "mass_end_s",
    "mass_back",
    "disk_warning",
    "memory_pressure_percent",
];

impl Default for Liveness {
    fn default() -> Self {
        Self {
            stale_after: Duration::from_secs(15),
            stale_intervals: 3,
            offline_after: Duration::from_secs(45),
            offline_intervals: 6,
            closed_stale_after: Duration::from_secs(10),
            upgrade_after: Duration::from_secs(60),
            forget_after: Duration::from_hours(7 * 24),
            vanished_service_after: Duration::from_hours(24),
            tick: Duration::from_secs(1),
            late_ticks: 2,
            grace: Duration::from_secs(35),
            mass_hosts: 3,
            mass_share: 0.15,
            mass_window: Duration::from_secs(60),
            mass_end: Duration::from_mins(10),
            mass_back: 0.9,
            disk_warning: 0.95,
            memory_pressure: 20.0,
        }
    }
}

impl Table for Liveness {
    const NAME: &'static str = "liveness";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        match given.key.as_str() {
            "stale_after_s" => self.stale_after = given.as_duration(Unit::Seconds)?,
            "stale_intervals" => self.stale_intervals = given.as_number()?,
            "offline_after_s" => self.offline_after = given.as_duration(Unit::Seconds)?,
            "offline_intervals" => self.offline_intervals = given.as_number()?,
            "closed_stale_after_s" => self.closed_stale_after = given.as_duration(Unit::Seconds)?,
            "upgrade_after_s" => self.upgrade_after = given.as_duration(Unit::Seconds)?,
            "forget_after_d" => self.forget_after = given.as_duration(Unit::Days)?,
            "vanished_service_after_h" => {
                self.vanished_service_after = given.as_duration(Unit::Hours)?;
            }
            "tick_s" => self.tick = given.as_duration(Unit::Seconds)?,
            "late_ticks" => self.late_ticks = given.as_number()?,
            "grace_s" => self.grace = given.as_duration(Unit::Seconds)?,
            "mass_hosts" => self.mass_hosts = given.as_number()?,
            "mass_share" => self.mass_share = given.as_share()?,
            "mass_window_s" => self.mass_window = given.as_duration(Unit::Seconds)?,
            "mass_end_s" => self.mass_end = given.as_duration(Unit::Seconds)?,
            "mass_back" => self.mass_back = given.as_share()?,
            "disk_warning" => self.disk_warning = given.as_share()?,
            "memory_pressure_percent" => self.memory_pressure = given.as_percent()?,
            _ => return Err(unknown::<Self>(given, &KEYS)),
        }
        Ok(())
    }

    /// The figures must leave an order: stale, then offline, then forgotten.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = if self.stale_after >= self.offline_after {
            "stale_after_s must be less than offline_after_s"
        } else if self.stale_intervals > self.offline_intervals {
            "stale_intervals must be at most offline_intervals"
        } else if self.closed_stale_after >= self.offline_after {
            "closed_stale_after_s must be less than offline_after_s"
        } else if self.offline_after >= self.forget_after {
            "offline_after_s must be less than forget_after_d"
        } else if self.tick > self.offline_after {
            "tick_s must be at most offline_after_s"
        } else {
            return Ok(());
        };
        Err(ConfigError::Contradiction { table: Self::NAME, words: wrong })
    }
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
        Liveness::default().check().unwrap();
    }

    #[test]
    fn every_key_that_is_named_can_be_set() {
        for key in KEYS {
            let mut liveness = Liveness::default();
            let value: toml::Value =
                if key.ends_with("share") || key.contains("back") || key.contains("warning") {
                    0.5.into()
                } else {
                    7.into()
                };
            liveness.set(&given(key, value)).unwrap();
            let others: Vec<_> = KEYS.into_iter().filter(|other| *other != key).collect();
            assert!(others.len() == KEYS.len() - 1, "{key} is named twice");
            if key != "forget_after_d" {
                assert_ne!(liveness, Liveness::default(), "{key} sets nothing");
            }
        }
    }

    #[test]
    fn the_old_pair_of_90_s_and_60_s_can_be_had() {
        let mut liveness = Liveness::default();
        liveness.set(&given("stale_after_s", 89)).unwrap();
        liveness.set(&given("offline_after_s", 90)).unwrap();
        liveness.set(&given("tick_s", 60)).unwrap();
        liveness.check().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut liveness = Liveness::default();
        let bad: [(&str, toml::Value); 9] = [
            ("stale_after_s", 0.into()),
            ("stale_after_s", (-1).into()),
            ("stale_after_s", f64::NAN.into()),
            ("stale_after_s", f64::INFINITY.into()),
            ("stale_after_s", "15s".into()),
            ("forget_after_d", i64::MAX.into()),
            ("mass_share", 1.5.into()),
            ("mass_hosts", 0.into()),
            ("memory_pressure_percent", 101.into()),
        ];
        for (key, value) in bad {
            let given = given(key, value);
            assert!(liveness.set(&given).is_err(), "{given:?}");
        }
        assert_eq!(liveness, Liveness::default());
        liveness.offline_after = liveness.stale_after;
        assert!(liveness.check().is_err());
    }
}
