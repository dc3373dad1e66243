//! A collector and its agents, each a real program with a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::{AbortHandle, JoinSet};

use super::curl::Curl;
use super::program::{Program, built, command};
use super::rest::Rest;
use super::viewer::Viewer;
use super::wait::eventually;
use crate::swarm::{SimulatedAgent, SimulatedHost};

/// How long a program may take to start on a machine that is busy with other stories.
const START: Duration = Duration::from_secs(30);

/// The collector's settings in the fleet's directory.
pub(super) const SETTINGS: &str = "collector.toml";

/// One collector, and where its agents keep their state.
#[derive(Debug)]
pub struct Fleet {
    // Programs go before the directory that they write to.
    collector: Program,
    address: SocketAddr,
    simulated: JoinSet<()>,
    dir: TempDir,
}

/// How an agent is to be started.
#[derive(Debug)]
pub struct AgentSetup {
    name: String,
    state_dir: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    name: String,
    state_dir: PathBuf,
    program: Program,
}

impl Fleet {
    /// Starts a collector with an empty data directory, and no agent.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts one with these lines of TOML as its settings, which it keeps when it is started anew.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start_with(settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join(SETTINGS), settings).expect("a file of settings");
        let (collector, address) = start_collector(dir.path(), "127.0.0.1:0").await;
        Self { collector, address, simulated: JoinSet::new(), dir }
    }

    /// Where the collector listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The collector's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A directory that goes with the fleet.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The collector's process.
    #[must_use]
    pub fn collector(&mut self) -> &mut Program {
        &mut self.collector
    }

    /// Starts the collector anew, on the same port and data.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn restart_collector(&mut self) {
        self.collector.kill9().await;
        let listen = self.address.to_string();
        (self.collector, self.address) = start_collector(self.dir.path(), &listen).await;
    }

    /// A client of the collector's REST interface.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest::new(&self.url())
    }

    /// curl, to ask the collector.
    #[must_use]
    pub fn curl(&self) -> Curl {
        Curl::new(&self.url(), self.dir.path())
    }

    /// A viewer of the full feed.
    pub async fn viewer(&self) -> Viewer {
        Viewer::open(self.address, "full").await
    }

    /// An agent to be set up and started; `name` is its host's name.
    #[must_use]
    pub fn agent(&self, name: &str) -> AgentSetup {
        let state_dir = self.dir.path().join(format!("agent-{name}"));
        let arguments = vec!["--collector".to_owned(), self.url()];
        let environment = vec![("HERDBOOK_NAME".to_owned(), name.to_owned())];
        AgentSetup { name: name.to_owned(), state_dir, arguments, environment }
    }

    /// A viewer of the summary feed, as the page has it.
    pub async fn page(&self) -> Viewer {
        Viewer::open(self.address, "summary").await
    }

    /// Joins a simulated agent, which samples and redials until the fleet goes or it is refused, or
    /// until what is returned is aborted, which ends it as a crash would.
    ///
    /// # Panics
    ///
    /// Where the collector does not take it in.
    pub async fn simulate(&mut self, host: SimulatedHost) -> AbortHandle {
        let joined = SimulatedAgent::join(self.address, host).await;
        let mut agent = joined.unwrap_or_else(|error| panic!("the agent did not join: {error}"));
        agent.send_inventory().await.expect("an open session");
        let collector = self.address;
        self.simulated.spawn(async move { drop(agent.persist(collector).await) })
    }

    /// Waits until the host of this name is listed and online, and returns it.
    ///
    /// # Panics
    ///
    /// When [`START`] is over.
    pub async fn host_online(&self, name: &str) -> Value {
        let rest = self.rest();
        let look = async || {
            let hosts = rest.hosts().await;
            let online = |host: &&Value| host["name"] == name && host["status"] == "online";
            hosts.iter().find(online).cloned().ok_or_else(|| format!("{hosts:?}"))
        };
        eventually(&format!("host {name} online"), START, look).await
    }

    /// Waits until the host of this name is online, and returns its id.
    ///
    /// # Panics
    ///
    /// As [`Fleet::host_online`].
    pub async fn id_of(&self, name: &str) -> String {
        self.host_online(name).await["id"].as_str().expect("an id").to_owned()
    }
}

pub(super) async fn start_collector(dir: &Path, listen: &str) -> (Program, SocketAddr) {
    let mut command = command(&built("herdbook-collector"), dir);
    command.args(["--listen", listen, "--data-dir"]).arg(dir.join("data"));
    command.arg("--config").arg(dir.join(SETTINGS));
    let mut collector = Program::start("collector", command, dir);
    let listening = async || {
        assert!(collector.is_running(), "the collector ended: {}", collector.log_tail());
        listening_on(&collector.out()).ok_or_else(|| format!("stdout {:?}", collector.out()))
    };
    let address = eventually("the collector's ready line", START, listening).await;
    (collector, address)
}

/// The address in the line `listening on http://127.0.0.1:6121`, or `https://`.
fn listening_on(out: &str) -> Option<SocketAddr> {
    let lines = out.lines().filter_map(|line| line.strip_prefix("listening on http"));
    let lines = lines.filter_map(|line| line.trim_start_matches('s').strip_prefix("://"));
    lines.filter_map(|address| address.trim_end_matches('/').parse().ok()).next()
}

impl AgentSetup {
    /// Dials this address for the collector, of a relay before it, say.
    #[must_use]
    pub fn through(mut self, address: SocketAddr) -> Self {
        self.arguments = vec!["--collector".to_owned(), format!("http://{address}")];
        self
    }

    /// What `OLLAMA_HOST` says in the agent's environment.
    #[must_use]
    pub fn ollama_host(self, value: &str) -> Self {
        self.env("OLLAMA_HOST", value)
    }

    /// A server that a person names.
    #[must_use]
    pub fn ollama(mut self, url: &str) -> Self {
        self.arguments.push(format!("--ollama={url}"));
        self
    }

    /// Where the GPU library lies.
    #[must_use]
    pub fn nvml_lib(mut self, path: &Path) -> Self {
        self.arguments.push(format!("--nvml-lib={}", path.display()));
        self
    }

    /// A variable of the agent's environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts it with a copy of another agent's state, as a copied machine would have.
    ///
    /// # Panics
    ///
    /// Where the copy fails.
    #[must_use]
    pub fn with_state_of(self, other: &Agent) -> Self {
        std::fs::create_dir_all(&self.state_dir).expect("a state directory");
        let entries = std::fs::read_dir(&other.state_dir).expect("the other's state");
        for entry in entries.map(|entry| entry.expect("an entry of the other's state")) {
            let to = self.state_dir.join(entry.file_name());
            std::fs::copy(entry.path(), to).expect("a copy of the other's state");
        }
        self
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Agent {
        let dir = self.state_dir.parent().expect("the fleet's directory");
        let mut command = command(&built("herdbook-agent"), dir);
        command.args(&self.arguments).arg("--state-dir").arg(&self.state_dir);
        command.envs(self.environment);
        let program = Program::start(&format!("agent-{}", self.name), command, dir);
        Agent { name: self.name, state_dir: self.state_dir, program }
    }
}

impl Agent {
    /// Its host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Kills it as a crash would.
    pub async fn kill9(&mut self) {
        self.program.kill9().await;
    }

    /// Stops it where it stands; it neither reads nor writes until [`Agent::cont`].
    pub fn freeze(&self) {
        self.program.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn cont(&self) {
        self.program.signal(Signal::CONT);
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.program.signal(Signal::TERM);
    }
}
