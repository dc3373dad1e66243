//! What the agent is told: flag, then `HERDBOOK_…` environment, then TOML file, then default.
//!
//! Everything is checked here, before anything starts. Nothing here looks at the machine, except
//! for reading the file that `--config` names, and whether `--host-root` is one.

mod collector_url;
mod error;
mod file;
mod flags;
mod join_file;
mod layers;
mod log;
mod state_dir;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use collector_url::CollectorUrl;
pub use error::{ConfigError, Origin};
pub use flags::{Command, Flags, JoinOptions};
pub use log::{LogFormat, LogLevel, LogSettings};

use file::FileLayer;
use layers::Layers;

use crate::discovery::OllamaUrl;

/// Where an agent looks for its collector unless told otherwise.
pub const DEFAULT_COLLECTOR: &str = "http://127.0.0.1:6121";

/// Whether a collector is looked for on the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectorDiscovery {
    /// By DNS and mDNS, where none is known and none is on this machine.
    #[default]
    Auto,
    /// Not at all.
    Off,
}

/// Everything that an agent is told, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where the collector is; `None` where the agent is to know, or to find it.
    pub collector: Option<CollectorUrl>,
    /// Whether a collector is looked for on the network where none is known.
    pub discovery: CollectorDiscovery,
    /// A file with a join line, used while the agent has joined none.
    pub join_file: Option<PathBuf>,
    /// Where the identity is kept.
    pub state_dir: PathBuf,
    /// How often to sample; the collector may wish for slower, never for faster.
    pub interval: Duration,
    /// The host's name for people; the kernel's host name where absent.
    pub name: Option<String>,
    /// What the host is for.
    pub role: String,
    /// Free key-value pairs.
    pub labels: BTreeMap<String, String>,
    /// Where the file system of the host is that is described: `/`, or where a container has it.
    pub host_root: PathBuf,
    /// The NVIDIA management library, where it is not the system's.
    pub nvml_lib: Option<PathBuf>,
    /// Ollama servers to watch besides those found.
    pub ollama: Vec<OllamaUrl>,
    /// What `OLLAMA_HOST` says, which is Ollama's own setting.
    pub ollama_host: Option<String>,
    /// What is logged, and how.
    pub log: LogSettings,
}

impl Settings {
    /// Puts the layers together. `env` looks up one environment variable.
    ///
    /// # Errors
    ///
    /// The first value that is wrong, with where it came from and what to do.
    pub fn load(
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let layers = Layers { flags, env, file: FileLayer::default() };
        let file = match layers.config_path()? {
            Some(path) => FileLayer::read(&path)?,
            None => FileLayer::default(),
        };
        Self::resolve(&Layers { file, ..layers })
    }

    fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let collector = layers.one("collector", |f| &f.collector, |f| &f.collector)?;
        let discovery = layers.one("discovery", |f| &f.discovery, |f| &f.discovery)?;
        let interval = layers.one("interval", |f| &f.interval, |f| &f.interval)?;
        let name = layers.one("name", |f| &f.name, |f| &f.name)?;
        let role = layers.one("role", |f| &f.role, |f| &f.role)?;
        let host_root = layers.one("host-root", |f| &f.host_root, |f| &f.host_root)?;
        let nvml_lib = layers.one("nvml-lib", |f| &f.nvml_lib, |f| &f.nvml_lib)?;
        Ok(Self {
            collector: collector.map(|given| given.check(CollectorUrl::parse)).transpose()?,
            discovery: match discovery {
                Some(given) => given.check(values::discovery)?,
                None => CollectorDiscovery::default(),
            },
            join_file: join_file::resolve(layers)?,
            state_dir: state_dir::resolve(layers)?,
            interval: match interval {
                Some(given) => given.check(values::interval)?,
                None => values::DEFAULT_INTERVAL,
            },
            name: name.map(|given| given.check(values::word)).transpose()?,
            role: match role {
                Some(given) => given.check(values::word)?,
                None => "worker".to_owned(),
            },
            labels: layers.labels()?.check(values::labels)?,
            host_root: match host_root {
                Some(given) => given.check(values::host_root)?,
                None => PathBuf::from("/"),
            },
            nvml_lib: nvml_lib.map(|given| given.check(values::path)).transpose()?,
            ollama: layers.ollama()?.check(values::ollama_urls)?,
            ollama_host: (layers.env)("OLLAMA_HOST")
                .map(|value| value.to_string_lossy().into_owned()),
            log: LogSettings::resolve(layers)?,
        })
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
