//! Whether those who are on the collector's own machine need credentials too.

use super::error::ConfigError;
use super::given::Given;

/// `auth` in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// `auto`, the default: everybody does once the collector listens off loopback; before that,
    /// nobody.
    #[default]
    Auto,
    /// `required`: everybody does.
    Required,
}

impl AuthMode {
    /// As it stands in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Required => "required",
        }
    }
}

/// Reads it.
pub(super) fn mode(given: &Given) -> Result<AuthMode, ConfigError> {
    const EXPECTED: &str = "auto or required";
    match given.as_text(EXPECTED)? {
        "auto" => Ok(AuthMode::Auto),
        "required" => Ok(AuthMode::Required),
        _ => Err(given.bad(EXPECTED)),
    }
}
