//! Simulates a fleet of agents against a running collector, and prints what came of it as JSON.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use herdbook_tests::swarm::load::{Load, Outcome, Speech};

/// A fleet of simulated agents in one process.
#[derive(Debug, Parser)]
#[command(name = "herdbook-swarm", version)]
struct Arguments {
    /// The collector, `http://127.0.0.1:6121` or `127.0.0.1:6121`.
    #[arg(long, value_parser = address)]
    collector: SocketAddr,
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

fn run(arguments: &Arguments) -> std::io::Result<Outcome> {
    let load = Load {
        collector: arguments.collector,
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
