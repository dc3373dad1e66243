//! Who is notified of alerts, and how: one table `[notify.<name>]` a target. URLs, headers and
//! templates may hold secrets: neither `check-config` nor a mistake shows them.

mod draft;
mod secret_file;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;

use crate::notify::{Format, TargetUrl};
use crate::registry::alert::Alert;
use crate::registry::finding::Severity;
use crate::secret::Secret;

use super::error::ConfigError;
use super::given::Given;
use super::table::Table;

use draft::Draft;

/// Most targets.
const TARGETS_MAX: usize = 16;

/// The targets of `[notify.<name>]` in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notify {
    /// All of them, by name.
    pub targets: Vec<Arc<Target>>,
}

/// What a target takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `webhook`: a message for several alerts of one rule.
    Webhook(Format),
    /// `alertmanager`: each alert.
    Alertmanager,
}

/// Somebody who is notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in the file.
    pub name: Arc<str>,
    /// `kind`, and of a webhook `format` (`json`, `slack`, `discord`, `ntfy`) or `template`.
    pub kind: TargetKind,
    /// `url` or `url_file`: where it is; for an Alertmanager that is a cluster, where each is.
    pub urls: Vec<TargetUrl>,
    /// `headers`, and what `token_file` makes one of.
    pub headers: Arc<[(HeaderName, Secret)]>,
    /// `min_severity`, `warning`: it hears of alerts that are at least so bad.
    pub min_severity: Severity,
    /// `rules`, all: it hears of alerts of these rules alone.
    pub rules: Option<BTreeSet<String>>,
    /// `send_resolved`, true: a webhook hears of the end of what it heard of.
    pub send_resolved: bool,
    /// `group_wait_s`, 10 for a webhook and 1 for an Alertmanager: how long alerts are gathered.
    pub group_wait: Duration,
    /// `timeout_s`, 10: how long one message may take.
    pub timeout: Duration,
    /// `link`, the first address at which the collector listens: where people find the page.
    pub link: Option<Arc<str>>,
}

impl Target {
    /// Whether it shall hear of an alert.
    #[must_use]
    pub fn wants(&self, alert: &Alert) -> bool {
        let is_of_rules = |rules: &BTreeSet<String>| rules.contains(&*alert.rule);
        alert.severity >= self.min_severity && self.rules.as_ref().is_none_or(is_of_rules)
    }
}

impl Table for Notify {
    const NAME: &'static str = "notify";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        let whole = named(given, &given.key);
        if self.targets.len() >= TARGETS_MAX {
            return Err(hidden(&whole, "at most 16 targets"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if given.key.is_empty() || given.key.len() > 64 || !given.key.bytes().all(is_plain) {
            return Err(hidden(&whole, "a name of at most 64 letters, digits, - and _"));
        }
        let toml::Value::Table(table) = &given.value else {
            return Err(hidden(&whole, "a table [notify.NAME] with kind and url"));
        };
        let mut draft = Draft::default();
        for (key, value) in table {
            let key_of = format!("{}.{key}", given.key);
            let given = Given { value: value.clone(), ..named(given, &key_of) };
            draft.set(key, &given)?;
        }
        self.targets.push(Arc::new(draft.finish(&given.key, &whole)?));
        Ok(())
    }

    fn shown(given: &Given) -> String {
        let toml::Value::Table(table) = &given.value else { return "[secret]".to_owned() };
        let shown = |(key, value): (&String, &toml::Value)| match key.as_str() {
            "url" | "headers" | "template" => format!("{key} = [secret]"),
            _ => format!("{key} = {value}"),
        };
        let all: Vec<String> = table.iter().map(shown).collect();
        format!("{{ {} }}", all.join(", "))
    }
}

/// The same under its whole key.
fn named(given: &Given, key: &str) -> Given {
    let key = format!("{}.{key}", Notify::NAME);
    Given { key, ..given.clone() }
}

/// A refusal that does not repeat what was given.
fn hidden(given: &Given, expected: &'static str) -> ConfigError {
    ConfigError::BadValue {
        key: given.key.clone(),
        origin: given.source.clone(),
        found: "something else".to_owned(),
        expected,
    }
}

/// A single word or line.
fn text<'a>(given: &'a Given, expected: &'static str) -> Result<&'a str, ConfigError> {
    given.as_text(expected).map_err(|_| hidden(given, expected))
}

#[cfg(test)]
impl Notify {
    /// Adds a target as it stands in a file.
    pub(crate) fn set_for_tests(&mut self, name: &str, text: &str) {
        let value = text.parse::<toml::Table>().unwrap().into();
        let source = super::given::Source::Default;
        self.set(&Given { key: name.to_owned(), value, source }).unwrap();
    }
}

#[cfg(test)]
mod tests;
