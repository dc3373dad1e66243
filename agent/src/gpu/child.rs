//! The child process, `herdbook-agent gpu`: loads NVML, then writes one line of readings a tick
//! until its stdin closes or its parent dies. It may hang in any call: the parent is ready for it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Gpu;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use tokio::time::Instant;

use crate::sampling::word::word;
use crate::sampling::{Depth, Roots};

use super::card::Card;
use super::line::{Line, VERSION};
use super::{library, metric, power};

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
    /// There are more GPUs than at the start: a new child will see them.
    MoreGpus,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Asked => Self::SUCCESS,
            End::Unavailable => Self::from(3),
            End::Unread => Self::from(4),
            End::MoreGpus => Self::from(5),
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
    run(&options, &Roots::default(), &stop, out).into()
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
    let mut child = Child { pace: Pace::new(options.interval, stop), roots, out };
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
}

impl<W: Write> Child<'_, W> {
    fn live(&mut self, options: &ChildOptions) -> Result<End, Ending> {
        self.say(&Line::Start { version: VERSION })?;
        while power::all_asleep(&self.roots.sys) {
            self.say(&Line::Asleep)?;
            if self.pace.wait().is_err() {
                return Ok(End::Asked);
            }
        }
        let nvml = library::load(options.nvml_lib.as_deref())?;
        let driver = nvml.sys_driver_version().ok().map(|version| word(&version));
        let n_gpus = nvml.device_count()?;
        let mut cards = self.cards(&nvml, n_gpus, driver.as_deref())?;
        let mut told = None;
        for n in 0_u64.. {
            let depth = if n.is_multiple_of(SLOW_EVERY) { Depth::Complete } else { Depth::Fast };
            if depth == Depth::Complete {
                if nvml.device_count().is_ok_and(|now| now > n_gpus) {
                    return Ok(End::MoreGpus);
                }
                self.say_inventory(&mut cards, &mut told, driver.as_deref())?;
            }
            self.say_readings(&mut cards, depth)?;
            if self.pace.wait().is_err() {
                break;
            }
        }
        Ok(End::Asked)
    }

    fn cards<'nvml>(
        &self,
        nvml: &'nvml Nvml,
        n_gpus: u32,
        driver: Option<&str>,
    ) -> Result<Vec<Card<'nvml>>, NvmlError> {
        let mut ids = HashSet::new();
        let mut cards = Vec::new();
        for index in (0..n_gpus).take(limits::GPUS) {
            let mut card = Card::find(nvml, index, driver, &self.roots.sys)?;
            if !ids.insert(card.gpu().id.clone()) {
                card.rename(format!("index:{index}"));
            }
            cards.push(card);
        }
        Ok(cards)
    }

    fn say_inventory(
        &mut self,
        cards: &mut [Card<'_>],
        told: &mut Option<Vec<Gpu>>,
        driver: Option<&str>,
    ) -> Result<(), Ending> {
        cards.iter_mut().for_each(Card::refresh);
        let gpus: Vec<Gpu> = cards.iter().map(|card| card.gpu().clone()).collect();
        if told.as_ref() == Some(&gpus) {
            return Ok(());
        }
        *told = Some(gpus.clone());
        self.say(&Line::Inventory { driver: driver.map(str::to_owned), gpus })
    }

    fn say_readings(&mut self, cards: &mut [Card<'_>], depth: Depth) -> Result<(), Ending> {
        let at = Timestamp::now();
        let mut room = limits::GPU_PROCESSES;
        let mut gpus = Vec::with_capacity(cards.len());
        for card in cards {
            let sample = card.read(depth, self.roots, room)?;
            room -= sample.processes.as_ref().map_or(0, Vec::len).min(room);
            gpus.push(sample);
        }
        self.say(&Line::Readings { at, gpus })
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
        let mut text = serde_json::to_vec(line).map_err(|_| Ending::Unread)?;
        text.push(b'\n');
        self.out.write_all(&text).and_then(|()| self.out.flush()).map_err(|_| Ending::Unread)
    }
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
