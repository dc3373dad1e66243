//! A collector that demands credentials of everybody, over TLS on loopback, and what an admin on
//! its machine asks of it over its control socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use herdbook_collector::serve::{CONTROL_HOST, connect_control};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::program::{built, command};
use crate::harness::{Program, eventually};

const SETTINGS: &str = "auth = \"required\"\n[tls]\nloopback = true\n";

/// How long it may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not of those that the kernel gives to whoever dials: ten thousand agents that dial a collector
/// that is gone would take its port sooner or later.
const PORTS: std::ops::Range<u16> = 7300..7400;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Collector {
    // The program goes before the directory that it writes to.
    program: Program,
    address: SocketAddr,
    dir: TempDir,
}

impl Collector {
    pub(super) async fn start() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("collector.toml"), SETTINGS)?;
        let free = PORTS.into_iter().find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let address = free.ok_or(io::ErrorKind::AddrInUse)?.local_addr()?;
        let program = run(dir.path(), address).await;
        Ok(Self { program, address, dir })
    }

    pub(super) fn pid(&self) -> u32 {
        self.program.pid()
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        data_dir(self.dir.path())
    }

    /// Ends it, so or so.
    pub(super) async fn end(&mut self, signal: Signal) {
        self.program.signal(signal);
        self.program.exit(PATIENCE).await;
    }

    /// Starts it anew, on the same port and data.
    pub(super) async fn restart(&mut self) {
        self.program = run(self.dir.path(), self.address).await;
    }

    /// A line by which so many agents may join.
    pub(super) async fn line(&self, uses: u32) -> io::Result<JoinLine> {
        let mut command = command(&built("herdbook-collector"), self.dir.path());
        command.arg("--data-dir").arg(self.data_dir());
        command.args(["token", "create", "--uses", &uses.to_string()]);
        let told = command.output().await?;
        let text = String::from_utf8_lossy(&told.stdout);
        JoinLine::parse(&text).map_err(|error| {
            let why = String::from_utf8_lossy(&told.stderr);
            io::Error::other(format!("no join line: {error}: {why}"))
        })
    }

    /// What `GET {path}` answers over the control socket.
    pub(super) async fn ask(&self, path: &str) -> io::Result<Value> {
        let mut stream = connect_control(&self.data_dir()).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {CONTROL_HOST}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if !head.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(format!("GET {path}: {head}: {body}")));
        }
        Ok(serde_json::from_str(body)?)
    }
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

async fn run(dir: &Path, listen: SocketAddr) -> Program {
    let mut command = command(&built("herdbook-collector"), dir);
    command.args(["--listen", &listen.to_string(), "--data-dir"]).arg(data_dir(dir));
    command.arg("--config").arg(dir.join("collector.toml"));
    let mut program = Program::start("collector", command, dir);
    let listening = async || {
        assert!(program.is_running(), "the collector ended: {}", program.log_tail());
        let out = program.out();
        if out.contains("listening on https://") { Ok(()) } else { Err(format!("stdout {out:?}")) }
    };
    eventually("the collector's ready line", PATIENCE, listening).await;
    program
}
