//! Each rule: raised at its threshold and not before, over when it is over, never twice.

use super::*;

fn one(rule: &str, subject: &str, is_open: bool) -> Vec<(String, String, bool)> {
    vec![(rule.to_owned(), subject.to_owned(), is_open)]
}

#[test]
fn a_host_that_is_offline_for_five_minutes() {
    let mut world = World::new();
    world.host(1, sample());
    world.pass(10);
    world.lose(1);
    world.pass(45);
    assert_eq!(world.registry.host_status(host_id(1).as_str()), Ok(HostStatus::Offline));
    world.pass(299);
    assert_eq!(world.all(), []);
    world.pass(3);
    assert_eq!(world.all(), one("host_offline", "gpu-1", true));
    let alert = world.last("host_offline");
    assert_eq!(alert.cause.as_deref(), Some("no sample for 45 s"));
    assert_eq!(alert.subject.id.as_ref(), host_id(1).as_str());
    world.pass(1000);
    world.host(1, sample());
    world.pass(2);
    assert_eq!(world.all(), one("host_offline", "gpu-1", false));
    assert_eq!(world.cause(), "heard again");
}

#[test]
fn a_host_that_may_be_absent_or_drains_raises_nothing() {
    let mut world = World::new();
    world.host(1, sample());
    world.host(2, sample());
    world.pass(10);
    let absent = HostEdit { expected_absent: Some(Some(true)), ..HostEdit::default() };
    let drains = HostEdit { drain: Some(Some(true)), ..HostEdit::default() };
    let moment = world.clock.moment();
    assert_eq!(world.registry.patch_hosts(&[host_id(1)], &absent, moment).len(), 1);
    assert_eq!(world.registry.patch_hosts(&[host_id(2)], &drains, moment).len(), 1);
    world.lose(1);
    world.lose(2);
    world.pass(1000);
    assert_eq!(world.all(), []);
    let no_longer = HostEdit { drain: Some(None), ..HostEdit::default() };
    world.registry.patch_hosts(&[host_id(2)], &no_longer, world.clock.moment());
    world.pass(302);
    assert_eq!(world.all(), one("host_offline", "gpu-2", true));
    // To drain it now is no answer to its absence, to expect that is.
    world.registry.patch_hosts(&[host_id(2)], &drains, world.clock.moment());
    world.pass(5);
    assert_eq!(world.open(), ["host_offline"]);
    world.registry.patch_hosts(&[host_id(2)], &absent, world.clock.moment());
    world.pass(5);
    assert_eq!((world.open().len(), world.cause()), (0, "it may be absent".to_owned()));
}

#[test]
fn a_host_that_is_removed_takes_its_alerts_along() {
    let mut world = World::new();
    world.host(1, sample());
    world.pass(10);
    world.lose(1);
    world.pass(400);
    assert_eq!(world.open(), ["host_offline"]);
    world.registry.remove_host(host_id(1).as_str(), None, world.clock.moment()).unwrap();
    world.pass(1);
    assert_eq!((world.open().len(), world.cause()), (0, "removed".to_owned()));
}

fn beating(world: &World) {
    let moment = world.clock.moment();
    world.registry.list(
        "s",
        Source::Own,
        checked_by("http://10.0.0.9:8888", Check::Heartbeat),
        moment,
    );
}

#[test]
fn a_service_that_beats_no_longer_is_down_then_deregistered_and_recovers() {
    let mut world = World::new();
    beating(&world);
    world.pass(100);
    assert_eq!(world.all(), []);
    world.pass(52);
    assert_eq!(world.all(), one("service_down", "a", true));
    assert_eq!(world.last("service_down").cause.as_deref(), Some("2 missed beats"));
    world.pass(60);
    assert_eq!(world.open(), ["service_deregistered"]);
    assert_eq!(world.last("service_deregistered").cause.as_deref(), Some("3 missed beats"));
    assert_eq!((world.all().len(), world.cause()), (2, "deregistered".to_owned()));
    world.pass(600);
    assert_eq!(world.open(), ["service_deregistered"]);
    world.registry.beat("s", Beat::default(), world.clock.moment()).unwrap();
    world.pass(1);
    assert_eq!((world.open().len(), world.n_all("service_recovered")), (0, 1));
    assert!(world.last("service_recovered").resolved_at.is_some());
    world.pass(10);
    assert_eq!(world.all().len(), 3, "nothing is told twice");
}

