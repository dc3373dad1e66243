//! What samples make of their host: the degraded list, sleep, and what is shown of the slow part.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::detail::{Detail, DiskDetail};
use herdbook_shared::wire::sample::{Disk, GpuSample, Pressure};
use serde_json::{Value, json};

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::encode;
use crate::registry::host::HostStatus;
use crate::registry::mark::Verdict;
use crate::registry::testing::*;
use crate::registry::view::View;

use super::*;

struct Host {
    registry: Registry,
    clock: Clock,
    opened: Opened,
}

impl Host {
    /// A host with a GPU, heard once.
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let opened = connect(&registry, 1, clock.moment());
        let host = Self { registry, clock, opened };
        let mut inventory = inventory(Vec::new());
        inventory.gpus = Some(vec![gpu("GPU-0", 0)]);
        let (id, session) = (&host.opened.host_id, &host.opened.session.id);
        host.registry.apply_inventory(id, session, inventory, host.clock.moment()).unwrap();
        host.send(well());
        host
    }

    fn send(&self, sample: Sample) {
        self.registry.take_sample(&self.opened, sample, self.clock.moment());
    }

    fn status(&self) -> HostStatus {
        self.registry.host(self.opened.host_id.as_str()).unwrap().status
    }

    fn shown(&self, view: View) -> Value {
        let host = self.registry.host(self.opened.host_id.as_str()).unwrap();
        serde_json::from_str(&encode::host(&host, view)).unwrap()
    }

    /// Not heard for so long that it is judged so.
    fn is_judged(&mut self, status: HostStatus) {
        let host = self.registry.host(self.opened.host_id.as_str()).unwrap();
        let verdict = Verdict::Status(status, "no sample".to_owned());
        self.registry.judge(&host, host.live.heard_ms(), &verdict, self.clock.pass(20));
        assert_eq!(self.status(), status);
    }

    /// Kind and cause of the last change.
    fn last_change(&self) -> (&'static str, Option<String>) {
        let changes = self.registry.changes_since(0, usize::MAX).unwrap();
        let last = changes.last().unwrap();
        (last.kind.word(), last.cause.clone())
    }
}

fn well() -> Sample {
    let disk = Some(Disk { used_bytes: 1, total_bytes: 100 });
    Sample { disk, gpus: Some(vec![gpu_sample("GPU-0")]), ..sample() }
}

fn gpu_missing(reason: MissingReason) -> Sample {
    let fields = ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"];
    let missing = fields.map(|field| (field.to_owned(), reason)).into();
    let gpu = GpuSample { id: "GPU-0".to_owned(), missing, ..GpuSample::default() };
    Sample { gpus: Some(vec![gpu]), ..well() }
}

fn with_data_disk(used_bytes: u64) -> Sample {
    let data = DiskDetail {
        mount: Some("/data".to_owned()),
        used_bytes: Some(used_bytes),
        total_bytes: Some(100),
        ..DiskDetail::default()
    };
    let detail = Detail { disks: Some(vec![data]), ..Detail::default() };
    Sample { detail: Some(Box::new(detail)), ..well() }
}

/// What degrades a host beside a hung server and a double identity, which are no samples' matter.
#[test]
fn each_of_these_degrades_a_host_and_its_end_ends_that() {
    let pressure = Pressure { memory_some_avg10: Some(20.0), ..Pressure::default() };
    let eased = Pressure { memory_some_avg10: Some(0.0), ..Pressure::default() };
    let of_pressure = |pressure| Sample { pressure: Some(pressure), ..well() };
    let root = |used_bytes| Sample { disk: Some(Disk { used_bytes, total_bytes: 100 }), ..well() };
    for (code, bad, good) in [
        ("gpu_lost", gpu_missing(MissingReason::Lost), well()),
        ("driver_mismatch", gpu_missing(MissingReason::DriverMismatch), well()),
        ("driver_mismatch", Sample { driver_mismatch: true, ..well() }, well()),
        ("disk_nearly_full", root(95), root(50)),
        ("disk_nearly_full", with_data_disk(95), with_data_disk(50)),
        ("memory_pressure", of_pressure(pressure), of_pressure(eased)),
    ] {
        let host = Host::new();
        assert_eq!(host.status(), HostStatus::Online);
        host.send(bad);
        assert_eq!(host.status(), HostStatus::Degraded, "{code}");
        let finding = &host.shown(View::Full)["findings"][0];
        assert_eq!(finding["code"], code);
        assert_ne!(finding["severity"], "info");
        host.send(good);
        assert_eq!(host.status(), HostStatus::Online, "{code}");
    }
}

