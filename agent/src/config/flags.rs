//! The command line. Values are text here; what they mean is checked with those of the other
//! layers, so that a bad value is refused in the same words wherever it stands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::gpu::ChildOptions;

/// Watches this host and its model servers, and tells the collector.
///
/// Each option can also stand in the environment (HERDBOOK_COLLECTOR, HERDBOOK_STATE_DIR, …; lists
/// are separated by commas) or in the file that --config names (collector = "…", state_dir = "…").
/// A flag wins over the environment, the environment over the file.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "herdbook-agent", version, args_conflicts_with_subcommands = true)]
pub struct Flags {
    /// The collector's address [default: the one that was joined, else one on this machine
    /// (http://127.0.0.1:6121), else one that is found]
    #[arg(long, value_name = "URL")]
    pub collector: Option<OsString>,
    /// auto: where no collector is known, look for one by DNS and mDNS; off: do not [default: auto]
    #[arg(long, value_name = "WAY")]
    pub discovery: Option<OsString>,
    /// A file with a join line, used while no collector was joined
    #[arg(long, value_name = "FILE")]
    pub join_file: Option<OsString>,
    /// A TOML file with the same keys as these flags
    #[arg(long, value_name = "FILE")]
    pub config: Option<OsString>,
    /// Where this host's identity is kept [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/herdbook/agent, else ~/.local/state/herdbook/agent]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<OsString>,
    /// How often to sample, 1s to 10m [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<OsString>,
    /// The host's name for people [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<OsString>,
    /// What the host is for, a free word [default: worker]
    #[arg(long, value_name = "WORD")]
    pub role: Option<OsString>,
    /// A label of the host; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<OsString>,
    /// Where the host's file system is mounted, for an agent in a container, such as /host; its
    /// proc and sys are read instead of the container's [default: /]
    #[arg(long, value_name = "PATH")]
    pub host_root: Option<OsString>,
    /// The NVIDIA management library, where it is not the system's
    #[arg(long, value_name = "PATH")]
    pub nvml_lib: Option<OsString>,
    /// An Ollama on this host to watch besides those found; may be repeated
    #[arg(long, value_name = "URL")]
    pub ollama: Vec<OsString>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<OsString>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<OsString>,
    /// Print one inventory and one sample as JSON and exit; needs no collector
    #[arg(long)]
    pub once: bool,
    /// What else the program is.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else the program is.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Join a collector with the line that it printed, read from stdin
    Join(JoinOptions),
    /// The child that talks to the GPU driver, so that a wedged driver wedges nothing else
    #[command(hide = true)]
    Gpu(ChildOptions),
}

/// How to join.
#[derive(Clone, Debug, Default, Args)]
pub struct JoinOptions {
    /// Read the join line from this file instead of stdin
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Make this machine a host of its own first: for one that was cloned from another
    #[arg(long)]
    pub new_identity: bool,
    /// A TOML file with the agent's settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<OsString>,
    /// The agent's state directory [default: as the agent's]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<OsString>,
    /// The host's name for people [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<OsString>,
}

impl JoinOptions {
    /// The flags of the agent that joins.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            name: self.name.clone(),
            ..Flags::default()
        }
    }
}
