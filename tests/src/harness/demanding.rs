//! A collector that demands credentials, asked by its command line and its control socket, and the
//! hosts that join it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::fleet::{SETTINGS, start_collector};
use super::program::{Program, built, command};
use super::rest::Rest;
use super::wait::eventually;

/// How long a program may take to start, or a host to join, on a machine that is busy.
const START: Duration = Duration::from_secs(30);
/// TLS and credentials also on loopback, so that a story needs no network of its own.
const ON_LOOPBACK: &str = "auth = \"required\"\n[tls]\nloopback = true\n";

/// See the module's words.
#[derive(Debug)]
pub struct Demanding {
    // The program goes before the directory that it writes to.
    collector: Program,
    address: SocketAddr,
    dir: TempDir,
}

/// What a command line said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// To stdout.
    pub out: String,
    /// To stderr.
    pub err: String,
}

/// A host that may join.
#[derive(Clone, Debug)]
pub struct Joiner {
    name: String,
    home: PathBuf,
    state_dir: PathBuf,
    /// What goes before the agent's own command line: `nsenter` into another network, say.
    before: Vec<String>,
}

impl Demanding {
    /// On loopback, where only join lines let hosts in.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with these lines of TOML before its other settings.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start_with(settings: &str) -> Self {
        Self::start_at("127.0.0.1:0", &format!("{settings}\n{ON_LOOPBACK}")).await
    }

    /// Listening there, with these settings alone.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start_at(listen: &str, settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join(SETTINGS), settings).expect("a file of settings");
        let (collector, address) = start_collector(dir.path(), listen).await;
        Self { collector, address, dir }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A directory that goes with the story.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Its process.
    pub fn collector(&mut self) -> &mut Program {
        &mut self.collector
    }

    /// Starts it anew, on the same port and data, after a crash.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn restart(&mut self) {
        self.collector.kill9().await;
        self.start_again().await;
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// Where it does not end.
    pub async fn stop(&mut self) {
        self.collector.signal(Signal::TERM);
        self.collector.exit(START).await;
    }

    /// Starts it once more after its end.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start_again(&mut self) {
        let listen = self.address.to_string();
        (self.collector, self.address) = start_collector(self.dir.path(), &listen).await;
    }

    /// Asks over the control socket, as an admin.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest::over_control(&self.data())
    }

    /// What `herdbook-collector {arguments}` says of this collector.
    ///
    /// # Panics
    ///
    /// Where it cannot be run.
    pub async fn ask(&self, arguments: &[&str]) -> Said {
        self.ask_with(arguments, "").await
    }

    /// The same with this on stdin.
    ///
    /// # Panics
    ///
    /// Where it cannot be run.
    pub async fn ask_with(&self, arguments: &[&str], stdin: &str) -> Said {
        let mut command = command(&built("herdbook-collector"), self.dir());
        command.args(arguments).arg("--data-dir").arg(self.data());
        command.arg("--config").arg(self.dir().join(SETTINGS));
        said(command, stdin).await
    }

    /// The same for what must not fail; what it prints.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub async fn told(&self, arguments: &[&str]) -> String {
        let said = self.ask(arguments).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }

    /// A new join line for one host.
    pub async fn join_line(&self) -> String {
        self.told(&["token", "create"]).await
    }

    /// A host that has not joined yet.
    #[must_use]
    pub fn host(&self, name: &str) -> Joiner {
        let state_dir = self.dir().join(format!("agent-{name}"));
        let home = self.dir().to_owned();
        Joiner { name: name.to_owned(), home, state_dir, before: Vec::new() }
    }

    /// A host that joins by a line of its own; its agent runs then.
    ///
    /// # Panics
    ///
    /// Where it does not join.
    pub async fn joined(&self, name: &str) -> (Joiner, Program) {
        let host = self.host(name);
        let said = host.join(&self.join_line().await, &[]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        let agent = host.start(&[]);
        self.online(name).await;
        (host, agent)
    }

    /// Waits until a host of this name is online, and returns it.
    ///
    /// # Panics
    ///
    /// When [`START`] is over.
    pub async fn online(&self, name: &str) -> Value {
        self.online_within(name, START).await
    }

    /// The same with a deadline of the story's.
    ///
    /// # Panics
    ///
    /// When it is over.
    pub async fn online_within(&self, name: &str, within: Duration) -> Value {
        let rest = self.rest();
        let look = async || {
            let hosts = rest.hosts().await;
            let online = |host: &&Value| host["name"] == name && host["status"] == "online";
            hosts.iter().find(online).cloned().ok_or_else(|| format!("{hosts:?}"))
        };
        eventually(&format!("host {name} online"), within, look).await
    }

    /// All keys of agents in this state, as the API tells them.
    ///
    /// # Panics
    ///
    /// Where the collector does not answer.
    pub async fn agents(&self, state: &str) -> Vec<Value> {
        let mut answer = self.rest().get(&format!("/api/v1/agents?state={state}")).await;
        match answer["agents"].take() {
            Value::Array(agents) => agents,
            other => panic!("expected a list of agents, got {other}"),
        }
    }

    /// Waits until exactly one key is in this state, and returns it.
    ///
    /// # Panics
    ///
    /// When [`START`] is over.
    pub async fn one_agent(&self, state: &str) -> Value {
        let look = async || match &self.agents(state).await[..] {
            [one] => Ok(one.clone()),
            others => Err(format!("{others:?}")),
        };
        eventually(&format!("one agent {state}"), START, look).await
    }
}

/// Runs a command line to its end, with this on stdin.
async fn said(mut command: Command, stdin: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("a program that is built");
    let mut pipe = child.stdin.take().expect("its stdin");
    // One that has refused already reads no more.
    let _ = pipe.write_all(stdin.as_bytes()).await;
    drop(pipe);
    let output = child.wait_with_output().await.expect("its end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Said { code: output.status.code(), out, err }
}

impl Joiner {
    /// Runs its programs through this command line: `nsenter` into another network, say.
    #[must_use]
    pub fn through(mut self, before: &[&str]) -> Self {
        self.before = before.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The same host with a state directory of another name, copied as it is: its clone.
    ///
    /// # Panics
    ///
    /// Where the copy fails.
    #[must_use]
    pub fn cloned_as(&self, name: &str) -> Self {
        let state_dir = self.home.join(format!("agent-{name}"));
        std::fs::create_dir(&state_dir).expect("a state directory");
        for entry in std::fs::read_dir(&self.state_dir).expect("the state of the original") {
            let entry = entry.expect("an entry of it");
            std::fs::copy(entry.path(), state_dir.join(entry.file_name())).expect("a copy of it");
        }
        Self { name: name.to_owned(), state_dir, ..self.clone() }
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// `herdbook-agent join` with this line on stdin.
    ///
    /// # Panics
    ///
    /// Where it cannot be run.
    pub async fn join(&self, line: &str, arguments: &[&str]) -> Said {
        let mut command = self.command();
        command.arg("join").args(["--name", &self.name]).args(arguments);
        command.arg("--state-dir").arg(&self.state_dir);
        said(command, line).await
    }

    /// Starts its agent.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Program {
        let mut command = self.command();
        command.args(["--name", &self.name]).args(arguments);
        command.arg("--state-dir").arg(&self.state_dir);
        Program::start(&format!("agent-{}", self.name), command, &self.home)
    }

    fn command(&self) -> Command {
        let agent = built("herdbook-agent");
        let Some((program, arguments)) = self.before.split_first() else {
            return command(&agent, &self.home);
        };
        let mut command = command(Path::new(program), &self.home);
        command.args(arguments).arg(agent);
        command
    }
}
