//! The child process, `herdbook-agent gpu`: loads NVML, then writes one line of readings a tick
//! until its stdin closes or its parent dies. It may hang in any call: the parent is ready for it.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;
use nvml_wrapper::error::NvmlError;
use tokio::time::Instant;

use crate::sampling::word::word;
use crate::sampling::{Depth, Roots};

use super::card::Tools;
use super::describe::Software;
use super::library::Library;
use super::line::{Line, READINGS_BYTES, VERSION};
use super::roster::Roster;
use super::{bus, metric};

/// Slow fields come with every so many readings.
const SLOW_EVERY: u64 = 10;

/// What the parent tells the child on its command line.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct ChildOptions {
    /// The NVML library to load instead of the system's.
    #[arg(long, value_name = "PATH")]
    pub nvml_lib: Option<PathBuf>,
    /// Time between two readings, in milliseconds.
    #[arg(long = "interval-ms", value_name = "MS", value_parser = milliseconds, default_value = "1000")]
    pub interval: Duration,
    /// The folder that stands for `/`: where the host's `proc` and `sys` are.
    #[arg(long = "host-root", value_name = "PATH", hide = true, default_value = "/")]
    pub host_root: PathBuf,
}

fn milliseconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(|ms: u64| Duration::from_millis(ms.max(1)))
}

/// How the child's life ended; each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The parent closed stdin.
    Asked,
    /// NVML cannot be used; an `unavailable` line said why.
    Unavailable,
    /// Nobody reads stdout.
    Unread,
    /// The GPUs are others than at the start: a new child will see them.
    Changed,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Asked => Self::SUCCESS,
            End::Unavailable => Self::from(3),
            End::Unread => Self::from(4),
            End::Changed => Self::from(5),
        }
    }
}

/// The subcommand `gpu`: its whole life.
#[must_use]
pub fn child_main(options: ChildOptions, out: &mut impl Write) -> ExitCode {
    // Should the parent die without closing our stdin (someone else may hold its other end).
    let term = rustix::process::Signal::TERM;
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(term)) {
        tracing::warn!(%error, "cannot be bound to the parent's life");
    }
    let stop = stdin_end();
    let roots = Roots::under(&options.host_root);
    run(&options, &roots, &stop, out).into()
}

/// A channel that disconnects when stdin ends. Its thread ends with the process.
fn stdin_end() -> Receiver<Infallible> {
    let (alive, stop) = sync_channel(0);
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
        drop(alive);
    });
    stop
}

/// The child's life, until `stop` disconnects.
pub(super) fn run(
    options: &ChildOptions,
    roots: &Roots,
    stop: &Receiver<Infallible>,
    out: &mut impl Write,
) -> End {
    let mut child =
        Child { pace: Pace::new(options.interval, stop), roots, out, driver_mismatch: false };
    match child.live(options) {
        Ok(end) => end,
        Err(Ending::Unread) => End::Unread,
        Err(Ending::Useless(error)) => child.say_unavailable(&error),
    }
}

/// Why a life ends early.
enum Ending {
    Unread,
    Useless(NvmlError),
}

impl From<NvmlError> for Ending {
    fn from(error: NvmlError) -> Self {
        Self::Useless(error)
    }
}

struct Child<'a, W> {
    pace: Pace<'a>,
    roots: &'a Roots,
    out: &'a mut W,
    /// As the readings tell it.
    driver_mismatch: bool,
}

