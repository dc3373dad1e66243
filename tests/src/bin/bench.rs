//! Measures both programs as they are shipped, and prints the figures, each beside the raw limit
//! of the same machine in the same run. The machine should have nothing else to do.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use herdbook_tests::asked::{self, Pace};
use herdbook_tests::enrolment;
use herdbook_tests::footprint::{self, Plan, bare};
use herdbook_tests::harness::program::command;
use herdbook_tests::harness::{Fleet, Program, eventually};
use herdbook_tests::registry::{self, counting::Counting};
use herdbook_tests::serving;
use herdbook_tests::swarm::limit;
use herdbook_tests::swarm::load::{Cost, Load, Speech};
use serde_json::{Value, json};

#[global_allocator]
static COUNTING: Counting = Counting;

/// How long a program may take to start.
const START: Duration = Duration::from_secs(10);

/// Measures agent and collector.
#[derive(Debug, Parser)]
#[command(name = "herdbook-bench", version)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What an agent costs its host, as a table.
    Footprint(Footprint),
    /// What look-ups, picks, services in memory and the sweep cost in process, as a table.
    Registry(InProcess),
    /// What a router's question costs over HTTP, as a table.
    Lookups(Lookups),
    /// What the collector does for many at once, as a table.
    Serving(Serving),
    /// How fast agents enrol over TLS, and how soon they are back after a restart, as a table.
    Enrolment(Enrolment),
    /// What agents cost the collector, as JSON.
    Collector(Collector),
    /// A raw limit, run by the bench: shakes hands over TLS as the collector does.
    #[command(hide = true)]
    Handshakes {
        /// The collector's data directory.
        data_dir: PathBuf,
    },
    /// A raw limit, run by the bench: reads what an agent reads, once a second.
    #[command(hide = true)]
    Bare,
    /// A raw limit, run by the bench: takes what agents send, and throws it away.
    #[command(hide = true)]
    Sink,
}

#[derive(Debug, Args)]
struct Footprint {
    /// In how many windows to measure each.
    #[arg(long, default_value_t = 3)]
    windows: u32,
    /// How long each window is, seconds.
    #[arg(long, default_value_t = 20)]
    window_s: u64,
    /// How long each runs before it is measured, seconds.
    #[arg(long, default_value_t = 20)]
    settle_s: u64,
    /// In this network namespace, with whatever listens here.
    #[arg(long)]
    here: bool,
}

#[derive(Debug, Args)]
struct InProcess {
    /// This part alone.
    #[arg(long)]
    only: Option<registry::Part>,
}

#[derive(Debug, Args)]
struct Lookups {
    /// Requests a second.
    #[arg(long, default_value_t = 5000)]
    per_second: u32,
    /// How long each window is, seconds.
    #[arg(long, default_value_t = 10)]
    window_s: u64,
}

#[derive(Debug, Args)]
struct Serving {
    /// This part alone.
    #[arg(long)]
    only: Option<serving::Part>,
}

