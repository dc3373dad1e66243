//! One real program as a process of its own: started, signalled, ended. Its output goes to files,
//! whose last lines are printed when a story fails.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

/// How many lines of a program's log a failing story prints.
const TAIL_LINES: usize = 40;

/// A running program. Dropping it kills it, and whatever it started.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    pid: Pid,
    out: PathBuf,
    log: PathBuf,
}

/// The built program `name`, which lies beside the running test or program.
///
/// # Panics
///
/// Where it has not been built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of the running test");
    let directory = own.parent().expect("a directory around the running test");
    let directory = match directory.file_name() {
        Some(deps) if deps == "deps" => directory.parent().expect("a directory around deps"),
        _ => directory,
    };
    let path = directory.join(name);
    assert!(path.exists(), "{} is not built: run `make test`", path.display());
    path
}

/// A command with an environment of its own, so that nothing around the tests leaks in.
#[must_use]
pub fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("RUST_BACKTRACE", "1");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

impl Program {
    /// Starts `command`; its output goes to `{directory}/{name}.out` and `.log`.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, directory: &Path) -> Self {
        let out = directory.join(format!("{name}.out"));
        let log = directory.join(format!("{name}.log"));
        let open = |path: &Path| File::create(path).expect("a file for the program's output");
        // A group of its own, so that what it starts can be ended with it.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
        command.stdout(open(&out)).stderr(open(&log));
        let child = command.spawn().unwrap_or_else(|e| panic!("failed to start {name}: {e}"));
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.expect("a process id");
        Self { name: name.to_owned(), child, pid, out, log }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if self.child.id().is_some() {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub async fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// The same for it and all that it started.
    pub async fn kill9_all(&mut self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// Where it still runs after `within`.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => status.expect("the status of a child"),
            Err(_) => panic!("{} still runs after {within:?}", self.name),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to stdout.
    #[must_use]
    pub fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it wrote to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log, for a failing story.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        let mut text = format!("--- last lines of {} ---\n", self.name);
        for line in tail {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::stderr().write_all(self.log_tail().as_bytes());
        }
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }
}
