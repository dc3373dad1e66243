//! What the collector is told: by flag, else by `HERDBOOK_…` environment, else by a TOML file,
//! else by default. All of it is checked here, before a port opens.

mod alerts;
mod auth;
mod authorities;
mod catalog;
mod checks;
mod data_dir;
mod error;
mod file;
mod flags;
mod given;
mod history;
mod listen;
mod liveness;
mod log;
mod notice;
mod notify;
mod proxy;
mod resolve;
mod table;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use alerts::{Alerts, RuleSettings};
pub use auth::AuthMode;
pub use authorities::{Authorities, AuthoritiesError};
pub use catalog::{CatalogFolder, CatalogKind, CatalogRules, Catalogs, SERVICES, SKILLS};
pub use checks::Checks;
pub use data_dir::{DataDirError, prepare};
pub use error::ConfigError;
pub use given::Source;
pub use history::HistoryRules;
pub use liveness::Liveness;
pub use log::{Log, LogFormat};
pub use notify::{Notify, Target, TargetKind};
pub use proxy::Proxy;
pub use resolve::{Environment, load};
pub use tls::{CertificateFiles, Tls, TlsTask};

use crate::auth::HostName;
use crate::control::Ask;
use crate::store::backup::Existing;

/// Everything that the collector is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens. Default `127.0.0.1:6121`.
    pub listen: Vec<SocketAddr>,
    /// `auth`: whether those on this machine need credentials too.
    pub auth: AuthMode,
    /// With which certificate it speaks TLS, and where.
    pub tls: Tls,
    /// Where it keeps its database. Default `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/herdbook/collector`, else `~/.local/state/herdbook/collector`.
    pub data_dir: PathBuf,
    /// Host names under which it is asked besides the loopback ones. Default none.
    pub public_names: Vec<HostName>,
    /// Proxies in front, and what their word counts for.
    pub proxy: Proxy,
    /// `notice`, what the page says above everything else, such as "staging". Default none.
    pub notice: Option<String>,
    /// What it logs, and how.
    pub log: Log,
    /// When a silent host counts as what.
    pub liveness: Liveness,
    /// How services are judged.
    pub checks: Checks,
    /// How much of the samples is kept.
    pub history: HistoryRules,
    /// What a person is alerted of.
    pub alerts: Alerts,
    /// Who is notified of alerts.
    pub notify: Notify,
    /// Which folders hold catalogs.
    pub catalog: Catalogs,
    /// What each setting is and who said so, for `check-config`.
    pub told: Vec<Told>,
}

impl Config {
    /// Whether whoever asks needs credentials: as soon as one address can be reached from other
    /// machines, or where that is said.
    #[must_use]
    pub fn demands_credentials(&self) -> bool {
        self.auth == AuthMode::Required || self.listen.iter().copied().any(is_off_loopback)
    }

    /// Whether TLS is spoken on this address: always where other machines can reach it.
    #[must_use]
    pub fn speaks_tls(&self, address: SocketAddr) -> bool {
        self.tls.loopback || is_off_loopback(address)
    }
}

fn is_off_loopback(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// One setting, its value and where it comes from.
#[derive(Clone, Debug)]
pub struct Told {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Who said so.
    pub source: Source,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Start the collector.
    Run(Config),
    /// Say what the configuration is, and start nothing.
    CheckConfig(Config),
    /// Write the database to a file.
    Backup(Config, PathBuf, Existing),
    /// Put a backup in the place of the database.
    Restore(Config, PathBuf),
    /// Ask the collector that runs.
    Control(Config, Ask),
    /// Send a test alert to the target of this name, or to each.
    NotifyTest(Config, Option<String>),
    /// Look after the key with which TLS is spoken.
    Tls(Config, TlsTask),
    /// Print help or the version.
    Print(String),
}

#[cfg(test)]
mod tests;