#[derive(Debug, Args)]
struct Enrolment {
    /// How many agents.
    #[arg(long, default_value_t = 10_000)]
    agents: u32,
    /// How many of them enrol at the same time.
    #[arg(long, default_value_t = 200)]
    in_flight: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Collector {
    /// How long to measure, seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many simulated agents the collector gets, at 1 Hz.
    #[arg(long, default_value_t = 1000)]
    hosts: u32,
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
    match &arguments.what {
        Some(What::Sink) => runtime.block_on(limit::sink(ready)),
        Some(What::Bare) => {
            runtime.block_on(bare::read());
            Ok(())
        }
        Some(What::Footprint(footprint)) if footprint.here => {
            let rows = runtime.block_on(footprint::measure(footprint.plan(), bare_reader))?;
            writeln!(std::io::stdout(), "{}", footprint::table(&rows))
        }
        Some(What::Footprint(_)) => alone(std::env::args().skip(2)),
        Some(What::Registry(InProcess { only })) => in_process(*only),
        Some(What::Lookups(lookups)) => over_http(&runtime, lookups),
        Some(What::Serving(Serving { only })) => many_at_once(&runtime, *only),
        Some(What::Enrolment(enrolment)) => enrol(&runtime, enrolment),
        Some(What::Handshakes { data_dir }) => runtime.block_on(enrolment::shake(data_dir, ready)),
        Some(What::Collector(measured)) => tell(&runtime.block_on(collectors(measured))?),
        None => {
            alone(std::iter::empty())?;
            in_process(None)?;
            over_http(&runtime, &Lookups { per_second: 5000, window_s: 10 })?;
            many_at_once(&runtime, None)?;
            enrol(&runtime, &Enrolment { agents: 10_000, in_flight: 200, json: false })?;
            let measured = Collector { seconds: 60, hosts: 1000 };
            tell(&runtime.block_on(collectors(&measured))?)
        }
    }
}

/// The address of a raw limit, for whoever started it.
fn ready(address: SocketAddr) {
    let _ = writeln!(std::io::stdout(), "{address}");
}

fn in_process(only: Option<registry::Part>) -> std::io::Result<()> {
    let figures = only.map_or_else(registry::measure, registry::measure_part);
    writeln!(std::io::stdout(), "{}", registry::table(&figures))
}

fn over_http(runtime: &tokio::runtime::Runtime, lookups: &Lookups) -> std::io::Result<()> {
    let window = Duration::from_secs(lookups.window_s.max(1));
    let pace = Pace { per_second: lookups.per_second.max(1), window };
    let answered = runtime.block_on(asked::measure(pace))?;
    writeln!(std::io::stdout(), "{}", asked::table(&answered))
}

fn many_at_once(
    runtime: &tokio::runtime::Runtime,
    only: Option<serving::Part>,
) -> std::io::Result<()> {
    let rates = runtime.block_on(serving::measure(only))?;
    writeln!(std::io::stdout(), "{}", serving::table(&rates))
}

fn enrol(runtime: &tokio::runtime::Runtime, wanted: &Enrolment) -> std::io::Result<()> {
    let (n_agents, n_in_flight) = (wanted.agents, wanted.in_flight.max(1));
    limit::raise_open_files()?;
    let plan = enrolment::Plan { n_agents, n_in_flight };
    let shaking = |data_dir: &Path, dir: &Path| {
        let mut command = own(dir);
        command.arg("handshakes").arg(data_dir);
        Program::start("handshakes", command, dir)
    };
    let figures = runtime.block_on(enrolment::measure(plan, shaking))?;
    if wanted.json {
        return tell(&json!(figures));
    }
    writeln!(std::io::stdout(), "{}", enrolment::table(plan, &figures))
}

fn tell(figures: &Value) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{figures:#}")
}

impl Footprint {
    fn plan(&self) -> Plan {
        Plan {
            settle: Duration::from_secs(self.settle_s),
            n_windows: self.windows.max(1),
            window: Duration::from_secs(self.window_s.max(1)),
        }
    }
}

/// In a network namespace of its own, so that the idle agent finds nothing, whatever else listens
/// on this machine. Where this user may have none: here, and that is said.
fn alone(arguments: impl Iterator<Item = String>) -> std::io::Result<()> {
    const UNSHARE: [&str; 3] = ["--user", "--map-root-user", "--net"];
    const UP: &str = "ip link set lo up && exec \"$0\" \"$@\"";
    let may = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    let own = std::env::current_exe()?;
    let mut command = if may(Command::new("unshare").args(UNSHARE).args(["sh", "-c", UP, "true"])) {
        let mut command = Command::new("unshare");
        command.args(UNSHARE).args(["sh", "-c", UP]).arg(own);
        command
    } else {
        writeln!(std::io::stdout(), "no network namespace may be had: what listens here is seen")?;
        Command::new(own)
    };
    command.args(["footprint", "--here"]).args(arguments);
    if may(&mut command) { Ok(()) } else { Err(std::io::Error::other("the footprint failed")) }
}

fn bare_reader(dir: &Path) -> Program {
    program("bare", dir)
}

async fn collectors(measured: &Collector) -> std::io::Result<Value> {
    let (n_hosts, span) = (measured.hosts, Duration::from_secs(measured.seconds));
    Ok(json!({
        "hosts": n_hosts,
        "seconds": measured.seconds,
        "collector": collector(n_hosts, span).await?,
        "collector_raw_limit": sink(n_hosts, span).await?,
    }))
}

async fn collector(n_hosts: u32, measured: Duration) -> std::io::Result<Cost> {
    let mut fleet = Fleet::start().await;
    let load = load(fleet.address(), Speech::Wire, n_hosts, measured);
    cost(Load { collector_pid: Some(fleet.collector().pid()), ..load }).await
}

async fn sink(n_hosts: u32, measured: Duration) -> std::io::Result<Cost> {
    let dir = tempfile::tempdir()?;
    let sink = program("sink", dir.path());
    let address = async || sink.out().trim().parse().map_err(|_| sink.out());
    let address = eventually("the sink's address", START, address).await;
    let load = load(address, Speech::Bytes, n_hosts, measured);
    cost(Load { collector_pid: Some(sink.pid()), ..load }).await
}

fn load(collector: SocketAddr, speech: Speech, n_hosts: u32, measured: Duration) -> Load {
    Load {
        collector,
        join: None,
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

/// This program as another process, with one word.
fn program(word: &str, dir: &Path) -> Program {
    let mut command = own(dir);
    command.arg(word);
    Program::start(word, command, dir)
}

fn own(dir: &Path) -> tokio::process::Command {
    let own = std::env::current_exe().expect("the path of this program");
    command(&own, dir)
}
