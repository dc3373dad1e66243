//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::TlsTask;
use crate::control::{HostAsk, PersonAsk, TokenAsk};

/// The register of a fleet of GPU hosts: who is in it, where they are, how they do.
///
/// Each setting is taken from its flag, else from its environment variable, else from the file,
/// else from its default.
#[derive(Debug, Parser)]
#[command(name = "herdbook-collector", version)]
pub(super) struct Flags {
    /// Listen here; may be repeated [env: HERDBOOK_LISTEN, comma-separated] [default: 127.0.0.1:6121]
    #[arg(long, value_name = "ADDR", global = true)]
    pub(super) listen: Vec<String>,
    /// Keep the database here [env: HERDBOOK_DATA_DIR] [default: ~/.local/state/herdbook/collector]
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Read settings from this TOML file [env: HERDBOOK_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Also answer under this host name; may be repeated [env: HERDBOOK_PUBLIC_NAME, comma-separated]
    #[arg(long, value_name = "HOST", global = true)]
    pub(super) public_name: Vec<String>,
    /// Say this above everything on the page, "staging" for instance [env: HERDBOOK_NOTICE]
    #[arg(long, value_name = "TEXT", global = true)]
    pub(super) notice: Option<String>,
    /// Log from this level on [env: HERDBOOK_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(super) log_level: Option<String>,
    /// Log as text or json [env: HERDBOOK_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(super) log_format: Option<String>,
    #[command(subcommand)]
    pub(super) task: Option<Task>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Check the configuration, say what each setting is and who said so, and start nothing
    CheckConfig,
    /// Write the database to a file, while the collector runs or not
    Backup {
        /// The file to write
        file: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Put a backup in the place of the database, which is kept beside it; the collector must not run
    Restore {
        /// The file that `backup` wrote
        file: PathBuf,
    },
    /// Make, list and revoke tokens of the collector that runs
    #[command(subcommand)]
    Token(TokenAsk),
    /// List hosts that want to join the collector that runs; approve and revoke them
    #[command(subcommand)]
    Host(HostAsk),
    /// Add, list and remove people who sign in to the collector that runs
    #[command(subcommand)]
    Person(PersonAsk),
    /// Tell who did what on the collector that runs, the last 100 deeds
    Audit {
        /// Go through the whole log instead, and say whether it is whole
        #[arg(long)]
        verify: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a test alert to each [notify.NAME] of the configuration, and say what came back
    NotifyTest {
        /// Only to this one
        name: Option<String>,
    },
    /// Look after the key with which the collector speaks TLS
    Tls {
        #[command(subcommand)]
        task: KeyTask,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyTask {
    /// Say by which pins the collector is known, and until when its certificate is valid
    Show,
    /// Make the next key, whose pin is announced beside the current one's
    Rotate,
    /// Put the next key in the place of the current one
    Activate,
}

impl From<KeyTask> for TlsTask {
    fn from(task: KeyTask) -> Self {
        match task {
            KeyTask::Show => Self::Show,
            KeyTask::Rotate => Self::Rotate,
            KeyTask::Activate => Self::Activate,
        }
    }
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Flags, clap::Error> {
    Flags::try_parse_from(args)
}
