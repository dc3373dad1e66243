//! Simulates a fleet of agents against a running collector, and prints what came of it as JSON.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use herdbook_agent::enrol::JoinLine;
use herdbook_tests::swarm::limit;
use herdbook_tests::swarm::load::{Load, Outcome, Speech};

/// A join line is shorter.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A fleet of simulated agents in one process.
#[derive(Debug, Parser)]
#[command(name = "herdbook-swarm", version)]
struct Arguments {
    /// The collector, `http://127.0.0.1:6121` or `127.0.0.1:6121`.
    #[arg(long, value_parser = address, required_unless_present = "join")]
    collector: Option<SocketAddr>,
    /// The file with the line by which they join, over TLS and with keys of their own; - is stdin.
    /// Its token has to allow as many uses as there are hosts that are new.
    #[arg(long, value_name = "FILE", conflicts_with = "collector")]
    join: Option<PathBuf>,
    /// How many hosts to simulate.
    #[arg(long, default_value_t = 1000)]
    hosts: u32,
    /// How often each host sends a sample, milliseconds.
    #[arg(long, default_value_t = 1000)]
    rate_ms: u64,
    /// GPUs of each host.
    #[arg(long, default_value_t = 2)]
    gpus: u32,
    /// Models of each host.
    #[arg(long, default_value_t = 10)]
    models: u32,
    /// How long to measure, seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Over how long the hosts join, seconds.
    #[arg(long, default_value_t = 5)]
    ramp_s: u64,
    /// The collector's process, to measure what it uses.
    #[arg(long)]
    collector_pid: Option<u32>,
}

fn address(text: &str) -> Result<SocketAddr, std::net::AddrParseError> {
    text.trim_start_matches("http://").trim_end_matches('/').parse()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(&arguments);
    let (text, code) = match outcome {
        Ok(outcome) => {
            let whole = outcome.connected == u64::from(outcome.hosts);
            let text = serde_json::to_string_pretty(&outcome).unwrap_or_default();
            (text, if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => (format!("{{\"error\":{:?}}}", error.to_string()), ExitCode::FAILURE),
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The line is a secret: it is never an argument.
fn line(path: &Path) -> std::io::Result<JoinLine> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(LINE_BYTES_MAX).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(LINE_BYTES_MAX).read_to_string(&mut text)?;
    }
    JoinLine::parse(&text).map_err(std::io::Error::other)
}

fn run(arguments: &Arguments) -> std::io::Result<Outcome> {
    limit::raise_open_files()?;
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let join = arguments.join.as_deref().map(line).transpose()?.map(Arc::new);
    let load = Load {
        collector: arguments.collector.unwrap_or(nowhere),
        join,
        speech: Speech::Wire,
        n_hosts: arguments.hosts,
        interval: Duration::from_millis(arguments.rate_ms),
        n_gpus: arguments.gpus,
        n_models: arguments.models,
        ramp: Duration::from_secs(arguments.ramp_s),
        measured: Duration::from_secs(arguments.seconds),
        collector_pid: arguments.collector_pid,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(load.run())
}
