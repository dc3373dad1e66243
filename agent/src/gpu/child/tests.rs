//! The child's loop in this process, against the fake library. What kills the process is tested
//! from the parent's side.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::thread::JoinHandle;

use fake_nvml::{Fault, Installed, Machine, Process, Script, code};
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::GpuSample;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A child that runs in a thread, on a machine that is a folder.
struct Stage {
    folder: tempfile::TempDir,
    nvml: Installed,
    lines: Receiver<Line>,
    alive: Option<SyncSender<Infallible>>,
    thread: Option<JoinHandle<End>>,
}

/// Hands each line that is written to the test.
struct Out(std::sync::mpsc::Sender<Line>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = serde_json::from_slice(bytes).expect("whole lines are written");
        self.0.send(line).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stage {
    fn new(script: &Script) -> Self {
        Self::prepared(script, |_| {})
    }

    fn prepared(script: &Script, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let nvml = Installed::new(folder.path(), script).unwrap();
        let nvml_lib = Some(nvml.library.clone());
        let root = folder.path().to_owned();
        let interval = Duration::from_millis(5);
        let options = ChildOptions { nvml_lib, interval, host_root: root.clone() };
        let roots = Roots::under(&root);
        let (alive, stop) = sync_channel(0);
        let (out, lines) = channel();
        let thread = std::thread::spawn(move || run(&options, &roots, &stop, &mut Out(out)));
        let stage = Self { folder, nvml, lines, alive: Some(alive), thread: Some(thread) };
        assert_eq!(stage.line(), Line::Start { version: VERSION });
        stage
    }

    fn line(&self) -> Line {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    fn inventory(&self) -> Vec<Gpu> {
        loop {
            if let Line::Inventory { gpus, .. } = self.line() {
                return gpus;
            }
        }
    }

    /// The next readings that `wanted` takes.
    fn readings(&self, wanted: impl Fn(&[GpuSample]) -> bool) -> Vec<GpuSample> {
        loop {
            if let Line::Readings { gpus, .. } = self.line()
                && wanted(&gpus)
            {
                return gpus;
            }
        }
    }

    /// Waits for readings that tell it so.
    fn mismatch_becomes(&self, wanted: bool) {
        loop {
            if let Line::Readings { driver_mismatch, .. } = self.line()
                && driver_mismatch == wanted
            {
                return;
            }
        }
    }

    /// Readings with slow fields, or with the reasons why they are missing.
    fn complete_readings(&self) -> Vec<GpuSample> {
        self.readings(|gpus| {
            gpus.iter().all(|gpu| gpu.processes.is_some() || gpu.missing.contains_key("processes"))
        })
    }

    /// Why the child wants to be followed by another.
    fn again(&self) -> String {
        loop {
            if let Line::Again { message } = self.line() {
                return message;
            }
        }
    }

    fn machine(&self) -> Machine {
        Machine::new(self.folder.path())
    }

    fn end(mut self) -> End {
        self.alive = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

fn all_missing(gpu: &GpuSample, reason: MissingReason) -> bool {
    gpu.missing.len() == 9 && gpu.missing.values().all(|missing| *missing == reason)
}

#[test]
fn errors_dim_one_value_each_and_what_is_not_supported_is_not_asked_again() {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let mut script = Script::with_gpus(1);
    script.calls = Some(calls.path().to_owned());
    script.gpus[0].utilization_percent = None;
    let denied = Fault::Code(code::NO_PERMISSION);
    script.gpus[0].faults.insert("nvmlDeviceGetPowerUsage".to_owned(), denied);
    let unknown = Fault::Code(code::UNKNOWN);
    script.gpus[0].faults.insert("nvmlDeviceGetClockInfo".to_owned(), unknown);
    let stage = Stage::new(&script);
    for _ in 0..30 {
        let gpus = stage.readings(|_| true);
        assert_eq!(gpus[0].missing["utilization_percent"], MissingReason::NotSupported);
        assert_eq!(gpus[0].missing["power_watts"], MissingReason::NoPermission);
        assert_eq!(gpus[0].missing["sm_clock_mhz"], MissingReason::CannotTell);
        assert!(gpus[0].memory_used_bytes.is_some());
    }
    stage.end();
    let calls = std::fs::read_to_string(calls.path()).unwrap();
    let n_calls =
        |symbol| calls.lines().filter(|line| line.split(' ').next() == Some(symbol)).count();
    assert_eq!(n_calls("nvmlDeviceGetUtilizationRates"), 1);
    assert!(n_calls("nvmlDeviceGetPowerUsage") >= 30);
    assert_eq!((n_calls("nvmlInit_v2"), n_calls("nvmlShutdown")), (1, 1));
}

#[test]
fn a_lost_gpu_is_lost_alone_and_may_come_back() {
    let healthy = Script::with_gpus(3);
    let stage = Stage::new(&healthy);
    stage.readings(|gpus| gpus[1].utilization_percent.is_some());
    let mut story = healthy.clone();
    story.gpus[1] = story.gpus[1].clone().with_fault("*", Fault::Code(code::GPU_IS_LOST));
    stage.nvml.tell(&story).unwrap();
    let gpus = stage.readings(|gpus| gpus[1].utilization_percent.is_none());
    assert!(all_missing(&gpus[1], MissingReason::Lost), "{:?}", gpus[1]);
    assert_eq!(
        (gpus[0].utilization_percent, gpus[2].utilization_percent),
        (Some(93.0), Some(93.0))
    );
    stage.nvml.tell(&healthy).unwrap();
    stage.readings(|gpus| gpus[1].utilization_percent.is_some());
}

#[test]
fn a_gpu_that_cannot_be_opened_is_listed_with_its_reason() {
    let mut script = Script::with_gpus(2);
    let symbol = "nvmlDeviceGetHandleByIndex_v2";
    script.gpus[0] = script.gpus[0].clone().with_fault(symbol, Fault::Code(code::GPU_IS_LOST));
    let stage = Stage::new(&script);
    let gpus = stage.inventory();
    assert_eq!(
        (gpus[0].id.as_str(), gpus[1].id.as_str()),
        ("index:0", script.gpus[1].uuid.as_str())
    );
    assert_eq!(gpus[0].missing["memory_total_bytes"], MissingReason::Lost);
    let gpus = stage.readings(|_| true);
    assert!(all_missing(&gpus[0], MissingReason::Lost));
    assert_eq!(gpus[1].utilization_percent, Some(93.0));
}

#[test]
fn nonsense_is_told_as_missing() {
    let mut script = Script::with_gpus(2);
    for gpu in &mut script.gpus {
        gpu.uuid = "GPU-the-same".to_owned();
        gpu.name = "\u{1b}[31m".repeat(40);
        gpu.memory_total_bytes = Some(u64::MAX);
        gpu.memory_used_bytes = u64::MAX - 1;
        gpu.utilization_percent = Some(u32::MAX);
        gpu.temperature_celsius = Some(u32::MAX);
        gpu.power_milliwatts = Some(u32::MAX);
        gpu.power_limit_milliwatts = Some(u32::MAX);
        gpu.clock_mhz = Some(u32::MAX);
        gpu.fan_percent = Some(u32::MAX);
        gpu.throttle_reasons = Some(u64::MAX);
        gpu.compute = vec![Process { pid: 1, memory_bytes: Some(1 << 60) }];
    }
    let stage = Stage::new(&script);
    let gpus = stage.inventory();
    assert_eq!((gpus[0].id.as_str(), gpus[1].id.as_str()), ("GPU-the-same", "index:1"));
    assert_eq!(gpus[0].missing["memory_total_bytes"], MissingReason::CannotTell);
    assert!(!gpus[0].name.contains('\u{1b}'));
    let readings = stage.complete_readings();
    assert_eq!(readings[0].missing.len(), 6, "{:?}", readings[0].missing);
    assert!(readings[0].missing.values().all(|reason| *reason == MissingReason::CannotTell));
    assert_eq!(readings[0].processes.as_ref().unwrap()[0].memory_bytes, None);
    let sample =
        herdbook_shared::wire::sample::Sample { gpus: Some(readings), ..Default::default() };
    sample.check().unwrap();
}

#[test]
fn a_library_that_cannot_begin_says_why() {
    for (fault, reason) in [
        (code::LIB_RM_VERSION_MISMATCH, MissingReason::DriverMismatch),
        (code::NO_PERMISSION, MissingReason::NoPermission),
        (code::DRIVER_NOT_LOADED, MissingReason::CannotTell),
    ] {
        let script = Script::default().with_fault("nvmlInit_v2", Fault::Code(fault));
        let stage = Stage::new(&script);
        let Line::Unavailable { reason: told, message } = stage.line() else {
            panic!("expected unavailable");
        };
        assert_eq!(told, reason);
        assert!(!message.is_empty());
        assert_eq!(stage.end(), End::Unavailable);
    }
}

#[test]
fn a_library_that_is_none_says_so() {
    let options = ChildOptions {
        nvml_lib: Some("/dev/null/libnvidia-ml.so.1".into()),
        interval: Duration::from_millis(5),
        host_root: "/".into(),
    };
    let (_alive, stop) = sync_channel(0);
    let mut out = Vec::new();
    assert_eq!(run(&options, &Roots::default(), &stop, &mut out), End::Unavailable);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("cannot be loaded"), "{text}");
}

#[test]
fn an_upgrade_under_the_running_driver_ends_the_child() {
    let healthy = Script::with_gpus(1);
    let stage = Stage::new(&healthy);
    stage.readings(|_| true);
    let mismatch = Fault::Code(code::LIB_RM_VERSION_MISMATCH);
    stage.nvml.tell(&healthy.with_fault("nvmlDeviceGetPowerUsage", mismatch)).unwrap();
    loop {
        if let Line::Unavailable { reason, .. } = stage.line() {
            assert_eq!(reason, MissingReason::DriverMismatch);
            break;
        }
    }
    assert_eq!(stage.end(), End::Unavailable);
}

#[test]
fn one_more_gpu_ends_the_child() {
    let stage = Stage::new(&Script::with_gpus(1));
    stage.readings(|_| true);
    stage.nvml.tell(&Script::with_gpus(2)).unwrap();
    assert!(stage.again().contains("other GPUs"));
    while stage.lines.recv_timeout(PATIENCE).is_ok() {}
    assert_eq!(stage.end(), End::Changed);
}

#[test]
fn nobody_to_read_ends_the_child() {
    let mut stage = Stage::new(&Script::with_gpus(1));
    stage.readings(|_| true);
    let (_, nobody) = channel();
    stage.lines = nobody;
    assert_eq!(stage.thread.take().unwrap().join().unwrap(), End::Unread);
}

mod faults;
mod golden;
mod stories;
