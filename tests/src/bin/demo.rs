//! Shows what Herdbook does on a machine without hardware: a collector, and a simulated fleet.

use std::error::Error as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use herdbook_tests::demo::{Demo, DemoError, Pace};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A collector and a fleet of simulated hosts, until Ctrl-C. Nothing of it is kept.
#[derive(Debug, Parser)]
#[command(name = "herdbook-demo", version)]
struct Arguments {
    /// How many hosts there are.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hosts: u32,
    /// From what everything follows: the same seed is the same fleet, to which the same happens.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Where the page is; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:6131")]
    listen: SocketAddr,
    /// How many times faster things happen. Samples still come once a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    speed: u32,
    /// Nothing happens but that values move: one host is offline, one has lost a GPU, one is hot,
    /// one model differs in its digest, and all of it stays so.
    #[arg(long)]
    still: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            // Where stderr is gone, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "herdbook-demo: {error}{source}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), DemoError> {
    let demo = Demo {
        listen: arguments.listen,
        n_hosts: arguments.hosts as usize,
        seed: arguments.seed,
        speed: arguments.speed,
        pace: if arguments.still { Pace::Still } else { Pace::Alive },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(DemoError::Folder)?.block_on(async {
        let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = signals.map(signal);
        let [mut interrupt, mut terminate, mut hangup]: [Signal; 3] = [
            interrupt.map_err(DemoError::Folder)?,
            terminate.map_err(DemoError::Folder)?,
            hangup.map_err(DemoError::Folder)?,
        ];
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        };
        demo.run(stop, &mut std::io::stdout()).await
    })
}
