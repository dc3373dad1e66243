//! How services are judged: how often the collector asks those that it probes, and when silence
//! counts as what.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::authorities::Authorities;
use super::error::ConfigError;
use super::given::{Given, Unit};
use super::table::{Table, unknown};

/// The figures of `[checks]` in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// `interval_s`, 30: how often a probed service is asked.
    pub interval: Duration,
    /// `deadline_s`, 5: how long all the questions of one check may take together.
    pub deadline: Duration,
    /// `failures`, 2: so many failed checks in a row make a service unhealthy.
    pub failures: u32,
    /// `down_after_s`, 300: a probed service that was unhealthy for this long is down.
    pub down_after: Duration,
    /// `at_once`, 64: most checks under way at once of services that answered last, and as many
    /// again of those that did not.
    pub at_once: u32,
    /// `judge_every_s`, 30: how often it is looked whose beats are missing, and who has been
    /// unhealthy for too long.
    pub judge_every: Duration,
    /// `departed_h`, 24: a service that was deregistered because its beats were missing is listed
    /// again by its next beat, until then.
    pub departed_after: Duration,
    /// `ca_file`, none: a PEM file of authorities whose certificates are trusted besides those
    /// of the system, where services are asked by https.
    pub authorities: Authorities,
    /// `allow_dial`, none: networks whose addresses are asked whoever registered a service there,
    /// `10.0.0.0/8` say, or single addresses.
    pub allow_dial: Vec<IpNet>,
}

/// Most networks that are named.
const NETWORKS_MAX: usize = 256;

const KEYS: [&str; 9] = [
    "interval_s",
    "deadline_s",
    "failures",
    "down_after_s",
    "at_once",
    "judge_every_s",
    "departed_h",
    "ca_file",
    "allow_dial",
];

impl Default for Checks {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            deadline: Duration::from_secs(5),
            failures: 2,
            down_after: Duration::from_mins(5),
            at_once: 64,
            judge_every: Duration::from_secs(30),
            departed_after: Duration::from_hours(24),
            authorities: Authorities::default(),
            allow_dial: Vec::new(),
        }
    }
}

impl Table for Checks {
    const NAME: &'static str = "checks";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        match given.key.as_str() {
            "interval_s" => self.interval = given.as_duration(Unit::Seconds)?,
            "deadline_s" => self.deadline = given.as_duration(Unit::Seconds)?,
            "failures" => self.failures = given.as_number()?,
            "down_after_s" => self.down_after = given.as_duration(Unit::Seconds)?,
            "at_once" => self.at_once = given.as_number()?,
            "judge_every_s" => self.judge_every = given.as_duration(Unit::Seconds)?,
            "departed_h" => self.departed_after = given.as_duration(Unit::Hours)?,
            "ca_file" => self.authorities = authorities(given)?,
            "allow_dial" => self.allow_dial = networks(given)?,
            _ => return Err(unknown::<Self>(given, &KEYS)),
        }
        Ok(())
    }

    /// A check must be over before the next one begins.
    fn check(&self) -> Result<(), ConfigError> {
        if self.deadline >= self.interval {
            return Err(ConfigError::Contradiction {
                table: Self::NAME,
                words: "deadline_s must be less than interval_s",
            });
        }
        Ok(())
    }
}

fn networks(given: &Given) -> Result<Vec<IpNet>, ConfigError> {
    let expected = "a list of at most 256 networks such as 10.0.0.0/8 or fd00::/8";
    let all = given.clone().elements();
    if all.len() > NETWORKS_MAX {
        return Err(given.bad(expected));
    }
    let network = |given: &Given| {
        let text = given.as_text(expected)?;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| given.bad(expected))
    };
    all.iter().map(network).collect()
}

fn authorities(given: &Given) -> Result<Authorities, ConfigError> {
    let path = PathBuf::from(given.as_text("the path of a file of certificates in PEM form")?);
    Authorities::read(&path).map_err(|source| ConfigError::Certificates {
        key: given.key.clone(),
        origin: given.source.clone(),
        path,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::given::Source;
    use super::*;

    fn given(key: &str, value: impl Into<toml::Value>) -> Given {
        Given { key: key.to_owned(), value: value.into(), source: Source::Default }
    }

    #[test]
    fn every_key_that_is_named_can_be_set() {
        Checks::default().check().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let authority = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        std::fs::write(file.path(), authority.cert.pem()).unwrap();
        for key in KEYS {
            let mut checks = Checks::default();
            let value: toml::Value = match key {
                "ca_file" => file.path().to_str().unwrap().into(),
                "allow_dial" => vec!["10.0.0.0/8", "fd00::7"].into(),
                _ => 7.into(),
            };
            checks.set(&given(key, value)).unwrap();
            assert_ne!(checks, Checks::default(), "{key} sets nothing");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut checks = Checks::default();
        let bad: [(&str, toml::Value); 13] = [
            ("allow_dial", 7.into()),
            ("allow_dial", vec!["10.0.0.0/33"].into()),
            ("allow_dial", vec!["gpu-1"].into()),
            ("allow_dial", vec!["10.0.0.0/8"; 257].into()),
            ("interval_s", 0.into()),
            ("deadline_s", "5s".into()),
            ("failures", 0.into()),
            ("at_once", (-1).into()),
            ("departed_h", i64::MAX.into()),
            ("interval", 30.into()),
            ("ca_file", 7.into()),
            ("ca_file", "".into()),
            ("ca_file", "/nowhere/ca.pem".into()),
        ];
        for (key, value) in bad {
            let given = given(key, value);
            assert!(checks.set(&given).is_err(), "{given:?}");
        }
        assert_eq!(checks, Checks::default());
        checks.deadline = checks.interval;
        assert!(checks.check().is_err());
    }
}
