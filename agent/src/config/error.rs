//! A value that is wrong: its key, where it came from, what was expected, what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--collector`.
    Flag(String),
    /// `HERDBOOK_COLLECTOR`.
    Environment(String),
    /// A key of the configuration file.
    File(PathBuf, String),
    /// Nobody gave it.
    Default(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::File(path, key) => write!(f, "key {key} in {}", path.display()),
            Self::Default(key) => write!(f, "default of {key}"),
        }
    }
}

/// Why the agent cannot start as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value does not mean anything.
    #[error("{origin}: {value:?} {problem}")]
    BadValue {
        /// Where it came from.
        origin: Origin,
        /// As it was given.
        value: String,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
    /// The file that `--config` names cannot be read.
    #[error("{origin}: cannot read {path}; check that it exists and may be read", path = .path.display())]
    Unreadable {
        /// Who named the file.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("{path}, line {line}: {problem}", path = .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key, what is wrong with it, and what was expected.
        problem: String,
    },
    /// No place for the state can be told.
    #[error(
        "no state directory: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set; give --state-dir DIR"
    )]
    NoStateDir,
}