#[test]
fn a_service_that_was_never_told_to_be_down_does_not_recover() {
    let mut world = World::with(set(Rule::ServiceDown, |rule| rule.holds_for = s(300)));
    beating(&world);
    world.pass(155);
    world.registry.beat("s", Beat::default(), world.clock.moment()).unwrap();
    world.pass(10);
    assert_eq!(world.all(), []);
}

#[test]
fn a_silent_service_that_never_comes_back_is_removed_after_a_day() {
    let mut world = World::new();
    beating(&world);
    world.pass(230);
    assert_eq!(world.open(), ["service_deregistered"]);
    world.clock.pass(90_000);
    world.pass(200);
    assert_eq!((world.open().len(), world.cause()), (0, "removed".to_owned()));
}

#[test]
fn a_model_server_that_is_gone_or_hangs() {
    let unhealthy = set(Rule::ServiceUnhealthy, |rule| rule.enabled = true);
    let mut world = World::with(unhealthy);
    let opened = world.host(1, sample());
    let in_state = |state| {
        let mut service = service("0.0.0.0", 11434, Vec::new());
        service.state = state;
        vec![service]
    };
    for (state, seconds) in
        [(ServiceState::Idle, 5), (ServiceState::Hung, 65), (ServiceState::Down, 5)]
    {
        world.registry.take_inventory(&opened, in_state(state), world.clock.moment());
        world.pass(seconds);
    }
    let told = world.all();
    let words: Vec<_> = told.iter().map(|(rule, _, open)| (&**rule, *open)).collect();
    assert_eq!(words, [("service_down", true), ("service_unhealthy", false)]);
    // While its host is silent nobody knows.
    world.lose(1);
    world.pass(60);
    assert_eq!(world.open(), ["service_down"]);
    let opened = world.host(1, sample());
    world.registry.take_inventory(&opened, in_state(ServiceState::Idle), world.clock.moment());
    world.pass(5);
    assert_eq!((world.open().len(), world.n_all("service_recovered")), (0, 1));
}

fn lost(id: &str) -> GpuSample {
    let mut gpu = GpuSample { id: id.to_owned(), ..GpuSample::default() };
    for field in ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"] {
        gpu.missing.insert(field.to_owned(), MissingReason::Lost);
    }
    gpu
}

