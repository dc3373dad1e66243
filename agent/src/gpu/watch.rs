//! The parent's side: keeps one child alive, reads its lines, and dims the GPUs when it is silent
//! or gone. Never is a second child started while one lives, not even one that cannot be killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::sampling::Roots;

use super::deadline::{Deadline, Patience, Step};
use super::known::{Reunited, reunite};
use super::line::{Line, VERSION};
use super::lines::{Heard, Lines};
use super::process::{Launch, Process, Program, Signal};
use super::restart::Restart;
use super::revival::Revival;
use super::view::GpuView;
use super::{bus, driver};

/// How often a machine without a driver is looked at again: at boot it may be loaded late.
const DRIVER_CHECK: Duration = Duration::from_secs(60);
/// At the agent's end: how long the child has after its stdin closed, and after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// What the watch is told.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// The agent's own program, as it was found at the start.
    pub program: PathBuf,
    /// The NVML library to load instead of the system's.
    pub nvml_lib: Option<PathBuf>,
    /// Time between two readings.
    pub interval: Duration,
    /// Where the kernel's files are.
    pub roots: Roots,
}

/// What others see of the GPUs.
#[derive(Clone, Debug)]
pub struct GpuWatch {
    view: watch::Receiver<Arc<GpuView>>,
    revision: watch::Receiver<u64>,
}

impl GpuWatch {
    /// Starts watching, as a task of `tasks` that ends after `stop`. It never fails: what goes
    /// wrong shows in the view. The child is bound to the thread that runs the task.
    pub fn start(settings: GpuSettings, tasks: &mut JoinSet<()>, stop: CancellationToken) -> Self {
        let GpuSettings { program, nvml_lib, interval, roots } = settings;
        let host_root = roots.root.clone();
        let program = Program { path: program, nvml_lib: nvml_lib.clone(), interval, host_root };
        let sys = roots.sys.clone();
        let (watcher, watch) = Watcher::new(program, Patience::with(interval), sys, stop);
        let is_present = move || driver::is_present(nvml_lib.as_deref(), &roots);
        tasks.spawn(watcher.run(is_present));
        watch
    }

    /// What is known now.
    #[must_use]
    pub fn latest(&self) -> Arc<GpuView> {
        self.view.borrow().clone()
    }

    /// Wakes whenever `gpus` of the view is another; carries [`GpuView::revision`].
    #[must_use]
    pub fn inventory_changes(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }
}

/// The task behind a [`GpuWatch`].
struct Watcher<L> {
    launch: L,
    patience: Patience,
    sys: PathBuf,
    restart: Restart,
    revival: Revival,
    view: watch::Sender<Arc<GpuView>>,
    revision: watch::Sender<u64>,
    stop: CancellationToken,
    /// What the child calls GPUs that were known by another id before.
    aliases: BTreeMap<String, String>,
    /// Why the present child ends, where that was meant to be.
    planned: Option<Plan>,
    /// The last reason that was logged, so that none is repeated at every restart.
    told: Option<String>,
}

/// An end that was meant to be: the last readings stand until the next child's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// The child wants to be followed by another.
    Child,
    /// The child was asked to end.
    Parent,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// After a pause. Where the end was meant to be, the silence counts from the instant.
    Restart(Duration, Option<Instant>),
    Stop,
}

impl<L: Launch> Watcher<L> {
    fn new(
        launch: L,
        patience: Patience,
        sys: PathBuf,
        stop: CancellationToken,
    ) -> (Self, GpuWatch) {
        let (view, view_receiver) = watch::channel(Arc::new(GpuView::unknown()));
        let (revision, revision_receiver) = watch::channel(0);
        let watch = GpuWatch { view: view_receiver, revision: revision_receiver };
        let watcher = Self {
            launch,
            patience,
            sys,
            restart: Restart::new(),
            revival: Revival::new(),
            view,
            revision,
            stop,
            aliases: BTreeMap::new(),
            planned: None,
            told: None,
        };
        (watcher, watch)
    }

