//! The law of the feed, held against whatever agents may do in whatever order.

use std::collections::BTreeMap;

use herdbook_shared::ids::InstanceId;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::detail::{Detail, DiskDetail};
use herdbook_shared::wire::inventory::{Address, Service, ServiceState, ToldBy};
use herdbook_shared::wire::sample::{Disk, Gap, GpuProcess, Sample, ServiceSample};
use proptest::prelude::*;
use serde_json::Value;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::node::HostEdit;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::registry::view::View;
use crate::sweep::Sweep;

use super::Mirror;

use alerted::Alerting;
use checked::Checking;
use declared::Declaring;

#[path = "fold_alerted_tests.rs"]
mod alerted;
#[path = "fold_checked_tests.rs"]
mod checked;
#[path = "fold_declared_tests.rs"]
mod declared;

/// How a GPU does.
#[derive(Clone, Copy, Debug)]
enum MaybeGpu {
    Well,
    Lost,
    Asleep,
}

/// What may happen to one of three hosts.
#[derive(Clone, Debug)]
enum Happening {
    Connect { host: u8, instance: u8 },
    Close { host: u8, reason: CloseReason },
    Sample { host: u8, gpu: MaybeGpu, disk_used: u64, depth: u8 },
    Inventory { host: u8, services: Vec<(u8, u8, u8, u8, u8)> },
    Patch { host: u8, edit: HostEdit },
    Remove { host: u8 },
    Pass { seconds: u64 },
    Declare(Declaring),
    Sleep { seconds: u64 },
    Check(Checking),
    Alert(Alerting),
}

fn happening() -> impl Strategy<Value = Happening> {
    let reason = prop_oneof![
        Just(CloseReason::Lost),
        Just(CloseReason::Shutdown),
        Just(CloseReason::Upgrade),
        Just(CloseReason::Superseded),
    ];
    let service = (0..3u8, 0..2u8, 0..6u8, any::<u8>(), any::<u8>());
    let services = prop::collection::vec(service, 0..4);
    let gpu = prop_oneof![Just(MaybeGpu::Well), Just(MaybeGpu::Lost), Just(MaybeGpu::Asleep)];
    let host = 0..3u8;
    prop_oneof![
        3 => (host.clone(), 0..3u8).prop_map(|(host, instance)| Happening::Connect { host, instance }),
        1 => (host.clone(), reason).prop_map(|(host, reason)| Happening::Close { host, reason }),
        4 => (host.clone(), gpu, 0..100u64, any::<u8>()).prop_map(|(host, gpu, disk_used, depth)| {
            Happening::Sample { host, gpu, disk_used, depth }
        }),
        4 => (host.clone(), services).prop_map(|(host, services)| Happening::Inventory { host, services }),
        2 => (host.clone(), edit()).prop_map(|(host, edit)| Happening::Patch { host, edit }),
        1 => host.prop_map(|host| Happening::Remove { host }),
        2 => (1..50u64).prop_map(|seconds| Happening::Pass { seconds }),
        6 => declared::declaring().prop_map(Happening::Declare),
        1 => (4..400u64).prop_map(|seconds| Happening::Sleep { seconds }),
        6 => checked::checking().prop_map(Happening::Check),
        3 => alerted::alerting().prop_map(Happening::Alert),
    ]
}

/// What people may say of a host.
fn edit() -> impl Strategy<Value = HostEdit> {
    let flag = prop_oneof![Just(None), Just(Some(None)), any::<bool>().prop_map(|b| Some(Some(b)))];
    let word = prop_oneof![Just(None), Just(Some(None)), Just(Some(Some("b".to_owned())))];
    let value = prop_oneof![Just(None), Just(Some("b".to_owned()))];
    let labels = prop::collection::btree_map(Just("zone".to_owned()), value, 0..2);
    let labels = prop_oneof![Just(None), Just(Some(None)), labels.prop_map(|l| Some(Some(l)))];
    (word.clone(), labels, word, flag.clone(), flag).prop_map(
        |(role, labels, notes, drain, expected_absent)| HostEdit {
            role,
            labels,
            notes,
            drain,
            expected_absent,
        },
    )
}

struct World {
    registry: Registry,
    sweep: Sweep,
    clock: Clock,
    instances: Vec<InstanceId>,
    sessions: BTreeMap<u8, Opened>,
}

