//! GPUs that go and come back, on the paused clock.

use fake_nvml::Machine;

use super::*;

fn gpu(n: u32) -> Gpu {
    let fake = fake_nvml::Gpu::numbered(n);
    Gpu {
        id: fake.uuid.clone(),
        index: n,
        name: fake.name.clone(),
        pci_address: Some(fake.pci_address()),
        ..Gpu::default()
    }
}

fn well(n: u32) -> GpuSample {
    GpuSample { id: gpu(n).id, utilization_percent: Some(50.0), ..GpuSample::default() }
}

fn lost(n: u32) -> GpuSample {
    crate::gpu::reading::dim(&gpu(n).id, MissingReason::Lost)
}

/// Of the second GPU.
fn state(view: &GpuView) -> (usize, Option<f64>, Option<MissingReason>) {
    let sample = view.samples.as_ref().and_then(|samples| samples.get(1));
    let why = sample.and_then(|sample| sample.missing.get("utilization_percent").copied());
    let n_gpus = view.gpus.as_ref().map_or(0, Vec::len);
    (n_gpus, sample.and_then(|sample| sample.utilization_percent), why)
}

impl Remote {
    async fn lists(&mut self, gpus: Vec<Gpu>) {
        self.say(&Line::Start { version: VERSION }).await;
        self.say(&Line::Inventory { driver: None, gpus }).await;
    }

    async fn reads(&mut self, gpus: Vec<GpuSample>) {
        self.say(&Line::Readings { at: Timestamp::now(), gpus, driver_mismatch: false }).await;
    }

    /// A child that tells this each second, until it is asked to end; then it ends.
    async fn reads_until_asked(mut self, gpus: Vec<GpuSample>) {
        while self.done().is_empty() {
            self.reads(gpus.clone()).await;
            sleep(SECOND).await;
        }
        assert_eq!(self.done(), [Done::InputClosed]);
        self.die();
    }
}

#[tokio::test(start_paused = true)]
async fn a_gpu_that_stays_lost_is_looked_for_by_a_new_child_and_the_others_stay_bright() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    let start = Instant::now();
    child.reads_until_asked(vec![well(0), lost(1)]).await;
    // It was asked after a minute, and looked at what was asked a second later.
    assert_eq!(start.elapsed().as_secs(), 61);
    let mut child = stage.child().await;
    assert_eq!(start.elapsed().as_secs(), 61, "there is no pause");
    let view = stage.watch.latest();
    assert_eq!(percent(&view), Some(50.0), "the healthy one's readings stand");
    assert_eq!(state(&view), (2, None, Some(MissingReason::Lost)));
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads(vec![well(0), well(1)]).await;
    stage.until(|view| state(view).1 == Some(50.0)).await;
    // All is well: nobody is asked to end any more.
    for _ in 0..600 {
        child.reads(vec![well(0), well(1)]).await;
        sleep(SECOND).await;
    }
    assert_eq!(child.done(), []);
}

#[tokio::test(start_paused = true)]
async fn a_new_child_that_is_silent_does_not_keep_old_readings_bright() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads_until_asked(vec![well(0), lost(1)]).await;
    let _silent = stage.child().await;
    let asked = Instant::now();
    stage.until(is_dim).await;
    assert!(asked.elapsed() <= 3 * SECOND, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_gpu_is_looked_for_while_a_new_child_could_read_nothing() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    for _ in 0..200 {
        let gpus = vec![well(0), lost(1)];
        child.say(&Line::Readings { at: Timestamp::now(), gpus, driver_mismatch: true }).await;
        sleep(SECOND).await;
    }
    assert!(child.done().is_empty());
    assert!(stage.watch.latest().driver_mismatch);
    // It fits again.
    child.reads_until_asked(vec![well(0), lost(1)]).await;
    stage.child().await;
    assert!(!stage.watch.latest().driver_mismatch);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_library_is_told_on_when_its_child_dies_until_the_next_one_speaks() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0)]).await;
    let readings = |driver_mismatch| Line::Readings {
        at: Timestamp::now(),
        gpus: vec![well(0)],
        driver_mismatch,
    };
    child.say(&readings(true)).await;
    stage.until(|view| view.driver_mismatch).await;
    child.die();
    let view = stage.until(is_dim).await;
    assert!(view.driver_mismatch);
    let mut next = stage.child().await;
    assert!(stage.watch.latest().driver_mismatch);
    next.lists(vec![gpu(0)]).await;
    next.say(&readings(false)).await;
    stage.until(|view| !view.driver_mismatch).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_by_its_own_plan_dims_nothing() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads(vec![well(0), well(1)]).await;
    stage.until(|view| state(view).1.is_some()).await;
    child.say(&Line::Again { message: "the driver has other GPUs".to_owned() }).await;
    child.die();
    let mut child = stage.child().await;
    assert_eq!(state(&stage.watch.latest()), (2, Some(50.0), None));
    child.lists(vec![gpu(0)]).await;
    child.reads(vec![well(0)]).await;
    let view = stage.until(|view| state(view).0 == 1).await;
    assert_eq!(view.gpus, Some(vec![gpu(0)]), "the kernel does not have it any more");
}

