//! The collector of the demo: the real program, as a process of its own, with its data in a folder
//! that goes with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::DemoError;

/// The program, which lies beside this one.
const PROGRAM: &str = "herdbook-collector";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end.
const END: Duration = Duration::from_secs(10);
/// What the page says.
const NOTICE: &str = "A demo: these hosts are simulated, and nothing here is kept.";

/// See the module's words.
#[derive(Debug)]
pub(super) struct Collector {
    child: Child,
    address: SocketAddr,
    /// What it still has to say; it would end if nobody could read it.
    _out: Lines<BufReader<ChildStdout>>,
}

impl Collector {
    /// Starts it on `listen`, with settings and data in `dir`.
    pub(super) async fn start(
        listen: SocketAddr,
        dir: &Path,
        speed: u32,
    ) -> Result<Self, DemoError> {
        let config = dir.join("collector.toml");
        std::fs::write(&config, settings(speed)).map_err(DemoError::Folder)?;
        let program = beside()?;
        let mut command = Command::new(&program);
        // What is meant for another collector does not reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HERDBOOK_") {
                command.env_remove(name);
            }
        }
        command.arg("--listen").arg(listen.to_string());
        command.arg("--data-dir").arg(dir.join("data")).arg("--config").arg(&config);
        command.args(["--notice", NOTICE, "--log-level", "warn"]);
        // In the demo's own process group: what ends all of that reaches it as well.
        command.kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let starting = |source| DemoError::Start { program: program.clone(), source };
        let mut child = command.spawn().map_err(starting)?;
        let out =
            child.stdout.take().ok_or_else(|| starting(std::io::Error::other("no stdout")))?;
        let mut out = BufReader::new(out).lines();
        match timeout(START, listening(&mut out)).await {
            Ok(Some(address)) => Ok(Self { child, address, _out: out }),
            Ok(None) => Err(DemoError::Refused(child.wait().await.map_err(starting)?)),
            Err(_) => Err(DemoError::Slow),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end, and waits for it.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // Where it is gone already, there is nothing to end.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn beside() -> Result<PathBuf, DemoError> {
    let own = std::env::current_exe().map_err(DemoError::Folder)?;
    Ok(own.with_file_name(PROGRAM))
}

/// The address in the line `listening on http://127.0.0.1:6131`; `None` where it ends without one.
async fn listening(out: &mut Lines<BufReader<ChildStdout>>) -> Option<SocketAddr> {
    while let Some(line) = out.next_line().await.ok()? {
        let address = line.strip_prefix("listening on http://").map(|it| it.trim_end_matches('/'));
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            return Some(address);
        }
    }
    None
}

/// The collector's deadlines run as fast as the fleet, as far as a sample a second allows.
fn settings(speed: u32) -> String {
    let s = |seconds: f64, at_least: f64| (seconds / f64::from(speed)).max(at_least);
    format!(
        "[liveness]\nstale_after_s = {}\noffline_after_s = {}\nclosed_stale_after_s = {}\n\
         upgrade_after_s = {}\nmass_window_s = {}\n\
         [checks]\ninterval_s = 10\ndeadline_s = 3\ndown_after_s = {}\njudge_every_s = {}\n\
         [alerts.gpu_hot]\nfor_s = {}\n[alerts.host_offline]\nfor_s = {}\n",
        s(15.0, 3.0),
        s(45.0, 6.0),
        s(10.0, 2.0),
        s(60.0, 6.0),
        s(60.0, 6.0),
        s(60.0, 5.0),
        s(10.0, 1.0),
        s(60.0, 0.0),
        s(90.0, 0.0),
    )
}
