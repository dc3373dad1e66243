//! Whether whoever asks has to say who they are.

use super::Config;
use super::error::ConfigError;
use super::given::Given;

/// `auth`, `auto`: when credentials are demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Where any listener can be reached by other machines.
    #[default]
    Auto,
    /// Always, on loopback as well.
    Required,
}

impl Config {
    /// Whether credentials are demanded of everybody: then those on this machine need them too.
    #[must_use]
    pub fn demands_credentials(&self) -> bool {
        let is_loopback =
            |address: &std::net::SocketAddr| address.ip().to_canonical().is_loopback();
        self.auth == AuthMode::Required || !self.listen.iter().all(is_loopback)
    }
}

pub(super) fn mode(given: &Given) -> Result<AuthMode, ConfigError> {
    const EXPECTED: &str = "auto or required";
    match given.as_text(EXPECTED)? {
        "auto" => Ok(AuthMode::Auto),
        "required" => Ok(AuthMode::Required),
        _ => Err(given.bad(EXPECTED)),
    }
}
