//! How hosts that nobody knows come in.

use std::net::IpAddr;

use ipnet::IpNet;

use super::error::ConfigError;
use super::given::Given;

/// How hosts that nobody knows come in, where credentials are demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enrol {
    /// By the token of a join line only.
    #[default]
    Token,
    /// By a token, or after a person approved them, or from `auto_approve`.
    Approve,
    /// All of them.
    Open,
}

/// Most networks of `auto_approve`.
const NETWORKS_MAX: usize = 256;

impl Enrol {
    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Approve => "approve",
            Self::Open => "open",
        }
    }
}

pub(super) fn enrol(given: &Given) -> Result<Enrol, ConfigError> {
    const EXPECTED: &str = "token, approve or open";
    match given.as_text(EXPECTED)? {
        "token" => Ok(Enrol::Token),
        "approve" => Ok(Enrol::Approve),
        "open" => Ok(Enrol::Open),
        _ => Err(given.bad(EXPECTED)),
    }
}

/// Reads whether the network is told; in the environment it is a word.
pub(super) fn announce(given: &Given) -> Result<bool, ConfigError> {
    match &given.value {
        toml::Value::Boolean(announce) => Ok(*announce),
        toml::Value::String(word) if word == "true" => Ok(true),
        toml::Value::String(word) if word == "false" => Ok(false),
        _ => Err(given.bad("true or false")),
    }
}

/// Reads all of them.
pub(super) fn networks(given: &[Given]) -> Result<Vec<IpNet>, ConfigError> {
    if let Some(one_more) = given.get(NETWORKS_MAX) {
        return Err(one_more.bad("at most 256 networks"));
    }
    given.iter().map(network).collect()
}

/// Reads one network; an address alone is a network of one.
pub(super) fn network(given: &Given) -> Result<IpNet, ConfigError> {
    const EXPECTED: &str = "a network such as 10.0.0.0/8 or fd00::/8, or an address";
    let text = given.as_text(EXPECTED)?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network: IpNet| network.trunc()).map_err(|_| given.bad(EXPECTED))
}
