//! What is wrong with a configuration: which key, who said it, and what was expected.

use std::path::PathBuf;

use super::authorities::AuthoritiesError;
use super::given::Source;
use crate::tls::PemError;

/// The configuration cannot be used. Always exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line cannot be read; the text is clap's, usage included.
    #[error("{0}")]
    Flags(String),
    /// The file cannot be read.
    #[error("failed to read {} (given by {origin})", path.display())]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Who named it.
        origin: Source,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key that does not exist.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: there is no key `{key}`; expected one of {expected}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Source,
        /// The keys that exist there.
        expected: String,
    },
    /// A value that is not allowed.
    #[error("{origin}: {key}: expected {expected}, found {found}")]
    BadValue {
        /// The key.
        key: String,
        /// Who said it.
        origin: Source,
        /// What was said.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A file of certificates that cannot be used.
    #[error("{origin}: {key}: cannot use {}", path.display())]
    Certificates {
        /// The key that names it.
        key: String,
        /// Who named it.
        origin: Source,
        /// Which.
        path: PathBuf,
        /// Why.
        source: AuthoritiesError,
    },
    /// Two values that contradict each other.
    #[error("{table}: {words}")]
    Contradiction {
        /// The table of the file in which they stand.
        table: &'static str,
        /// Which, and what is expected.
        words: &'static str,
    },
    /// A certificate with its key that cannot be used.
    #[error("tls: cannot use {}", path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: PemError,
    },
    /// No place to keep the database.
    #[error(
        "data_dir: expected --data-dir, HERDBOOK_DATA_DIR or data_dir in the file, since neither \
         STATE_DIRECTORY, XDG_STATE_HOME nor HOME tells where to keep the database"
    )]
    NoDataDir,
}