    async fn run(mut self, is_driver_present: impl Fn() -> bool) {
        let stop = self.stop.clone();
        if !is_driver_present() {
            tracing::info!("no NVIDIA driver, no GPUs to watch");
            self.show(GpuView { revision: 1, ..GpuView::none() });
            while !is_driver_present() {
                if stop.run_until_cancelled(sleep(DRIVER_CHECK)).await.is_none() {
                    return;
                }
            }
            tracing::info!("an NVIDIA driver has appeared");
        }
        let mut heard = None;
        while let Next::Restart(pause, last_heard) = self.live(heard).await {
            heard = last_heard;
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// One child's life. Its predecessor, where that ended as planned, was last `heard` then.
    async fn live(&mut self, heard: Option<Instant>) -> Next {
        let started = Instant::now();
        self.planned = None;
        self.revival.call_off();
        let mut process = match self.launch.launch() {
            Ok(process) => process,
            Err(error) => {
                self.tell_once(format!("GPU child cannot be started: {error}"));
                self.dim(MissingReason::CannotTell);
                return Next::Restart(self.restart.after(Duration::ZERO), None);
            }
        };
        let mut deadline = Deadline::new(self.patience, heard.unwrap_or(started));
        let stop = self.stop.clone();
        let ended = tokio::select! {
            ended = self.follow(&mut process, &mut deadline) => Some(ended),
            () = stop.cancelled() => None,
        };
        match ended {
            Some(ended) => self.note_end(&ended, started, &deadline),
            None => {
                end(process).await;
                Next::Stop
            }
        }
    }

    /// Reads the child's lines to their end, then waits for its own; says how it ended.
    async fn follow(&mut self, process: &mut L::Process, deadline: &mut Deadline) -> String {
        let mut lines = process.take_output().map(Lines::new);
        let mut n_garbage: u64 = 0;
        loop {
            tokio::select! {
                heard = next(&mut lines) => match heard {
                    Some(Heard::Line(line)) => self.hear(line, deadline),
                    Some(Heard::Garbage) => self.note_garbage(&mut n_garbage),
                    None => lines = None,
                },
                ended = process.ended(), if lines.is_none() => return ended,
                step = due(deadline) => self.take(step, process),
                () = at(self.revival.due()), if self.planned.is_none() => self.revive(process),
            }
        }
    }

    /// Lets the child end, so that another one may see what this one lost.
    fn revive(&mut self, process: &mut L::Process) {
        tracing::info!("a GPU stays lost, starting the GPU child anew to look for it");
        self.revival.tried();
        self.planned = Some(Plan::Parent);
        process.close_input();
    }

    fn hear(&mut self, line: Line, deadline: &mut Deadline) {
        if deadline.is_silent() {
            tracing::info!("GPU child answers again");
        }
        deadline.hear(Instant::now());
        let view = self.view.borrow().clone();
        match line {
            Line::Start { version: VERSION } => {}
            Line::Start { version } => {
                self.tell_once(format!("GPU child speaks version {version}, not {VERSION}"));
            }
            Line::Asleep { gpus } => self.hear_asleep(&view, gpus),
            Line::Inventory { driver, gpus } => {
                self.told = None;
                tracing::info!(n_gpus = gpus.len(), driver, "GPUs found");
                let gpus = self.reunite(&view, gpus);
                self.show(view.with_inventory(gpus));
            }
            Line::Readings { gpus, driver_mismatch, .. } => {
                if driver_mismatch && !view.driver_mismatch {
                    tracing::warn!("the NVIDIA library was replaced, the old one is read on");
                }
                let view = GpuView { driver_mismatch, ..GpuView::clone(&view) };
                self.hear_readings(&view, gpus);
            }
            Line::Again { message } => {
                tracing::info!("the GPU child is started anew: {message}");
                self.planned = Some(Plan::Child);
            }
            Line::Unavailable { reason, message } => {
                self.tell_once(format!("GPUs cannot be read: {message}"));
                self.dim(reason);
            }
        }
    }

    fn hear_asleep(&mut self, view: &GpuView, gpus: Vec<Gpu>) {
        let gpus = self.reunite(view, gpus);
        let view = if gpus.is_empty() { view.clone() } else { view.with_inventory(gpus) };
        self.show(view.dimmed(MissingReason::Asleep));
    }

    fn hear_readings(&mut self, view: &GpuView, mut gpus: Vec<GpuSample>) {
        for gpu in &mut gpus {
            if let Some(id) = self.aliases.get(&gpu.id) {
                gpu.id.clone_from(id);
            }
        }
        let view = view.with_readings(gpus);
        match view.driver_mismatch {
            // A new child would get the library that does not fit, and read nothing at all.
            true => self.revival.call_off(),
            false => self.revival.note(view.muster(), Instant::now()),
        }
        self.show(view);
    }

    fn reunite(&mut self, view: &GpuView, listed: Vec<Gpu>) -> Vec<Gpu> {
        let known = view.gpus.as_deref().unwrap_or_default();
        let is_there = |address: &str| bus::is_driven(&self.sys, address);
        let Reunited { gpus, aliases } = reunite(known, listed, is_there);
        self.aliases = aliases;
        gpus
    }

    fn take(&mut self, step: Step, process: &mut L::Process) {
        match step {
            Step::Dim => {
                tracing::warn!("GPU child is silent, its readings are missing");
                self.dim(MissingReason::Timeout);
            }
            Step::Terminate => {
                tracing::warn!("GPU child is still silent, asking it to end");
                process.close_input();
                process.signal(Signal::TERM);
            }
            Step::Kill => {
                tracing::error!("GPU child hangs, killing it; no other starts before it is gone");
                process.signal(Signal::KILL);
            }
        }
    }

    /// A child that ended says nothing more; one that hung or told why has been dealt with.
    fn note_end(&mut self, ended: &str, started: Instant, deadline: &Deadline) -> Next {
        let well = deadline.heard().saturating_duration_since(started);
        // A child that hung on its way to its end has no readings left that could stand.
        match self.planned.filter(|_| !deadline.is_silent()) {
            Some(Plan::Parent) => return Next::Restart(Duration::ZERO, Some(deadline.heard())),
            Some(Plan::Child) => {
                let pause = self.restart.after(well);
                if pause < self.patience.silent {
                    return Next::Restart(pause, Some(deadline.heard()));
                }
                self.dim(MissingReason::CannotTell);
                return Next::Restart(pause, None);
            }
            None => {}
        }
        let view = self.view.borrow().clone();
        if self.told.is_none() {
            tracing::warn!(status = ended, "GPU child ended, starting another");
        }
        let reason = match (&view.gpus, view.missing) {
            (None, Some(reason)) => reason,
            _ => view.common_reason().unwrap_or(MissingReason::CannotTell),
        };
        // Its death does not mend the library; whether that fits again, the next child tells.
        let driver_mismatch = view.driver_mismatch;
        self.show(GpuView { driver_mismatch, ..view.dimmed(reason) });
        Next::Restart(self.restart.after(well), None)
    }

    fn note_garbage(&self, n_garbage: &mut u64) {
        *n_garbage += 1;
        if n_garbage.is_power_of_two() {
            tracing::warn!(n = *n_garbage, "GPU child wrote what is no line of its own");
        }
    }

    fn tell_once(&mut self, text: String) {
        if self.told.as_ref() != Some(&text) {
            tracing::warn!("{text}");
            self.told = Some(text);
        }
    }

    fn dim(&self, reason: MissingReason) {
        let view = self.view.borrow().dimmed(reason);
        self.show(view);
    }

    fn show(&self, view: GpuView) {
        let revision = view.revision;
        self.view.send_replace(Arc::new(view));
        self.revision.send_if_modified(|last| std::mem::replace(last, revision) != revision);
    }
}

/// The next line; never where there is no more stdout to read.
async fn next<R: tokio::io::AsyncRead + Unpin>(lines: &mut Option<Lines<R>>) -> Option<Heard> {
    match lines {
        // A read error is an end: the child's death tells the rest.
        Some(lines) => lines.next().await.unwrap_or(None),
        None => std::future::pending().await,
    }
}

/// The deadline's next step, when it is due.
async fn due(deadline: &mut Deadline) -> Step {
    loop {
        at(deadline.next()).await;
        if let Some(step) = deadline.judge(Instant::now()) {
            return step;
        }
    }
}

/// When a moment comes, if there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Ends a child at the agent's own end, without waiting for one that cannot die.
async fn end(mut process: impl Process) {
    process.close_input();
    if timeout(GRACE, process.ended()).await.is_ok() {
        return;
    }
    process.signal(Signal::TERM);
    if timeout(GRACE, process.ended()).await.is_err() {
        process.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
