//! A program that keeps a herd, run under strace.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Program, Rest, eventually};
use tempfile::TempDir;
use tokio::process::Command;

/// A database of the present format with two hosts, which are not connected.
const HERD: &[u8] = include_bytes!("../../../collector/fixtures/state/v3.db");

const START: Duration = Duration::from_secs(60);

/// A directory for a program and its data.
pub(super) struct Place(TempDir);

impl Place {
    /// One without any data.
    pub(super) fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("data")).expect("a data directory");
        Self(dir)
    }

    /// One with a copy of this data.
    pub(super) fn with_copy(data: &Path) -> Self {
        let place = Self::empty();
        for entry in std::fs::read_dir(data).expect("data") {
            let path = entry.expect("an entry of it").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                std::fs::copy(&path, place.data().join(name)).expect("a copy");
            }
        }
        place
    }

    /// One with two hosts in it.
    pub(super) fn with_herd() -> Self {
        let place = Self::empty();
        std::fs::write(place.database(), HERD).expect("a database");
        place
    }

    pub(super) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.data().join("state.db")
    }

    /// Starts a program on the data under strace.
    pub(super) fn start(&self, program: &str, strace: &[String], arguments: &[&str]) -> Traced {
        let mut command = command(Path::new("strace"), self.dir());
        command.args(["-f", "-qq"]).args(strace).arg(built(program));
        self.run(command, arguments)
    }

    /// Starts a program on the data.
    pub(super) fn start_plain(&self, program: &str, arguments: &[&str]) -> Traced {
        self.run(command(&built(program), self.dir()), arguments)
    }

    fn run(&self, mut command: Command, arguments: &[&str]) -> Traced {
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(self.data()).args(arguments);
        Traced(Program::start("traced", command, self.dir()))
    }
}

/// A running program.
pub(super) struct Traced(pub(super) Program);

impl Traced {
    /// Who answers there; `None` where it ended before it listened.
    pub(super) async fn listening(&mut self) -> Option<Rest> {
        self.reached().await.map(|address| Rest::new(&format!("http://{address}")))
    }

    /// Where it listens; `None` where it ended before.
    pub(super) async fn reached(&mut self) -> Option<SocketAddr> {
        let told = async || {
            if let Some(address) = address(&self.0.out()) {
                return Ok(Some(address));
            }
            if self.0.is_running() { Err(self.0.log_tail()) } else { Ok(None) }
        };
        eventually("the program listens, or ends", START, told).await
    }
}

fn address(out: &str) -> Option<SocketAddr> {
    let lines = out.lines().filter_map(|line| line.strip_prefix("listening on http"));
    let lines = lines.filter_map(|line| line.trim_start_matches('s').strip_prefix("://"));
    lines.filter_map(|address| address.trim_end_matches('/').parse().ok()).next()
}