#[tokio::test(start_paused = true)]
async fn children_that_plan_their_end_again_and_again_wait_longer() {
    let mut stage = Stage::new();
    let start = Instant::now();
    for _ in 0..6 {
        let mut child = stage.child().await;
        child.say(&Line::Again { message: "x".to_owned() }).await;
        child.die();
    }
    assert_eq!(start.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16);
}

#[tokio::test(start_paused = true)]
async fn a_gpu_that_the_kernel_has_and_nvml_does_not_list_is_lost() {
    let mut stage = Stage::new();
    Machine::new(stage.folder.path()).put(&fake_nvml::Gpu::numbered(1), "active").unwrap();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads(vec![well(0), well(1)]).await;
    stage.until(|view| state(view).1.is_some()).await;
    child.die();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0)]).await;
    child.reads(vec![well(0)]).await;
    let view = stage.until(|view| percent(view).is_some()).await;
    assert_eq!(state(&view), (2, None, Some(MissingReason::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_known_gpu_keeps_its_name_when_a_new_child_cannot_open_it() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads(vec![well(0), well(1)]).await;
    stage.until(|view| state(view).1.is_some()).await;
    child.die();
    let mut child = stage.child().await;
    let nameless = crate::gpu::bus::unasked(1, None, MissingReason::Timeout);
    let sample = crate::gpu::reading::dim(&nameless.id, MissingReason::Timeout);
    child.lists(vec![gpu(0), nameless]).await;
    child.reads(vec![well(0), sample]).await;
    let view = stage.until(|view| percent(view).is_some()).await;
    assert_eq!(view.gpus, Some(vec![gpu(0), gpu(1)]));
    assert_eq!(state(&view), (2, None, Some(MissingReason::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn sleeping_gpus_are_listed_at_the_first_look() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    let asleep = crate::gpu::bus::unasked(0, gpu(0).pci_address, MissingReason::Asleep);
    child.say(&Line::Asleep { gpus: vec![asleep.clone()] }).await;
    let view = stage.until(|view| view.gpus.is_some()).await;
    assert_eq!(view.gpus, Some(vec![asleep]));
    let view = stage.until(|view| why(view) == Some(MissingReason::Asleep)).await;
    let revision = view.revision;
    child.lists(vec![gpu(0)]).await;
    child.reads(vec![well(0)]).await;
    stage.until(|view| percent(view) == Some(50.0)).await;
    assert_eq!(stage.watch.latest().gpus, Some(vec![gpu(0)]));
    assert!(stage.watch.latest().revision > revision);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_heals_with_a_later_child() {
    let mut stage = Stage::new();
    let reason = MissingReason::DriverMismatch;
    let child = stage.well_child().await;
    child.die();
    for _ in 0..4 {
        let mut child = stage.child().await;
        child.say(&Line::Start { version: VERSION }).await;
        child.say(&Line::Unavailable { reason, message: "versions differ".to_owned() }).await;
        stage.until(|view| why(view) == Some(reason)).await;
        child.die();
    }
    assert_eq!(stage.watch.latest().gpus.as_ref().map(Vec::len), Some(1), "still known");
    let _child = stage.well_child().await;
    assert_eq!(percent(&stage.watch.latest()), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_on_its_way_to_its_end_has_a_successor_with_all_its_time() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    while child.done().is_empty() {
        child.reads(vec![well(0), lost(1)]).await;
        sleep(SECOND).await;
    }
    sleep(70 * SECOND).await;
    assert_eq!(child.done().last(), Some(&Done::Signal(Signal::KILL)));
    assert_eq!(why(&stage.watch.latest()), Some(MissingReason::Timeout));
    child.die();
    let mut child = stage.child().await;
    sleep(20 * SECOND).await;
    assert_eq!(child.done(), [], "it may take as long to begin as any other");
    child.lists(vec![gpu(0), gpu(1)]).await;
    child.reads(vec![well(0), well(1)]).await;
    stage.until(|view| state(view).1 == Some(50.0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_a_gpu_is_lost_does_not_end_the_next_child() {
    let mut stage = Stage::new();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    for _ in 0..59 {
        child.reads(vec![well(0), lost(1)]).await;
        sleep(SECOND).await;
    }
    child.die();
    let mut child = stage.child().await;
    child.lists(vec![gpu(0), gpu(1)]).await;
    for _ in 0..30 {
        child.reads(vec![well(0), lost(1)]).await;
        sleep(SECOND).await;
    }
    assert_eq!(child.done(), []);
}
