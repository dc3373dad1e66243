//! A value as it was given, with who gave it. It turns into what it should be, or into an error
//! that names both.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::ConfigError;

/// The longest duration that a setting may have: ten years.
const LONGEST_S: f64 = 10.0 * 365.0 * 86_400.0;

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// A line of the file.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and who gave it. Flags and environment give text, the file whatever TOML has.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: toml::Value,
    pub(super) source: Source,
}

/// What one unit of a number means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Seconds,
    Hours,
    Days,
}

impl Given {
    pub(super) fn text(key: &str, text: String, source: Source) -> Self {
        Self { key: key.to_owned(), value: toml::Value::String(text), source }
    }

    pub(super) fn bad(&self, expected: &'static str) -> ConfigError {
        ConfigError::BadValue {
            key: self.key.clone(),
            origin: self.source.clone(),
            found: self.value.to_string(),
            expected,
        }
    }

    /// A single word or line.
    pub(super) fn as_text(&self, expected: &'static str) -> Result<&str, ConfigError> {
        match &self.value {
            toml::Value::String(text) if !text.trim().is_empty() => Ok(text.trim()),
            _ => Err(self.bad(expected)),
        }
    }

    /// One value for each element of a TOML array, or the value itself.
    pub(super) fn elements(self) -> Vec<Self> {
        match self.value {
            toml::Value::Array(values) => values
                .into_iter()
                .map(|value| Self { key: self.key.clone(), value, source: self.source.clone() })
                .collect(),
            _ => vec![self],
        }
    }

    pub(super) fn as_duration(&self, unit: Unit) -> Result<Duration, ConfigError> {
        let (unit_s, expected) = match unit {
            Unit::Seconds => (1.0, "a number of seconds from 0.1 to ten years"),
            Unit::Hours => (3_600.0, "a number of hours, at most ten years"),
            Unit::Days => (86_400.0, "a number of days, at most ten years"),
        };
        let seconds = self.number().map(|number| number * unit_s);
        match seconds {
            Some(seconds) if (0.1..=LONGEST_S).contains(&seconds) => {
                Ok(Duration::from_secs_f64(seconds))
            }
            _ => Err(self.bad(expected)),
        }
    }

    /// A part of a whole, above 0 and at most 1.
    pub(super) fn as_share(&self) -> Result<f64, ConfigError> {
        match self.number() {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
            _ => Err(self.bad("a share above 0 and at most 1, such as 0.15")),
        }
    }

    /// Above 0 and at most 100.
    pub(super) fn as_percent(&self) -> Result<f64, ConfigError> {
        match self.number() {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
            _ => Err(self.bad("a percentage above 0 and at most 100, such as 20.0")),
        }
    }

    /// A small whole number, at least 1.
    pub(super) fn as_number(&self) -> Result<u32, ConfigError> {
        match &self.value {
            toml::Value::Integer(number @ 1..=100_000) => u32::try_from(*number).ok(),
            _ => None,
        }
        .ok_or_else(|| self.bad("a whole number from 1 to 100000"))
    }

    fn number(&self) -> Option<f64> {
        match self.value {
            toml::Value::Float(number) => Some(number),
            // What loses precision here is far beyond every bound.
            toml::Value::Integer(number) => i32::try_from(number).ok().map(f64::from),
            _ => None,
        }
    }
}
