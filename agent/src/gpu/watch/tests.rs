//! The watch on the paused clock, with children that are no processes; then with real ones: this
//! test program stands in for the agent's.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::{GpuProcess, GpuSample};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::sampling::Depth;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What was done to a child, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    InputClosed,
    Signal(Signal),
}

/// The test's end of a child.
struct Remote {
    output: Option<DuplexStream>,
    alive: watch::Sender<bool>,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Remote {
    async fn say(&mut self, line: &Line) {
        let text = serde_json::to_string(line).unwrap() + "\n";
        self.output.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    fn die(mut self) {
        self.output = None;
        self.alive.send_replace(false);
    }

    fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap().clone()
    }
}

struct FakeProcess {
    output: Option<DuplexStream>,
    alive: watch::Receiver<bool>,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Process for FakeProcess {
    type Output = DuplexStream;

    fn take_output(&mut self) -> Option<DuplexStream> {
        self.output.take()
    }

    fn close_input(&mut self) {
        self.done.lock().unwrap().push(Done::InputClosed);
    }

    fn signal(&mut self, signal: Signal) {
        self.done.lock().unwrap().push(Done::Signal(signal));
    }

    async fn ended(&mut self) -> String {
        let _ = self.alive.wait_for(|alive| !alive).await;
        "ended".to_owned()
    }
}

/// Launches children for the test, unless it is told to fail.
struct FakeLaunch {
    failures: VecDeque<io::Error>,
    remotes: mpsc::Sender<Remote>,
    /// Whether the last one still lives: no second one is to be launched meanwhile.
    last: Option<watch::Receiver<bool>>,
}

impl Launch for FakeLaunch {
    type Process = FakeProcess;

