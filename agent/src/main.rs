//! Starts and stops the agent. Exit codes: 0 told to stop, 1 something unexpected, 2 it cannot
//! start as it was told.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use herdbook_agent::config::{
    Command, Flags, JoinOptions, LogFormat, LogLevel, LogSettings, Settings,
};
use herdbook_agent::enrol::join::{self, Interrupts, JoinError};
use herdbook_agent::error_chain::Chain;
use herdbook_agent::run::{RunError, run};
use herdbook_agent::{gpu, once};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Name lookups and the command lines of processes are all that ever blocks; a resolver or a
/// process that hangs must not collect threads.
const BLOCKING_THREADS: usize = 4;

const UNEXPECTED: u8 = 1;
const CANNOT_START: u8 = 2;

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(refused) => {
            // Help goes to stdout with 0, the rest to stderr with 2; nobody reading is no error.
            let _ = refused.print();
            return if refused.use_stderr() { CANNOT_START.into() } else { ExitCode::SUCCESS };
        }
    };
    if let Some(Command::Gpu(options)) = flags.command {
        let quiet = LogSettings { level: LogLevel::WARN, format: LogFormat::Text };
        start_log(quiet);
        return gpu::child_main(options, &mut io::stdout().lock());
    }
    if let Some(Command::Join(options)) = &flags.command {
        return join_collector(options);
    }
    let settings = match Settings::load(&flags, &|variable| std::env::var_os(variable)) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error, CANNOT_START),
    };
    start_log(log_of(&settings, &flags));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error, UNEXPECTED),
    };
    let ended = runtime.block_on(async {
        if flags.once { print_once(&settings).await } else { until_told(settings).await }
    });
    // A name lookup that hangs is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let at_start = error.downcast_ref::<RunError>();
            let is_told = at_start.is_some_and(|error| {
                matches!(error, RunError::Identity(_) | RunError::Membership(_))
            });
            refuse(error.as_ref(), if is_told { CANNOT_START } else { UNEXPECTED })
        }
    }
}

/// Joins a collector. Exit codes: 0 joined, 1 the collector did not take the host in or cannot be
/// had, 2 it cannot be tried as it was told.
fn join_collector(options: &JoinOptions) -> ExitCode {
    let settings = match Settings::load(&options.flags(), &|variable| std::env::var_os(variable)) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error, CANNOT_START),
    };
    start_log(LogSettings { level: LogLevel::WARN, ..settings.log });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error, UNEXPECTED),
    };
    let joined = runtime.block_on(async {
        let mut interrupts = Interrupts::watch().map_err(JoinError::Signals)?;
        let line = join::read_line(options, &mut interrupts).await?;
        join::join(&line, options, settings, &mut interrupts).await
    });
    runtime.shutdown_background();
    match joined {
        Ok(joined) => {
            // Joined it is, also where nobody reads so.
            let _ = join::print(&joined, &mut io::stdout().lock());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = if error.is_told_wrong() { CANNOT_START } else { UNEXPECTED };
            refuse(&error, code)
        }
    }
}

async fn print_once(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let once = once::once(settings).await?;
    Ok(once::print(&once, &mut io::stdout().lock())?)
}

/// Runs until SIGTERM or SIGINT; a second one finds nothing left to wait for.
async fn until_told(settings: Settings) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let running = run(settings, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("told to stop");
    stop.cancel();
    tokio::select! {
        ended = running => Ok(ended?),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// A single look is not worth lines of its own beside what it prints.
fn log_of(settings: &Settings, flags: &Flags) -> LogSettings {
    let level = match settings.log.level {
        LogLevel::INFO if flags.once => LogLevel::WARN,
        level => level,
    };
    LogSettings { level, ..settings.log }
}

/// Text or JSON on stderr; other people's crates are heard from warnings on.
fn start_log(log: LogSettings) {
    let others = log.level.min(LogLevel::WARN);
    let targets = Targets::new().with_default(others).with_target("herdbook_agent", log.level);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(targets).init();
}

fn refuse(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    // Where even stderr has gone, the code has to do.
    let _ = writeln!(io::stderr(), "herdbook-agent: {}", Chain(error));
    code.into()
}
