//! Starts and stops the collector. Exit codes: 0 ended as asked, 1 failed, 2 cannot start as told.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use herdbook_collector::catalog;
use herdbook_collector::config::{self, Command, Config, ConfigError, Log, LogFormat, TlsTask};
use herdbook_collector::control::{self, Ask};
use herdbook_collector::notify;
use herdbook_collector::reload::{Settings, Signals};
use herdbook_collector::run::{link_to, run};
use herdbook_collector::seal::KEY_FILE;
use herdbook_collector::store::backup::{self, Existing, Summary};
use herdbook_collector::tls;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Threads for what takes over a millisecond. They bound how many answers over the whole fleet,
/// a hundred megabytes each at 10,000 hosts, are written at one time.
const POOL_THREADS: usize = 4;

/// The configuration cannot be used.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    let done = match load() {
        Ok(Command::Run(config)) => start(config),
        Ok(Command::Backup(config, file, existing)) => back_up(&config, &file, existing),
        Ok(Command::Restore(config, file)) => restore(&config, &file),
        Ok(Command::CheckConfig(config)) => check(&config),
        Ok(Command::Control(config, ask)) => ask_running(&config, ask),
        Ok(Command::NotifyTest(config, name)) => notify_test(&config, name.as_deref()),
        Ok(Command::Tls(config, task)) => look_after_key(&config, task),
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
    let program = Arc::new(Program { level: init_log(&config.log) });
    only_for_its_owner();
    raise_descriptor_limit();
    config::prepare(&config.data_dir).map_err(|error| failure(MISTAKE, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(POOL_THREADS)
        .build()
        .map_err(|error| failure(1, &error))?;
    runtime.block_on(run_until_signal(config, program))
}

async fn run_until_signal(config: Config, program: Arc<Program>) -> Result<(), ExitCode> {
    let signals = Signals { settings: Some(program), ..Signals::default() };
    let (stop, again) = (signals.stop.clone(), Arc::clone(&signals.hangup));
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failure(1, &error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failure(1, &error))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| failure(1, &error))?;
    let mut out = io::stdout();
    let mut running = std::pin::pin!(run(config, signals, &mut out));
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = terminate.recv() => stop.cancel(),
            _ = interrupt.recv() => stop.cancel(),
            _ = hangup.recv() => again.notify_one(),
        }
    };
    ended.map_err(|error| failure(error.exit_code(), &error))
}

/// This program: its command line, its environment, and its log.
struct Program {
    level: reload::Handle<EnvFilter, Registry>,
}

impl Settings for Program {
    fn read(&self) -> Result<Config, ConfigError> {
        match load()? {
            Command::Run(config) | Command::CheckConfig(config) => Ok(config),
            // The command line is the same as when it started.
            other => Err(ConfigError::Flags(format!("{other:?}"))),
        }
    }

    fn set_log_level(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.level.reload(EnvFilter::try_new(level)?)?)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

fn load() -> Result<Command, ConfigError> {
    let variable = |name: &str| std::env::var_os(name);
    config::load(std::env::args_os(), &variable)
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

/// Says what the configuration is, and whether what it leads to can be used.
fn check(config: &Config) -> Result<(), ExitCode> {
    let mut lines = String::new();
    for told in &config.told {
        lines.push_str(&format!("{} = {} ({})\n", told.key, told.value, told.source));
    }
    let tell =
        |text: &str| io::stdout().write_all(text.as_bytes()).map_err(|error| failure(1, &error));
    tell(&lines)?;
    catalog::check(&config.catalog).map_err(|error| failure(MISTAKE, &error))?;
    tell("the configuration is good\n")
}

fn back_up(config: &Config, file: &Path, existing: Existing) -> Result<(), ExitCode> {
    let Summary { format, n_hosts, n_services } =
        backup::back_up(&config.data_dir, file, existing).map_err(|error| failure(1, &error))?;
    let file = file.display();
    let told = writeln!(
        io::stdout(),
        "wrote {file}: {n_hosts} hosts and {n_services} services, in format {format}\n\
         not in it: {}, without which the credentials of services cannot be opened; keep a copy \
         of it in another place. Nor are the curves of the past, history.db",
        config.data_dir.join(KEY_FILE).display()
    );
    told.map_err(|error| failure(1, &error))
}

fn restore(config: &Config, file: &Path) -> Result<(), ExitCode> {
    only_for_its_owner();
    config::prepare(&config.data_dir).map_err(|error| failure(MISTAKE, &error))?;
    let (summary, replaced) =
        backup::restore(&config.data_dir, file).map_err(|error| failure(1, &error))?;
    let Summary { format, n_hosts, n_services } = summary;
    let (dir, file) = (config.data_dir.display(), file.display());
    let replaced = replaced.map_or_else(String::new, |aside| {
        format!("\nthe database that was there is now {}", aside.display())
    });
    let told = writeln!(
        io::stdout(),
        "restored {dir} from {file}: {n_hosts} hosts and {n_services} services, in format \
         {format}{replaced}"
    );
    told.map_err(|error| failure(1, &error))
}

/// The database and its log hold what is nobody else's business.
fn only_for_its_owner() {
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

fn ask_running(config: &Config, ask: Ask) -> Result<(), ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut out = io::stdout();
    let asked = async { control::run(&config.data_dir, ask, &mut out).await };
    let ended = runtime.map_err(|error| failure(1, &error))?.block_on(asked);
    ended.map_err(|error| failure(1, &error))
}

fn notify_test(config: &Config, name: Option<&str>) -> Result<(), ExitCode> {
    init_log(&config.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let link = link_to(config, &config.listen);
    let (notify, authorities) = (&config.notify, &config.checks.authorities);
    let mut out = io::stdout();
    let tested = async { notify::test(notify, authorities, &link, name, &mut out).await };
    let ended = runtime.map_err(|error| failure(1, &error))?.block_on(tested);
    ended.map_err(|error| failure(error.exit_code(), &error))
}

fn look_after_key(config: &Config, task: TlsTask) -> Result<(), ExitCode> {
    only_for_its_owner();
    let said = tls::perform(config, task).map_err(|error| failure(1, &error))?;
    io::stdout().write_all(said.as_bytes()).map_err(|error| failure(1, &error))
}

/// Begins to log, and returns where the level is changed.
fn init_log(log: &Log) -> reload::Handle<EnvFilter, Registry> {
    let (level, handle) = reload::Layer::new(EnvFilter::new(&log.level));
    let log_lines = tracing_subscriber::registry().with(level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => log_lines.with(lines).init(),
        LogFormat::Json => log_lines.with(lines.json()).init(),
    }
    handle
}

/// Each agent is a descriptor, and the usual limit of 1,024 is only a default.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current = ?limit.current, "open files stay limited");
    }
}
