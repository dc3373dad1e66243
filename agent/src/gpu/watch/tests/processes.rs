//! The watch with real child processes and the fake library, on the real clock: what happens when
//! the library takes the whole process with it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fake_nvml::{Fault, Gpu as FakeGpu, Installed, Process as FakeProcess, Script};

use super::*;

/// Where the stand-in finds the library that the parent named on its command line.
const LIBRARY: &str = "FAKE_GPU_CHILD_LIBRARY";
const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(50);

/// The child's side: this very test, started by [`program`] and nobody else.
#[test]
#[ignore = "the child process of the other tests"]
fn child_entry() {
    let Some(library) = std::env::var_os(LIBRARY) else { return };
    let interval = Duration::from_millis(50);
    let host_root = "/".into();
    let options = crate::gpu::ChildOptions { nvml_lib: Some(library.into()), interval, host_root };
    let _ = crate::gpu::child_main(options, &mut io::stdout().lock());
}

/// A program that takes the agent's arguments and runs [`child_entry`].
fn program(folder: &Path) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = folder.join("agent");
    let text = format!(
        "#!/bin/sh\n\
         [ \"$1 $2 $3 $4\" = \"gpu --interval-ms 50 --nvml-lib\" ] || exit 9\n\
         export {LIBRARY}=\"$5\"\n\
         exec '{}' --exact gpu::watch::tests::processes::child_entry --ignored --nocapture\n",
        tests.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

struct Real {
    _folder: tempfile::TempDir,
    nvml: Installed,
    watch: GpuWatch,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Real {
    fn new(script: &Script) -> Self {
        Self::with(script, Revival::new(), Patience::with(INTERVAL))
    }

    fn with(script: &Script, revival: Revival, patience: Patience) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nvml = Installed::new(folder.path(), script).unwrap();
        let launch = Program {
            path: program(folder.path()),
            nvml_lib: Some(nvml.library.clone()),
            interval: INTERVAL,
            host_root: "/".into(),
        };
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let (watcher, watch) = Watcher::new(launch, patience, "/sys".into(), stop.clone());
        tasks.spawn(Watcher { revival, ..watcher }.run(|| true));
        Self { _folder: folder, nvml, watch, tasks, stop }
    }

    async fn until(&mut self, wanted: impl Fn(&GpuView) -> bool) -> Arc<GpuView> {
        let view = timeout(PATIENCE, self.watch.view.wait_for(|view| wanted(view))).await;
        view.expect("seen in time").unwrap().clone()
    }

    /// Ends the watch, and returns how long that took.
    async fn end(mut self) -> Duration {
        let start = Instant::now();
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        start.elapsed()
    }
}

#[tokio::test]
async fn a_crash_costs_the_readings_for_a_moment() {
    for fault in [Fault::Segfault, Fault::Abort] {
        let healthy = Script::with_gpus(2);
        let mut real = Real::new(&healthy);
        real.until(|view| percent(view) == Some(93.0)).await;
        real.nvml.tell(&healthy.clone().with_fault("nvmlDeviceGetPowerUsage", fault)).unwrap();
        let view = real.until(is_dim).await;
        assert_eq!(why(&view), Some(MissingReason::CannotTell));
        assert_eq!(view.gpus.as_ref().map(Vec::len), Some(2), "the inventory is still known");
        real.nvml.tell(&healthy).unwrap();
        real.until(|view| percent(view) == Some(93.0)).await;
        real.end().await;
    }
}

#[tokio::test]
async fn a_hang_is_a_timeout_and_the_end_does_not_wait_for_it() {
    let healthy = Script::with_gpus(1);
    let mut real = Real::new(&healthy);
    real.until(|view| percent(view) == Some(93.0)).await;
    real.nvml.tell(&healthy.with_fault("nvmlDeviceGetUtilizationRates", Fault::Hang)).unwrap();
    let view = real.until(is_dim).await;
    assert_eq!(why(&view), Some(MissingReason::Timeout));
    let took = real.end().await;
    assert!(took >= GRACE && took < 5 * GRACE, "{took:?}");
}

#[tokio::test]
async fn a_library_that_is_slow_to_begin_is_waited_for() {
    let slow = Script::with_gpus(1).with_fault("nvmlInit_v2", Fault::SleepMs(4000));
    let mut real = Real::new(&slow);
    let view = real.until(|view| view.missing == Some(MissingReason::Timeout)).await;
    assert_eq!(view.gpus, None);
    let view = real.until(|view| percent(view) == Some(93.0)).await;
    assert_eq!(view.missing, None);
    real.end().await;
}

/// Every call that a child makes until it has told everything once.
async fn calls(script: &Script) -> BTreeSet<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut real = Real::new(&script.clone().noting_calls(file.path()));
    real.until(|view| percent(view) == Some(93.0)).await;
    real.end().await;
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_hang_at_any_call_is_a_timeout_and_ends_with_the_hang() {
    let mut whole = FakeGpu::numbered(0);
    whole.compute = vec![FakeProcess { pid: 1, memory_bytes: Some(1) }];
    whole.graphics = vec![FakeProcess { pid: 2, memory_bytes: Some(1) }];
    let healthy = Script::of(vec![whole, FakeGpu::cut_a100(1)]);
    let calls = calls(&healthy).await;
    assert_eq!(calls.len(), 31, "{calls:#?}");
    let mut stories = JoinSet::new();
    for symbol in calls.into_iter().filter(|symbol| symbol != "nvmlShutdown") {
        let healthy = healthy.clone();
        stories.spawn(async move {
            let mut real = Real::new(&healthy.clone().with_fault(&symbol, Fault::Hang));
            real.until(|view| why(view) == Some(MissingReason::Timeout)).await;
            real.nvml.tell(&healthy).unwrap();
            let view = real.until(|view| percent(view) == Some(93.0)).await;
            assert_eq!(view.gpus.as_ref().map(Vec::len), Some(2), "{symbol}");
            real.end().await;
        });
        // Two cores cannot start all the children at once in time.
        if stories.len() >= 6 {
            stories.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(story) = stories.join_next().await {
        story.unwrap();
    }
}

#[tokio::test]
async fn a_library_that_hangs_in_its_end_does_not_hold_up_ours() {
    let mut real = Real::new(&Script::with_gpus(1).with_fault("nvmlShutdown", Fault::Hang));
    real.until(|view| percent(view) == Some(93.0)).await;
    let took = real.end().await;
    assert!(took >= GRACE && took < 5 * GRACE, "{took:?}");
}

#[tokio::test]
async fn a_gpu_that_needs_a_new_initialisation_gets_one() {
    let mut healthy = Script::with_gpus(2);
    healthy.gpus[0].returns_at_init = true;
    let mut story = healthy.clone();
    story.gpus[0] = story.gpus[0].clone().lost();
    // However slowly a busy machine starts the new child, its silence is not what is looked at.
    let patience = Patience { silent: PATIENCE, ..Patience::with(INTERVAL) };
    let mut real = Real::with(&healthy, Revival::after(Duration::from_millis(500)), patience);
    real.until(|view| percent(view) == Some(93.0)).await;
    real.nvml.tell(&story).unwrap();
    real.until(is_dim).await;
    real.nvml.tell(&healthy).unwrap();
    let other = |view: &GpuView| view.samples.as_ref().unwrap()[1].utilization_percent;
    // Until it is back, the other one is never dim.
    loop {
        real.watch.view.changed().await.unwrap();
        let view = real.watch.latest();
        assert_eq!(other(&view), Some(93.0));
        if percent(&view) == Some(93.0) {
            break;
        }
    }
    real.end().await;
}

#[tokio::test]
async fn an_upgrade_under_the_running_child_is_told_beside_the_readings() {
    let healthy = Script::with_gpus(1);
    let mut real = Real::new(&healthy);
    real.until(|view| percent(view) == Some(93.0)).await;
    // The packages are replaced: what is loaded works on, what starts now does not.
    let mismatch = Fault::Code(fake_nvml::code::LIB_RM_VERSION_MISMATCH);
    real.nvml.tell(&healthy.clone().with_fault("nvmlInit_v2", mismatch)).unwrap();
    real.nvml.replace().unwrap();
    let view = real.until(|view| view.driver_mismatch).await;
    assert_eq!(percent(&view), Some(93.0));
    // Another child meets it itself.
    real.nvml.tell(&healthy.clone().with_fault("*", mismatch)).unwrap();
    let view = real.until(|view| why(view) == Some(MissingReason::DriverMismatch)).await;
    assert_eq!(view.gpus.as_ref().map(Vec::len), Some(1), "the inventory is still known");
    assert!(!view.driver_mismatch);
    real.nvml.tell(&healthy).unwrap();
    real.until(|view| percent(view) == Some(93.0)).await;
    real.end().await;
}