#[test]
fn each_gpu_that_is_lost() {
    let mut world = World::new();
    world.host(1, gpus(vec![gpu_sample("GPU-0"), gpu_sample("GPU-1")]));
    world.pass(5);
    world.samples(1, gpus(vec![lost("GPU-0"), gpu_sample("GPU-1")]));
    world.pass(2);
    world.samples(1, gpus(vec![lost("GPU-0"), lost("GPU-1")]));
    world.pass(2);
    assert_eq!(world.open(), ["gpu_lost", "gpu_lost"]);
    // That nothing can be told of GPUs is no return.
    let mut untold = sample();
    untold.missing.insert("gpus".to_owned(), MissingReason::Timeout);
    world.samples(1, untold);
    world.pass(5);
    assert_eq!(world.open().len(), 2);
    world.samples(1, gpus(vec![lost("GPU-0"), gpu_sample("GPU-1")]));
    world.pass(2);
    assert_eq!(world.open().len(), 1);
    assert!(world.last("gpu_lost").message.contains("GPU"));
    world.samples(1, gpus(vec![gpu_sample("GPU-1")]));
    world.pass(2);
    assert_eq!((world.open().len(), world.n_all("gpu_lost")), (0, 2));
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_gpu_that_is_hot_for_a_minute_until_it_is_well_below() {
    let at = |celsius| {
        let hot = GpuSample { temperature_celsius: celsius, ..gpu_sample("GPU-0") };
        gpus(vec![hot, gpu_sample("GPU-1")])
    };
    let mut world = World::new();
    world.host(1, at(Some(89.9)));
    world.pass(100);
    world.samples(1, at(Some(90.0)));
    world.pass(60);
    assert_eq!(world.all(), []);
    world.pass(2);
    assert_eq!(world.all(), one("gpu_hot", "gpu-1", true));
    assert!(world.last("gpu_hot").message.contains("GPU 0 (NVIDIA H200, GPU-0) is at 90 °C"));
    for celsius in [Some(95.0), Some(86.0), None, Some(85.0)] {
        world.samples(1, at(celsius));
        world.pass(70);
        assert_eq!(world.all(), one("gpu_hot", "gpu-1", true), "at {celsius:?}");
    }
    world.samples(1, at(Some(84.9)));
    world.pass(1);
    assert_eq!(world.all(), one("gpu_hot", "gpu-1", false));
    // A moment below is a new minute.
    for _ in 0..5 {
        world.samples(1, at(Some(92.0)));
        world.pass(55);
        world.samples(1, at(Some(89.0)));
        world.pass(1);
    }
    assert_eq!(world.all().len(), 1);
}

#[test]
fn a_disk_that_is_nearly_full_wherever_it_is_but_for_booting() {
    let disk = |mount: &str, used| DiskDetail {
        mount: Some(mount.to_owned()),
        used_bytes: Some(used),
        total_bytes: Some(100),
        ..DiskDetail::default()
    };
    let with = |used| {
        let disks = Some(vec![disk("/boot/efi", 99), disk("/data", used)]);
        let root = Some(Disk { used_bytes: 50, total_bytes: 100 });
        let detail = Some(Box::new(Detail { disks, ..Detail::default() }));
        Sample { disk: root, detail, ..sample() }
    };
    let mut world = World::new();
    world.host(1, with(94));
    world.pass(100);
    assert_eq!(world.all(), []);
    world.samples(1, with(95));
    world.pass(62);
    assert_eq!(world.all(), one("disk_nearly_full", "gpu-1", true));
    assert!(world.last("disk_nearly_full").message.contains("the disk at /data is 95 % full"));
    world.samples(1, with(94));
    world.pass(10);
    assert_eq!(world.open(), ["disk_nearly_full"]);
    world.samples(1, with(90));
    world.pass(1);
    assert_eq!(world.all(), one("disk_nearly_full", "gpu-1", false));
}

#[test]
fn vram_that_is_nearly_full_only_where_that_was_asked_for() {
    let full = || {
        let full = GpuSample { memory_used_bytes: Some(96), ..gpu_sample("GPU-0") };
        gpus(vec![full, gpu_sample("GPU-1")])
    };
    for (enabled, expected) in [(false, 0), (true, 1)] {
        let mut world = World::with(set(Rule::VramNearlyFull, |rule| rule.enabled = enabled));
        world.host(1, full());
        world.pass(300);
        assert_eq!(world.all(), []);
        world.pass(3);
        assert_eq!(world.all().len(), expected);
    }
}

#[test]
fn two_machines_with_one_identity() {
    let mut world = World::new();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    world.host_as(1, first, sample());
    world.pass(2);
    world.host_as(1, second, sample());
    world.pass(1);
    world.host_as(1, first, sample());
    world.pass(2);
    assert_eq!(world.open(), ["duplicate_identity"]);
    let alert = world.last("duplicate_identity");
    assert!(alert.subject.id.ends_with("~2"), "{alert:?}");
    world.registry.forget_host(1, world.clock.moment());
    let clone = herdbook_shared::ids::HostId::from_text(&alert.subject.id);
    let session = world.registry.host(clone.as_str()).unwrap().session.clone().unwrap();
    let goodbye = CloseReason::Shutdown;
    world.alive.clear();
    world.registry.close_session(&clone, &session.id, goodbye, world.clock.moment());
    world.pass(60);
    assert_eq!((world.open().len(), world.cause()), (0, "removed".to_owned()));
}

#[test]
fn the_disk_of_the_collector() {
    let mut world = World::new();
    for (state, seconds, n_open) in [
        (StoreState::Ok, 60, 0),
        (StoreState::DiskFull, 1, 1),
        // Small things find room for a while.
        (StoreState::Ok, 5, 1),
        (StoreState::DiskFull, 60, 1),
        (StoreState::Failing, 60, 1),
        (StoreState::Ok, 7, 1),
        (StoreState::Ok, 2, 0),
    ] {
        world.engine.see_store(state, world.clock.moment());
        world.pass(seconds);
        assert_eq!(world.open().len(), n_open, "{state:?}");
    }
    assert_eq!(world.all(), one("collector_disk_full", "collector", false));
}

#[test]
fn a_rule_that_is_off_raises_nothing_and_a_severity_can_be_set() {
    let mut world = World::with(set(Rule::GpuLost, |rule| rule.enabled = false));
    world.host(1, gpus(vec![lost("GPU-0")]));
    world.pass(5);
    assert_eq!(world.all(), []);
    let info = crate::registry::finding::Severity::Info;
    let mut world = World::with(set(Rule::GpuLost, |rule| rule.severity = info));
    world.host(1, gpus(vec![lost("GPU-0")]));
    world.pass(5);
    assert_eq!(world.last("gpu_lost").severity, info);
}