#[test]
fn a_sleeping_gpu_is_no_finding_and_says_so_wherever_it_is_missing() {
    let host = Host::new();
    let seq = host.registry.cursor().1;
    host.send(gpu_missing(MissingReason::Asleep));
    assert_eq!(host.registry.cursor().1, seq);
    let shown = host.shown(View::Full);
    assert_eq!(shown["resources"]["missing"]["gpu_percent"], "asleep");
    assert_eq!(shown["gpus"][0]["missing"]["temperature_celsius"], "asleep");
    assert_eq!(shown["gpus"][0]["missing"]["detail"], "asleep");
    let counts = host.registry.snapshot(host.clock.moment()).counts();
    assert_eq!((counts.gpus, counts.vram_used_bytes, counts.vram_total_bytes), (1, 0, 100));
}

#[test]
fn a_lost_gpu_is_announced_by_its_name_and_id_and_once() {
    let host = Host::new();
    host.send(gpu_missing(MissingReason::Lost));
    let seq = host.registry.cursor().1;
    let lost = gpu_missing(MissingReason::Lost).gpus.unwrap();
    for gpus in
        [vec![gpu_sample("GPU-1"), lost[0].clone()], vec![lost[0].clone(), gpu_sample("GPU-1")]]
    {
        host.send(Sample { gpus: Some(gpus), ..well() });
    }
    assert_eq!(host.registry.cursor().1, seq);
    let changes = host.registry.changes_since(0, usize::MAX).unwrap();
    let lost: Vec<_> = changes.iter().filter(|change| change.kind == ChangeKind::GpuLost).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].cause.as_deref(), Some("NVIDIA H200 (GPU-0)"));
}

#[test]
fn a_gpu_that_may_not_be_asked_two_things_keeps_its_slow_values() {
    let host = Host::new();
    let missing = ["utilization_percent", "memory_used_bytes"];
    let missing = missing.map(|field| (field.to_owned(), MissingReason::NoPermission)).into();
    let fast = GpuSample {
        id: "GPU-0".to_owned(),
        power_watts: Some(90.0),
        missing,
        ..GpuSample::default()
    };
    let complete = GpuSample { temperature_celsius: Some(64.0), ..fast.clone() };
    for gpu in [complete, fast] {
        host.send(Sample { gpus: Some(vec![gpu]), ..well() });
        assert_eq!(host.shown(View::Full)["gpus"][0]["temperature_celsius"], 64.0);
    }
}

fn gap(from_ms: i64, to_ms: i64) -> Option<Gap> {
    let at = Timestamp::from_unix_ms;
    Some(Gap { from: at(from_ms), to: at(to_ms) })
}

#[test]
fn a_host_that_slept_says_so_when_it_is_back() {
    let mut host = Host::new();
    host.is_judged(HostStatus::Stale);
    host.is_judged(HostStatus::Offline);
    host.send(Sample { gap: gap(0, 3_600_000), ..well() });
    let cause = Some("resumed after 3600 s of sleep".to_owned());
    assert_eq!(host.last_change(), ("host.recovered", cause));
    assert_eq!(host.registry.n_gaps(), 1);

    host.is_judged(HostStatus::Stale);
    host.send(Sample { gap: gap(5000, 4000), ..gpu_missing(MissingReason::DriverMismatch) });
    let (code, cause) = host.last_change();
    assert_eq!(code, "host.degraded");
    let cause = cause.unwrap();
    let begins = "resumed after sleep; NVIDIA driver and library differ: reboot, or stop";
    assert!(cause.starts_with(begins), "{cause}");

    host.is_judged(HostStatus::Stale);
    host.send(well());
    assert_eq!(host.last_change(), ("host.online", None));
}