impl World {
    fn new() -> Self {
        let clock = Clock::new();
        Self {
            registry: Registry::new(Liveness::default()),
            sweep: Sweep::new(Liveness::default(), clock.moment().now),
            clock,
            instances: (0..3).map(|_| InstanceId::random()).collect(),
            sessions: BTreeMap::new(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        let moment = self.clock.moment();
        match happening {
            Happening::Connect { host, instance } => {
                let instance = self.instances[usize::from(instance)];
                if let Ok(opened) = try_connect_as(&self.registry, host, instance, moment) {
                    self.sessions.insert(host, opened);
                }
            }
            Happening::Close { host, reason } => {
                if let Some(opened) = self.sessions.get(&host) {
                    let (id, session) = (&opened.host_id, &opened.session.id);
                    self.registry.close_session(id, session, reason, moment);
                }
            }
            Happening::Sample { host, gpu, disk_used, depth } => {
                if let Some(opened) = self.sessions.get(&host) {
                    let (id, session) = (&opened.host_id, &opened.session.id);
                    let sample = sample_with(gpu, disk_used, depth);
                    let _ = self.registry.record_sample(id, session, sample, moment);
                }
            }
            Happening::Inventory { host, services } => {
                if let Some(opened) = self.sessions.get(&host) {
                    let mut inventory = inventory(services.into_iter().map(report).collect());
                    inventory.gpus = Some(vec![gpu("GPU-0", 0)]);
                    inventory.address_details = vec![Address::default()];
                    let (id, session) = (&opened.host_id, &opened.session.id);
                    let _ = self.registry.apply_inventory(id, session, inventory, moment);
                }
            }
            Happening::Declare(declaring) => declaring.happen(&self.registry, moment),
            Happening::Patch { host, edit } => {
                self.registry.patch_hosts(&[host_id(host)], &edit, moment);
            }
            Happening::Remove { host } => {
                let _ = self.registry.remove_host(host_id(host).as_str(), None, moment);
            }
            Happening::Sleep { seconds } => {
                let moment = self.clock.pass(seconds);
                self.sweep.tick(&self.registry, moment);
            }
            Happening::Check(checking) => checking.happen(&self.registry, moment),
            Happening::Alert(alerting) => alerting.happen(&self.registry, moment),
            Happening::Pass { seconds } => {
                for _ in 0..seconds {
                    let moment = self.clock.pass(1);
                    self.sweep.tick(&self.registry, moment);
                }
            }
        }
    }
}

/// `depth` holds a bit for each thing that may come along.
fn sample_with(gpu: MaybeGpu, disk_used: u64, depth: u8) -> Sample {
    let has = |bit: u8| depth & (1 << bit) != 0;
    let mut moving = gpu_sample("GPU-0");
    let reason = match gpu {
        MaybeGpu::Well => None,
        MaybeGpu::Lost => Some(MissingReason::Lost),
        MaybeGpu::Asleep => Some(MissingReason::Asleep),
    };
    if let Some(reason) = reason {
        moving.utilization_percent = None;
        moving.memory_used_bytes = None;
        for field in ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"] {
            moving.missing.insert(field.to_owned(), reason);
        }
    }
    moving.detail = has(0).then(Box::default);
    moving.processes = has(1).then(|| vec![GpuProcess { pid: 7, ..GpuProcess::default() }]);
    let data = DiskDetail {
        mount: Some("/data".to_owned()),
        used_bytes: Some(disk_used),
        total_bytes: Some(100),
        ..DiskDetail::default()
    };
    let detail = Detail { disks: has(2).then(|| vec![data]), ..Detail::default() };
    let (from, to) = (Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(60_000));
    let busy = ServiceSample {
        address: "127.0.0.1".to_owned(),
        port: 11434,
        requests_running: has(6).then_some(2),
        requests_waiting: has(7).then_some(3),
        ..ServiceSample::default()
    };
    Sample {
        gpus: Some(vec![moving]),
        disk: Some(Disk { used_bytes: disk_used, total_bytes: 100 }),
        detail: has(3).then(|| Box::new(detail)),
        gap: has(4).then_some(Gap { from, to }),
        services: has(5).then(|| vec![busy]),
        ..sample()
    }
}

/// `depth` holds a bit for each thing that may be known.
fn report((port, address, state, models, depth): (u8, u8, u8, u8, u8)) -> Service {
    let addresses = ["127.0.0.1", "0.0.0.0"];
    let states = [
        ServiceState::Idle,
        ServiceState::Busy,
        ServiceState::Hung,
        ServiceState::Down,
        ServiceState::Loading,
        ServiceState::Unknown,
    ];
    let has = |bit: u8| models & (1 << bit) != 0;
    let knows = |bit: u8| depth & (1 << bit) != 0;
    let models = (0..4).filter(|bit| has(*bit)).map(|bit| {
        let mut model = model(&format!("model-{bit}"), has(bit + 4));
        if has(7) {
            model.capabilities.push(format!("cap-{bit}"));
        }
        model.loading = knows(0);
        model
    });
    let address = addresses[usize::from(address)];
    let mut service = service(address, 11434 + u16::from(port), models.collect());
    service.state = states[usize::from(state)];
    service.state_told_by = knows(1).then_some(ToldBy::Runner);
    service.asks_credential = knows(2).then(|| knows(3));
    service.unit = knows(4).then(|| "ollama.service".to_owned());
    service.container = knows(5).then(|| "9f86".to_owned());
    service.gpu_ids = if knows(6) { vec!["GPU-0".to_owned()] } else { Vec::new() };
    service
}

/// What samples carry is outside the law.
pub(in crate::registry) fn without_volatile(mirror: &Mirror) -> Mirror {
    let mut mirror = mirror.clone();
    let host_fields = [
        "last_seen",
        "latency_ms",
        "clock_skew_ms",
        "resources",
        "detail",
        "missing",
        "cpu_percent",
        "memory_percent",
        "vram_percent",
    ];
    let gpu_fields = [
        "memory_used_bytes",
        "utilization_percent",
        "temperature_celsius",
        "power_watts",
        "sm_clock_mhz",
        "fan_percent",
        "throttle_reasons",
        "processes",
        "detail",
        "missing",
    ];
    for host in mirror.hosts.values_mut() {
        strip(host, &host_fields);
        match host["gpus"].as_array_mut() {
            Some(gpus) if gpus.iter().all(Value::is_array) => gpus.clear(),
            Some(gpus) => gpus.iter_mut().for_each(|gpu| strip(gpu, &gpu_fields)),
            None => (),
        }
    }
    for service in mirror.services.values_mut() {
        let moving = [
            "last_check",
            "last_heartbeat",
            "check_latency_ms_avg",
            "requests_running",
            "queue_depth",
            "consecutive_failures",
            "p95_ms",
            "load",
        ];
        strip(service, &moving);
        if service["missing"].is_object() {
            strip(&mut service["missing"], &moving);
        }
        for model in service["models"].as_array_mut().into_iter().flatten() {
            strip(model, &["expires_at"]);
        }
    }
    mirror
}

fn strip(entity: &mut Value, fields: &[&str]) {
    for field in fields {
        entity.as_object_mut().unwrap().remove(*field);
    }
}

pub(in crate::registry) fn mirror(registry: &Registry, clock: &Clock, view: View) -> Mirror {
    let fields = registry.snapshot(clock.moment()).fields(view);
    Mirror::of_snapshot(&serde_json::from_str(&format!("{{{fields}}}")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_snapshot_and_its_changes_make_the_next_snapshot(
        happenings in prop::collection::vec(happening(), 1..60),
        from in 0..30usize,
    ) {
        let mut world = World::new();
        let mut followers = None;
        for (index, happening) in happenings.into_iter().enumerate() {
            if index == from {
                let begin = |view| (view, mirror(&world.registry, &world.clock, view));
                followers = Some([begin(View::Summary), begin(View::Full)]);
            }
            world.happen(happening.clone());
            for (view, follower) in followers.iter_mut().flatten() {
                for change in world.registry.changes_since(follower.seq, usize::MAX).unwrap() {
                    let change = serde_json::from_slice(&change.encoded(*view)).unwrap();
                    follower.fold(&change, *view).unwrap();
                }
                let now = mirror(&world.registry, &world.clock, *view);
                let (follower, now) = (without_volatile(follower), without_volatile(&now));
                prop_assert_eq!(follower, now, "after {:?} in {:?}", happening, view);
            }
        }
        world.registry.check_indexes();
    }
}

impl Registry {
    /// At rest, the indexes equal rebuilt ones.
    pub(in crate::registry) fn check_indexes(&self) {
        let mut rebuilt: BTreeMap<String, std::collections::BTreeSet<_>> = BTreeMap::new();
        for service in self.services() {
            for model in service.facts.models.iter() {
                rebuilt
                    .entry(model.name.as_ref().to_owned())
                    .or_default()
                    .insert(service.id.clone());
            }
        }
        assert_eq!(self.models.all(), rebuilt);
        let mut claims = std::collections::BTreeSet::new();
        for service in self.services() {
            claims.extend(service.claims().into_iter().map(|claim| (claim, service.id.clone())));
        }
        assert_eq!(self.aliases.all(), claims);
        let revisions = self.services().into_iter().map(|s| (s.id.clone(), s.revision));
        assert_eq!(self.models.revisions(), revisions.collect());
        assert_eq!((self.n_models(), self.n_services()), (rebuilt.len(), self.services().len()));
        for host in self.hosts() {
            let mine = self.services().into_iter().filter(|s| s.host_id() == Some(&host.id));
            let mut mine: Vec<_> = mine.map(|service| service.id.clone()).collect();
            mine.sort_unstable();
            assert_eq!(host.services[..], mine[..]);
            for id in host.services.iter() {
                let service = self.service(id.as_str()).unwrap();
                assert_eq!(service.host_drains, host.patch.drain, "{id}");
            }
        }
    }
}

#[test]
fn a_gap_is_noticed() {
    let mut mirror = Mirror { epoch: "e".to_owned(), seq: 4, ..Mirror::default() };
    let change = |epoch: &str, seq: u64| serde_json::json!({ "epoch": epoch, "seq": seq, "type": "fleet.mass_offline" });
    assert!(mirror.fold(&change("e", 6), View::Full).is_err());
    assert!(mirror.fold(&change("f", 5), View::Full).is_err());
    assert!(mirror.fold(&change("e", 5), View::Full).is_ok());
}