    fn launch(&mut self) -> io::Result<FakeProcess> {
        if let Some(error) = self.failures.pop_front() {
            return Err(error);
        }
        assert!(self.last.as_ref().is_none_or(|alive| !*alive.borrow()), "a second child");
        let (theirs, ours) = duplex(64 * 1024);
        let (alive, is_alive) = watch::channel(true);
        self.last = Some(is_alive.clone());
        let done = Arc::new(Mutex::new(Vec::new()));
        let remote = Remote { output: Some(theirs), alive, done: Arc::clone(&done) };
        self.remotes.try_send(remote).map_err(|_| io::ErrorKind::WouldBlock)?;
        Ok(FakeProcess { output: Some(ours), alive: is_alive, done })
    }
}

struct Stage {
    folder: tempfile::TempDir,
    watch: GpuWatch,
    remotes: mpsc::Receiver<Remote>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Stage {
    fn new() -> Self {
        Self::with(VecDeque::new(), || true)
    }

    fn with(failures: VecDeque<io::Error>, driver: impl Fn() -> bool + Send + 'static) -> Self {
        let (remotes, remote) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let launch = FakeLaunch { failures, remotes, last: None };
        let folder = tempfile::tempdir().unwrap();
        let sys = folder.path().join("sys");
        let (watcher, watch) = Watcher::new(launch, Patience::with(SECOND), sys, stop.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(watcher.run(driver));
        Self { folder, watch, remotes: remote, tasks, stop }
    }

    async fn child(&mut self) -> Remote {
        self.remotes.recv().await.unwrap()
    }

    /// A child that has told one GPU and its readings.
    async fn well_child(&mut self) -> Remote {
        let mut child = self.child().await;
        child.say(&Line::Start { version: VERSION }).await;
        child.say(&inventory()).await;
        child.say(&complete()).await;
        self.until(|view| !is_dim(view)).await;
        child
    }

    async fn until(&mut self, wanted: impl Fn(&GpuView) -> bool) -> Arc<GpuView> {
        self.watch.view.wait_for(|view| wanted(view)).await.unwrap().clone()
    }
}

fn inventory() -> Line {
    let gpu: Gpu =
        serde_json::from_str(r#"{"id":"GPU-1","index":0,"name":"NVIDIA H200"}"#).unwrap();
    Line::Inventory { driver: None, gpus: vec![gpu] }
}

fn readings(sample: GpuSample) -> Line {
    Line::Readings { at: Timestamp::now(), gpus: vec![sample], driver_mismatch: false }
}

fn fast(percent: f64) -> Line {
    readings(GpuSample {
        id: "GPU-1".to_owned(),
        utilization_percent: Some(percent),
        ..GpuSample::default()
    })
}

fn complete() -> Line {
    let process = GpuProcess { pid: 7, memory_bytes: Some(1), ..GpuProcess::default() };
    readings(GpuSample {
        id: "GPU-1".to_owned(),
        utilization_percent: Some(1.0),
        temperature_celsius: Some(64.0),
        processes: Some(vec![process]),
        ..GpuSample::default()
    })
}

fn percent(view: &GpuView) -> Option<f64> {
    view.samples.as_ref()?[0].utilization_percent
}

fn is_dim(view: &GpuView) -> bool {
    percent(view).is_none()
}

fn why(view: &GpuView) -> Option<MissingReason> {
    view.common_reason().or(view.missing)
}

#[tokio::test(start_paused = true)]
async fn without_a_driver_there_are_no_gpus_and_no_child() {
    let driver = Arc::new(Mutex::new(false));
    let is_loaded = Arc::clone(&driver);
    let mut stage = Stage::with(VecDeque::new(), move || *is_loaded.lock().unwrap());
    let view = stage.until(|view| view.gpus.is_some()).await;
    assert_eq!((view.gpus.as_deref(), view.missing), (Some(&[][..]), None));
    assert_eq!(*stage.watch.inventory_changes().borrow(), view.revision);
    sleep(3600 * SECOND).await;
    assert!(stage.remotes.try_recv().is_err(), "a child was started");
    *driver.lock().unwrap() = true;
    stage.well_child().await;
}

#[tokio::test(start_paused = true)]
async fn a_fast_reading_keeps_what_the_slow_one_told() {
    let mut stage = Stage::new();
    assert_eq!(why(&stage.watch.latest()), Some(MissingReason::CannotTell));
    let mut child = stage.well_child().await;
    child.say(&fast(55.0)).await;
    let view = stage.until(|view| percent(view) == Some(55.0)).await;
    let complete = &view.samples(Depth::Complete, &view).unwrap()[0];
    assert_eq!(complete.temperature_celsius, Some(64.0));
    assert_eq!(complete.processes.as_ref().map(Vec::len), Some(1));
    let fast = &view.samples(Depth::Fast, &view).unwrap()[0];
    assert_eq!((fast.temperature_celsius, &fast.processes), (None, &None));
    assert_eq!(fast.utilization_percent, Some(55.0));
}

#[tokio::test(start_paused = true)]
async fn only_another_inventory_is_another_revision() {
    let mut stage = Stage::new();
    let mut changes = stage.watch.inventory_changes();
    let mut child = stage.well_child().await;
    let revision = *changes.borrow_and_update();
    child.say(&inventory()).await;
    child.say(&fast(2.0)).await;
    stage.until(|view| percent(view) == Some(2.0)).await;
    sleep(10 * SECOND).await;
    assert!(is_dim(&stage.watch.latest()));
    assert!(!changes.has_changed().unwrap());
    child.say(&Line::Inventory { driver: None, gpus: Vec::new() }).await;
    changes.changed().await.unwrap();
    assert!(*changes.borrow() > revision);
    assert_eq!(stage.watch.latest().samples, None);
}

#[tokio::test(start_paused = true)]
async fn silence_dims_the_readings_and_a_word_brings_them_back() {
    let mut stage = Stage::new();
    let mut child = stage.well_child().await;
    let silent_since = Instant::now();
    let view = stage.until(is_dim).await;
    assert_eq!(why(&view), Some(MissingReason::Timeout));
    assert_eq!(view.gpus.as_ref().map(Vec::len), Some(1), "the inventory is still known");
    assert_eq!(silent_since.elapsed().as_secs(), 3);
    child.say(&fast(9.0)).await;
    stage.until(|view| percent(view) == Some(9.0)).await;
    assert_eq!(child.done(), []);
}

#[tokio::test(start_paused = true)]
async fn garbage_is_no_sign_of_life() {
    let mut stage = Stage::new();
    let mut child = stage.well_child().await;
    for _ in 0..10 {
        sleep(SECOND / 2).await;
        child.output.as_mut().unwrap().write_all(b"garbage\n").await.unwrap();
    }
    assert_eq!(why(&stage.watch.latest()), Some(MissingReason::Timeout));
}

#[tokio::test(start_paused = true)]
async fn no_second_child_while_one_hangs_whatever_it_takes() {
    let mut stage = Stage::new();
    let child = stage.well_child().await;
    sleep(40 * SECOND).await;
    assert_eq!(child.done(), [Done::InputClosed, Done::Signal(Signal::TERM)]);
    sleep(24 * 3600 * SECOND).await;
    let killed = [Done::InputClosed, Done::Signal(Signal::TERM), Done::Signal(Signal::KILL)];
    assert_eq!(child.done(), killed);
    assert!(stage.remotes.try_recv().is_err(), "a second child was started");
    assert_eq!(why(&stage.watch.latest()), Some(MissingReason::Timeout));
    child.die();
    stage.well_child().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_closed_its_stdout_is_waited_for() {
    let mut stage = Stage::new();
    let mut child = stage.well_child().await;
    child.output = None;
    sleep(3600 * SECOND).await;
    assert!(stage.remotes.try_recv().is_err(), "a second child was started");
    assert_eq!(child.done().last(), Some(&Done::Signal(Signal::KILL)));
    child.die();
    stage.child().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_is_followed_by_another_after_a_growing_pause() {
    let mut stage = Stage::new();
    let mut pauses = Vec::new();
    let mut child = stage.well_child().await;
    for _ in 0..4 {
        let died = Instant::now();
        child.die();
        let view = stage.until(is_dim).await;
        assert_eq!(why(&view), Some(MissingReason::CannotTell));
        assert_eq!(view.gpus.as_ref().map(Vec::len), Some(1), "the inventory is still known");
        child = stage.well_child().await;
        pauses.push(died.elapsed().as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_cannot_be_started_is_tried_again() {
    let failures = [io::ErrorKind::NotFound.into(), io::ErrorKind::PermissionDenied.into()];
    let mut stage = Stage::with(failures.into(), || true);
    let start = Instant::now();
    stage.well_child().await;
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_child_that_cannot_begin_stays() {
    let mut stage = Stage::new();
    for _ in 0..3 {
        let mut child = stage.child().await;
        let reason = MissingReason::DriverMismatch;
        child.say(&Line::Start { version: VERSION }).await;
        child.say(&Line::Unavailable { reason, message: "versions differ".to_owned() }).await;
        stage.until(|view| view.missing == Some(reason)).await;
        child.die();
    }
    let view = stage.watch.latest();
    assert_eq!((&view.gpus, why(&view)), (&None, Some(MissingReason::DriverMismatch)));
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_two_seconds_at_most() {
    let mut stage = Stage::new();
    let child = stage.well_child().await;
    let start = Instant::now();
    stage.stop.cancel();
    while stage.tasks.join_next().await.is_some() {}
    assert_eq!(start.elapsed().as_secs(), 2);
    let killed = [Done::InputClosed, Done::Signal(Signal::TERM), Done::Signal(Signal::KILL)];
    assert_eq!(child.done(), killed);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_obeys_is_not_signalled_at_the_end() {
    let mut stage = Stage::new();
    let child = stage.well_child().await;
    stage.stop.cancel();
    tokio::task::yield_now().await;
    let done = Arc::clone(&child.done);
    child.die();
    while stage.tasks.join_next().await.is_some() {}
    assert_eq!(*done.lock().unwrap(), [Done::InputClosed]);
}

mod histories;
mod losses;
mod processes;