#[test]
fn a_sleep_that_nobody_missed_is_counted_and_no_change() {
    let host = Host::new();
    let seq = host.registry.cursor().1;
    for _ in 0..3 {
        host.send(Sample { gap: gap(0, 9000), ..well() });
    }
    assert_eq!(host.registry.cursor().1, seq);
    assert_eq!(host.registry.n_gaps(), 3);
    assert_eq!(
        host.registry.host(host.opened.host_id.as_str()).unwrap().present().unwrap().gap,
        None
    );
}

#[test]
fn slow_values_of_a_gpu_and_their_reasons_are_as_before() {
    let host = Host::new();
    let mut gpu = gpu_sample("GPU-0");
    gpu.temperature_celsius = Some(64.0);
    gpu.throttle_reasons = Some(vec!["power_cap".to_owned()]);
    gpu.missing = [("fan_percent".to_owned(), MissingReason::NotSupported)].into();
    let missing = [("disk".to_owned(), MissingReason::NoPermission)].into();
    host.send(Sample { gpus: Some(vec![gpu]), disk: None, missing, ..sample() });
    host.send(Sample { disk: None, ..well() });
    let shown = host.shown(View::Full);
    let gpu = &shown["gpus"][0];
    assert_eq!(gpu["temperature_celsius"], 64.0);
    assert_eq!(gpu["throttle_reasons"], json!(["power_cap"]));
    assert_eq!(gpu["missing"]["fan_percent"], "not_supported");
    assert_eq!(shown["resources"]["missing"]["disk_used_bytes"], "no_permission");
    // A GPU that says nothing keeps nothing.
    host.send(gpu_missing(MissingReason::Lost));
    let gpu = &host.shown(View::Full)["gpus"][0];
    assert_eq!(gpu["temperature_celsius"], json!(null));
    assert_eq!(gpu["missing"]["temperature_celsius"], "lost");
    assert_eq!(gpu["missing"]["fan_percent"], "lost");
}

#[test]
fn the_slow_part_is_shown_until_the_host_is_stale_and_never_in_the_summary() {
    let mut host = Host::new();
    assert_eq!(host.shown(View::Full)["missing"]["detail"], "cannot_tell");
    host.send(with_data_disk(50));
    host.send(well());
    let shown = host.shown(View::Full);
    assert_eq!(shown["detail"]["disks"][0]["mount"], "/data");
    assert_eq!(shown["detail"]["missing"]["uptime_s"], "cannot_tell");
    assert!(host.shown(View::Summary).get("detail").is_none());
    host.is_judged(HostStatus::Stale);
    let shown = host.shown(View::Full);
    assert_eq!(shown["detail"], json!(null));
    assert_eq!(shown["missing"]["detail"], "stale");
}

#[test]
fn after_a_silence_slow_values_are_missing_until_they_are_told_anew() {
    let mut host = Host::new();
    let warm = || {
        let mut sample = with_data_disk(50);
        sample.gpus.as_mut().unwrap()[0].temperature_celsius = Some(64.0);
        sample
    };
    host.send(warm());
    host.is_judged(HostStatus::Stale);
    host.send(Sample { disk: None, ..well() });
    let shown = host.shown(View::Full);
    assert_eq!(shown["status"], "online");
    assert_eq!(shown["detail"], json!(null));
    assert_eq!(shown["missing"]["detail"], "cannot_tell");
    assert_eq!(shown["resources"]["disk_used_bytes"], json!(null));
    assert_eq!(shown["gpus"][0]["temperature_celsius"], json!(null));
    assert_eq!(shown["gpus"][0]["missing"]["temperature_celsius"], "cannot_tell");
    host.send(warm());
    let shown = host.shown(View::Full);
    assert_eq!(shown["detail"]["disks"][0]["mount"], "/data");
    assert_eq!(shown["gpus"][0]["temperature_celsius"], 64.0);
}
