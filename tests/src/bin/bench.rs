//! Measures both programs as they are shipped, and prints the figures as JSON, each beside the
//! raw limit of the same machine in the same run. The machine should have nothing else to do.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use herdbook_tests::harness::program::command;
use herdbook_tests::harness::{Fleet, Program, eventually};
use herdbook_tests::swarm::limit;
use herdbook_tests::swarm::load::{Cost, Load, Speech};
use herdbook_tests::swarm::usage::{Memory, memory, threads_cpu_time};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How long a program may take to start.
const START: Duration = Duration::from_secs(10);

/// How long an agent runs before it is measured: the first minute's probes are not idling.
const SETTLE: Duration = Duration::from_secs(10);

/// Measures agent and collector.
#[derive(Debug, Parser)]
#[command(name = "herdbook-bench", version)]
struct Arguments {
    /// How long to measure each, seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many simulated agents the collector gets, at 1 Hz.
    #[arg(long, default_value_t = 1000)]
    hosts: u32,
    #[command(subcommand)]
    limit: Option<Limit>,
}

/// The raw limits, run as programs of their own by the bench.
#[derive(Debug, Subcommand)]
enum Limit {
    /// Reads and throws away.
    Sink,
    /// Reads a sample's files once a second and sends as many bytes.
    Source {
        /// Where the sink listens.
        sink: SocketAddr,
    },
}

/// What an idle agent uses.
#[derive(Debug, Serialize)]
struct Idle {
    cpu_percent: f64,
    memory: Memory,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "herdbook-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.limit {
        Some(Limit::Sink) => runtime.block_on(limit::sink(|address| {
            let _ = writeln!(std::io::stdout(), "{address}");
        })),
        Some(Limit::Source { sink }) => runtime.block_on(limit::source(sink)),
        None => {
            let figures = runtime.block_on(measure(arguments))?;
            writeln!(std::io::stdout(), "{figures:#}")
        }
    }
}

async fn measure(arguments: &Arguments) -> std::io::Result<Value> {
    let measured = Duration::from_secs(arguments.seconds);
    let dir = tempfile::tempdir()?;
    let sink = Limits::start(dir.path()).await;
    Ok(json!({
        "hosts": arguments.hosts,
        "seconds": arguments.seconds,
        "agent": agent(measured).await?,
        "agent_raw_limit": sink.source(measured).await?,
        "collector": collector(arguments.hosts, measured).await?,
        "collector_raw_limit": sink.cost(arguments.hosts, measured).await?,
    }))
}

/// This machine's agent at 1 Hz, without GPUs.
async fn agent(measured: Duration) -> std::io::Result<Idle> {
    let fleet = Fleet::start().await;
    let mut agent = fleet.agent("bench").start();
    fleet.host_online("bench").await;
    idle(agent.program().pid(), measured).await
}

async fn idle(pid: u32, measured: Duration) -> std::io::Result<Idle> {
    sleep(SETTLE).await;
    let (started, before) = (Instant::now(), threads_cpu_time(pid)?);
    sleep(measured).await;
    let used = threads_cpu_time(pid)?.saturating_sub(before);
    let cpu_percent = 100.0 * used.as_secs_f64() / started.elapsed().as_secs_f64();
    Ok(Idle { cpu_percent, memory: memory(pid)? })
}

async fn collector(n_hosts: u32, measured: Duration) -> std::io::Result<Cost> {
    let mut fleet = Fleet::start().await;
    let load = load(fleet.address(), Speech::Wire, n_hosts, measured);
    cost(Load { collector_pid: Some(fleet.collector().pid()), ..load }).await
}

fn load(collector: SocketAddr, speech: Speech, n_hosts: u32, measured: Duration) -> Load {
    Load {
        collector,
        speech,
        n_hosts,
        interval: Duration::from_secs(1),
        n_gpus: 2,
        n_models: 10,
        ramp: Duration::from_secs(5),
        measured,
        collector_pid: None,
    }
}

async fn cost(load: Load) -> std::io::Result<Cost> {
    let n_hosts = u64::from(load.n_hosts);
    let outcome = load.run().await?;
    if outcome.connected != n_hosts {
        let why = outcome.first_error.unwrap_or_default();
        let text = format!("{} of {n_hosts} connected: {why}", outcome.connected);
        return Err(std::io::Error::other(text));
    }
    outcome.cost.ok_or_else(|| std::io::Error::other("no process was measured"))
}

/// The raw limits as processes.
struct Limits<'a> {
    sink: Program,
    address: SocketAddr,
    dir: &'a Path,
}

impl<'a> Limits<'a> {
    async fn start(dir: &'a Path) -> Self {
        let sink = program("sink", &["sink"], dir);
        let address = async || sink.out().trim().parse().map_err(|_| sink.out());
        let address = eventually("the sink's address", START, address).await;
        Self { sink, address, dir }
    }

    async fn source(&self, measured: Duration) -> std::io::Result<Idle> {
        let source = program("source", &["source", &self.address.to_string()], self.dir);
        idle(source.pid(), measured).await
    }

    async fn cost(&self, n_hosts: u32, measured: Duration) -> std::io::Result<Cost> {
        let load = load(self.address, Speech::Bytes, n_hosts, measured);
        cost(Load { collector_pid: Some(self.sink.pid()), ..load }).await
    }
}

fn program(name: &str, arguments: &[&str], dir: &Path) -> Program {
    let own = std::env::current_exe().expect("the path of this program");
    let mut command = command(&own, dir);
    command.args(arguments);
    Program::start(name, command, dir)
}
