//! Starts and stops the collector. Exit codes: 0 ended as asked, 1 failed, 2 cannot start as told.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use herdbook_collector::config::{self, Command, Config, Log, LogFormat};
use herdbook_collector::notify;
use herdbook_collector::run::{link_to, run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Threads for what takes over a millisecond. They bound how many answers over the whole fleet,
/// a hundred megabytes each at 10,000 hosts, are written at one time.
const POOL_THREADS: usize = 4;

/// The configuration cannot be used.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var_os(name);
    let done = match config::load(std::env::args_os(), &variable) {
        Ok(Command::Run(config)) => start(config),
        Ok(Command::CheckConfig(config)) => tell(&config).map_err(|error| failure(1, &error)),
        Ok(Command::NotifyTest(config, name)) => notify_test(&config, name.as_deref()),
        Ok(Command::Print(text)) => {
            io::stdout().write_all(text.as_bytes()).map_err(|error| failure(1, &error))
        }
        Err(error) => Err(failure(MISTAKE, &error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn start(config: Config) -> Result<(), ExitCode> {
    init_log(&config.log);
    // The database and its log hold what is nobody else's business.
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    raise_descriptor_limit();
    config::prepare(&config.data_dir).map_err(|error| failure(MISTAKE, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(POOL_THREADS)
        .build()
        .map_err(|error| failure(1, &error))?;
    runtime.block_on(run_until_signal(config))
}

async fn run_until_signal(config: Config) -> Result<(), ExitCode> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failure(1, &error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failure(1, &error))?;
    let mut out = io::stdout();
    let mut running = std::pin::pin!(run(config, stop.clone(), &mut out));
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = terminate.recv() => stop.cancel(),
            _ = interrupt.recv() => stop.cancel(),
        }
    };
    ended.map_err(|error| failure(error.exit_code(), &error))
}

/// Says what went wrong and why, cause by cause, in one line.
fn failure(code: u8, error: &dyn Error) -> ExitCode {
    let mut line = format!("herdbook-collector: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    // Where stderr is gone, the exit code still tells.
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
    ExitCode::from(code)
}

fn tell(config: &Config) -> io::Result<()> {
    let mut out = io::stdout();
    for told in &config.told {
        writeln!(out, "{} = {} ({})", told.key, told.value, told.source)?;
    }
    writeln!(out, "the configuration is good")
}

fn notify_test(config: &Config, name: Option<&str>) -> Result<(), ExitCode> {
    init_log(&config.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let link = link_to(&config.listen);
    let (notify, authorities) = (&config.notify, &config.checks.authorities);
    let mut out = io::stdout();
    let tested = async { notify::test(notify, authorities, &link, name, &mut out).await };
    let ended = runtime.map_err(|error| failure(1, &error))?.block_on(tested);
    ended.map_err(|error| failure(error.exit_code(), &error))
}

fn init_log(log: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(EnvFilter::new(&log.level))
        .with_ansi(io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

/// Each agent is a descriptor, and the usual limit of 1,024 is only a default.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current = ?limit.current, "open files stay limited");
    }
}
