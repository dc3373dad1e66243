//! What is logged, and how.

use tracing::level_filters::LevelFilter;

use super::error::ConfigError;
use super::layers::{Layers, Wrong};

/// The least severe lines that are written.
pub type LogLevel = LevelFilter;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe lines that are written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
}

impl LogSettings {
    pub(super) fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let level = layers.one("log-level", |flags| &flags.log_level, |file| &file.log_level)?;
        let format =
            layers.one("log-format", |flags| &flags.log_format, |file| &file.log_format)?;
        Ok(Self {
            level: level.map_or(Ok(LevelFilter::INFO), |given| given.check(level_of))?,
            format: format.map_or(Ok(LogFormat::Text), |given| given.check(format_of))?,
        })
    }
}

fn level_of(text: &str) -> Result<LevelFilter, Wrong> {
    match text {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(Wrong::new(text, "is no level: expected error, warn, info, debug or trace")),
    }
}

fn format_of(text: &str) -> Result<LogFormat, Wrong> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Wrong::new(text, "is no format: expected text or json")),
    }
}
