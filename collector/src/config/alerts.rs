//! Of what a person is alerted, and from which threshold on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alerts::Rule;
use crate::registry::finding::Severity;
use crate::registry::service::Word;

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};

/// The longest that a condition may have to hold, seconds: a day.
const FOR_S_MAX: f64 = 86_400.0;

/// The rules of `[alerts.<rule>]` in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    rules: BTreeMap<Rule, RuleSettings>,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleSettings {
    /// `enabled`: whether it raises alerts.
    pub enabled: bool,
    /// `severity`: how bad its alerts are.
    pub severity: Severity,
    /// `for_s`: for how long the condition must hold before an alert is raised.
    pub holds_for: Duration,
    /// `celsius` or `used_percent`: from which value on it holds; 0 for a rule that has none.
    pub threshold: f64,
}

impl RuleSettings {
    fn of(rule: Rule) -> Self {
        Self {
            enabled: rule.is_on(),
            severity: rule.severity(),
            holds_for: rule.holds_for().unwrap_or_default(),
            threshold: rule.threshold().map_or(0.0, |threshold| threshold.default),
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { rules: Rule::ALL.iter().map(|rule| (*rule, RuleSettings::of(*rule))).collect() }
    }
}

impl Alerts {
    /// How a rule is set.
    #[must_use]
    pub fn of(&self, rule: Rule) -> RuleSettings {
        self.rules.get(&rule).copied().unwrap_or_else(|| RuleSettings::of(rule))
    }

    /// The same rules, one of them set otherwise.
    #[must_use]
    pub fn with(mut self, rule: Rule, settings: RuleSettings) -> Self {
        self.rules.insert(rule, settings);
        self
    }
}

impl Table for Alerts {
    const NAME: &'static str = "alerts";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        let Some(rule) = Rule::of_word(&given.key) else {
            let words: Vec<_> = Rule::ALL.iter().map(|rule| rule.word()).collect();
            return Err(unknown::<Self>(given, &words));
        };
        let toml::Value::Table(table) = &given.value else {
            let expected = "a table of its own, such as [alerts.gpu_hot] with celsius = 85 below";
            return Err(given.bad(expected));
        };
        let mut settings = self.of(rule);
        for (key, value) in table {
            let (key, source) = (format!("{}.{key}", given.key), given.source.clone());
            set_one(&mut settings, rule, &Given { key, value: value.clone(), source })?;
        }
        self.rules.insert(rule, settings);
        Ok(())
    }
}

/// `given.key` is `<rule>.<key>`.
fn set_one(settings: &mut RuleSettings, rule: Rule, given: &Given) -> Result<(), ConfigError> {
    let key = given.key.split_once('.').map_or("", |(_, key)| key);
    let threshold = rule.threshold();
    match key {
        "enabled" => {
            settings.enabled = given.value.as_bool().ok_or_else(|| given.bad("true or false"))?;
        }
        "severity" => settings.severity = severity(given)?,
        "for_s" if rule.holds_for().is_some() => {
            let seconds = number(given).filter(|seconds| (0.0..=FOR_S_MAX).contains(seconds));
            let seconds = seconds.ok_or_else(|| given.bad("a number of seconds from 0 to 86400"));
            settings.holds_for = Duration::from_secs_f64(seconds?);
        }
        key => match threshold.filter(|threshold| threshold.key == key) {
            Some(threshold) => {
                let value = number(given).filter(|value| *value > 0.0 && *value <= threshold.max);
                settings.threshold = value.ok_or_else(|| given.bad(threshold.expected))?;
            }
            None => return Err(unknown::<Alerts>(given, &keys(rule))),
        },
    }
    Ok(())
}

/// The keys that a rule has.
fn keys(rule: Rule) -> Vec<&'static str> {
    let for_s = rule.holds_for().map(|_| "for_s");
    let threshold = rule.threshold().map(|threshold| threshold.key);
    ["enabled", "severity"].into_iter().chain(for_s).chain(threshold).collect()
}

fn severity(given: &Given) -> Result<Severity, ConfigError> {
    const EXPECTED: &str = "info, warning or critical";
    match given.as_text(EXPECTED)? {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        _ => Err(given.bad(EXPECTED)),
    }
}

fn number(given: &Given) -> Option<f64> {
    match given.value {
        toml::Value::Float(number) => Some(number),
        toml::Value::Integer(number) => i32::try_from(number).ok().map(f64::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::given::Source;
    use super::*;

    fn given(rule: &str, table: &str) -> Given {
        let value = toml::Value::Table(toml::from_str(table).unwrap());
        Given { key: rule.to_owned(), value, source: Source::Default }
    }

    fn mistake(rule: &str, table: &str) -> String {
        let mut alerts = Alerts::default();
        let error = alerts.set(&given(rule, table)).unwrap_err().to_string();
        assert_eq!(alerts, Alerts::default(), "a mistake sets nothing");
        error
    }

    #[test]
    fn every_key_of_every_rule_can_be_set() {
        for rule in Rule::ALL {
            for key in keys(*rule) {
                let value = match key {
                    "enabled" => (!rule.is_on()).to_string(),
                    "severity" if rule.severity() == Severity::Info => "'warning'".to_owned(),
                    "severity" => "'info'".to_owned(),
                    _ => "7.5".to_owned(),
                };
                let mut alerts = Alerts::default();
                alerts.set(&given(rule.word(), &format!("{key} = {value}"))).unwrap();
                assert_ne!(alerts, Alerts::default(), "{}.{key} sets nothing", rule.word());
            }
        }
    }

    #[test]
    fn a_rule_may_hold_at_once() {
        let mut alerts = Alerts::default();
        alerts.set(&given("host_offline", "for_s = 0\nseverity = 'warning'")).unwrap();
        let set = alerts.of(Rule::HostOffline);
        assert_eq!((set.holds_for, set.severity), (Duration::ZERO, Severity::Warning));
    }

    #[test]
    fn a_mistake_names_its_key_and_what_was_expected() {
        for (rule, table, words) in [
            ("gpu_cold", "", "there is no key `alerts.gpu_cold`; expected one of host_offline, "),
            ("gpu_hot", "celcius = 80", "there is no key `alerts.gpu_hot.celcius`; expected one"),
            ("gpu_hot", "celcius = 80", "enabled, severity, for_s, celsius"),
            ("service_recovered", "for_s = 1", "`alerts.service_recovered.for_s`"),
            ("host_offline", "celsius = 1", "`alerts.host_offline.celsius`"),
            ("gpu_hot", "celsius = '80'", "gpu_hot.celsius: expected degrees Celsius above 0"),
            ("gpu_hot", "celsius = 0", "found 0"),
            ("disk_nearly_full", "used_percent = 101", "expected a percentage above 0"),
            ("host_offline", "for_s = -1", "expected a number of seconds from 0 to 86400"),
            ("host_offline", "for_s = nan", "expected a number of seconds from 0 to 86400"),
            ("host_offline", "for_s = 90000", "expected a number of seconds from 0 to 86400"),
            ("host_offline", "severity = 'bad'", "expected info, warning or critical"),
            ("host_offline", "enabled = 'no'", "host_offline.enabled: expected true or false"),
        ] {
            let mistake = mistake(rule, table);
            assert!(mistake.contains(words), "{rule} {table}: {mistake}");
        }
        let flat = Given { key: "gpu_hot".to_owned(), value: 90.into(), source: Source::Default };
        let mistake = Alerts::default().set(&flat).unwrap_err().to_string();
        assert!(mistake.contains("expected a table of its own"), "{mistake}");
    }
}