impl<W: Write> Child<'_, W> {
    fn live(&mut self, options: &ChildOptions) -> Result<End, Ending> {
        self.say(&Line::Start { version: VERSION })?;
        while let Some(gpus) = bus::all_asleep(self.roots) {
            self.say(&Line::Asleep { gpus })?;
            if self.pace.wait().is_err() {
                return Ok(End::Asked);
            }
        }
        let library = Library::load(options.nvml_lib.as_deref())?;
        let nvml = &library.nvml;
        let software = Software {
            driver: nvml.sys_driver_version().ok().map(|version| word(&version)),
            cuda: nvml.sys_cuda_driver_version().ok().and_then(metric::cuda_version),
        };
        let tools = Tools { nvml, roots: self.roots, software };
        let roster = Roster::new(&tools).map_err(Ending::from);
        match roster.and_then(|roster| self.watch(&library, &tools, roster)) {
            // Said before the library goes: it might hang in its end.
            Err(Ending::Useless(error)) => Ok(self.say_unavailable(&error)),
            ended => ended,
        }
    }

    fn watch<'nvml>(
        &mut self,
        library: &Library,
        tools: &Tools<'nvml>,
        mut roster: Roster<'nvml>,
    ) -> Result<End, Ending> {
        let mut told = None;
        for n in 0_u64.. {
            let depth = if n.is_multiple_of(SLOW_EVERY) { Depth::Complete } else { Depth::Fast };
            if depth == Depth::Complete && n > 0 {
                self.driver_mismatch = library.is_outdated(self.roots);
                // Another child sees other GPUs, but none with a library that does not fit.
                if !self.driver_mismatch && roster.has_changed(tools) {
                    self.say(&Line::Again { message: "the driver has other GPUs".to_owned() })?;
                    return Ok(End::Changed);
                }
                roster.refresh(tools)?;
            }
            if depth == Depth::Complete {
                self.say_inventory(&roster, &mut told, tools)?;
            }
            let gpus = roster.read(depth, tools)?;
            self.say_readings(gpus)?;
            if self.pace.wait().is_err() {
                break;
            }
        }
        Ok(End::Asked)
    }

    fn say_inventory(
        &mut self,
        roster: &Roster<'_>,
        told: &mut Option<Vec<Gpu>>,
        tools: &Tools<'_>,
    ) -> Result<(), Ending> {
        let gpus = roster.gpus();
        if told.as_ref() == Some(&gpus) {
            return Ok(());
        }
        *told = Some(gpus.clone());
        self.say(&Line::Inventory { driver: tools.software.driver.clone(), gpus })
    }

    /// A line that would be too long for the parent loses processes, the smallest first.
    fn say_readings(&mut self, gpus: Vec<GpuSample>) -> Result<(), Ending> {
        let at = Timestamp::now();
        let mut line = Line::Readings { at, gpus, driver_mismatch: self.driver_mismatch };
        let mut text = text_of(&line)?;
        while text.len() > READINGS_BYTES
            && let Line::Readings { gpus, .. } = &mut line
            && halve_processes(gpus)
        {
            text = text_of(&line)?;
        }
        self.write(&text)
    }

    fn say_unavailable(&mut self, error: &NvmlError) -> End {
        let mut message = word(&error.to_string());
        if let NvmlError::LibloadingError(_) = error {
            message = word(&format!("libnvidia-ml.so.1 cannot be loaded: {error}"));
        }
        match self.say(&Line::Unavailable { reason: metric::reason(error), message }) {
            Ok(()) => End::Unavailable,
            Err(_) => End::Unread,
        }
    }

    fn say(&mut self, line: &Line) -> Result<(), Ending> {
        let text = text_of(line)?;
        self.write(&text)
    }

    fn write(&mut self, text: &[u8]) -> Result<(), Ending> {
        self.out.write_all(text).and_then(|()| self.out.flush()).map_err(|_| Ending::Unread)
    }
}

fn text_of(line: &Line) -> Result<Vec<u8>, Ending> {
    let mut text = serde_json::to_vec(line).map_err(|_| Ending::Unread)?;
    text.push(b'\n');
    Ok(text)
}

/// Whether there was anything to leave out.
fn halve_processes(gpus: &mut [GpuSample]) -> bool {
    let mut n_left_out = 0;
    for processes in gpus.iter_mut().filter_map(|gpu| gpu.processes.as_mut()) {
        n_left_out += processes.len() - processes.len() / 2;
        processes.truncate(processes.len() / 2);
    }
    if n_left_out > 0 {
        tracing::warn!(n_left_out, "GPU processes are left out: their names are too long");
    }
    n_left_out > 0
}

/// One tick every interval; ticks that were slept through are not made up for.
struct Pace<'a> {
    interval: Duration,
    next: Instant,
    stop: &'a Receiver<Infallible>,
}

/// The parent wants an end.
struct Stopped;

impl<'a> Pace<'a> {
    fn new(interval: Duration, stop: &'a Receiver<Infallible>) -> Self {
        Self { interval, next: Instant::now(), stop }
    }

    fn wait(&mut self) -> Result<(), Stopped> {
        let now = Instant::now();
        self.next = (self.next + self.interval).max(now);
        match self.stop.recv_timeout(self.next - now) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }
}

#[cfg(test)]
mod tests;
