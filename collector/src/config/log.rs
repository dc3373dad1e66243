//! What is logged, and how: to stderr always, never a secret.

use tracing_subscriber::filter::{Directive, LevelFilter};

use super::error::ConfigError;
use super::given::Given;

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `log_level`, info: a level, or directives such as `info,herdbook_collector::sweep=debug`.
    pub level: String,
    /// `log_format`, text.
    pub format: LogFormat,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A word alone would be taken for the name of a module, and silence everything else.
pub(super) fn level(given: &Given) -> Result<String, ConfigError> {
    const EXPECTED: &str = "off, error, warn, info, debug or trace, or a list such as \
                            info,herdbook_collector::sweep=debug";
    let text = given.as_text(EXPECTED)?;
    let is_directive = |part: &str| match part.split_once('=') {
        None => part.parse::<LevelFilter>().is_ok() && part.parse::<u8>().is_err(),
        Some((module, _)) => !module.is_empty() && part.parse::<Directive>().is_ok(),
    };
    if text.split(',').all(is_directive) { Ok(text.to_owned()) } else { Err(given.bad(EXPECTED)) }
}

pub(super) fn format(given: &Given) -> Result<LogFormat, ConfigError> {
    const EXPECTED: &str = "text or json";
    match given.as_text(EXPECTED)? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(given.bad(EXPECTED)),
    }
}
