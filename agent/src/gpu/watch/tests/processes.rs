//! The watch with real child processes and the fake library, on the real clock: what happens when
//! the library takes the whole process with it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fake_nvml::{Fault, Installed, Script};

use super::*;

/// Where the stand-in finds the library that the parent named on its command line.
const LIBRARY: &str = "FAKE_GPU_CHILD_LIBRARY";
const PATIENCE: Duration = Duration::from_secs(20);

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
        let folder = tempfile::tempdir().unwrap();
        let nvml = Installed::new(folder.path(), script).unwrap();
        let settings = GpuSettings {
            program: program(folder.path()),
            nvml_lib: Some(nvml.library.clone()),
            interval: Duration::from_millis(50),
            roots: Roots::default(),
        };
        let mut tasks = JoinSet::new();
        let stop = CancellationToken::new();
        let watch = GpuWatch::start(settings, &mut tasks, stop.clone());
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
