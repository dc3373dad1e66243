//! What is told of a fleet, read back.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::{GpuSample, Pressure, Sample};

use crate::config::Liveness;
use crate::metrics::family::Kind;
use crate::metrics::models::{MODELS_A_SERVICE, Told};
use crate::metrics::testing::Parsed;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::sweep::Sweep;

use super::*;

struct World {
    registry: Registry,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        Self { registry: Registry::new(Liveness::default()), clock: Clock::new() }
    }

    /// Host `n` with a GPU that is well and one that is lost, and an Ollama.
    fn host(&mut self, n: u8) -> Opened {
        let moment = self.clock.pass(1);
        let opened = connect(&self.registry, n, moment);
        let ids = ["a", "b"].map(|gpu| format!("GPU-{n}-{gpu}"));
        let inventory = Inventory {
            gpus: Some(vec![gpu(&ids[0], 0), gpu(&ids[1], 1)]),
            ..inventory(vec![service("0.0.0.0", 11434, vec![model("a", true), model("b", false)])])
        };
        let session = &opened.session.id;
        self.registry.apply_inventory(&opened.host_id, session, inventory, moment).unwrap();
        self.sample(&opened);
        opened
    }

    fn sample(&self, opened: &Opened) {
        let n = self.registry.host(opened.host_id.as_str()).unwrap();
        let gpus = n.facts.gpus.clone().unwrap();
        let fields = ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"];
        let missing = fields.map(|field| (field.to_owned(), MissingReason::Lost)).into();
        let lost = GpuSample { id: gpus[1].id.clone(), missing, ..GpuSample::default() };
        let told = Sample {
            load1: Some(3.25),
            pressure: Some(Pressure { cpu_some_avg10: Some(1.5), ..Pressure::default() }),
            gpus: Some(vec![gpu_sample(&gpus[0].id), lost]),
            ..sample()
        };
        self.registry.take_sample(opened, told, self.clock.moment());
    }

    fn fleet(&self) -> Fleet {
        let snapshot = self.registry.snapshot(self.clock.moment());
        let told = Told::over(snapshot.services.iter().map(AsRef::as_ref));
        Fleet { own: None, hosts: snapshot.hosts, services: snapshot.services, told }
    }

    fn told(&self) -> Parsed {
        Parsed::of(&whole(self.fleet()))
    }
}

fn whole(fleet: Fleet) -> String {
    let mut exposition = Exposition::new(fleet);
    let pieces = std::iter::from_fn(|| exposition.piece());
    pieces.map(|piece| String::from_utf8(piece).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_host_its_gpus_services_and_models_are_told_in_base_units() {
    let mut world = World::new();
    let opened = world.host(1);
    world.registry.host(opened.host_id.as_str()).unwrap().live.write_latency(3);
    let told = world.told();
    let host = [("host", "gpu-1"), ("host_id", opened.host_id.as_str())];
    let of_host = |name: &str| told.get(&format!("herdbook_{name}"), &host);
    assert_eq!(of_host("host_up"), Some(1.0));
    assert_eq!(of_host("host_cpu_usage_ratio"), Some(0.125));
    assert_eq!(of_host("host_memory_used_bytes"), Some(1.0));
    assert_eq!(of_host("host_memory_total_bytes"), Some(4.0));
    assert_eq!(of_host("host_load1"), Some(3.25));
    assert_eq!(of_host("link_round_trip_seconds"), Some(0.003));
    assert_eq!(of_host("host_pressure_ratio"), Some(0.015));
    assert_eq!(of_host("host_swap_used_bytes"), None, "missing is not 0");
    assert_eq!(of_host("host_findings"), Some(1.0), "a GPU is lost");

    let gpu = |place: &'static str, name: &str| {
        let labels = [host[0], host[1], ("gpu", place), ("name", "NVIDIA H200")];
        told.get(&format!("herdbook_gpu_{name}"), &labels)
    };
    assert_eq!((gpu("0", "up"), gpu("1", "up")), (Some(1.0), Some(0.0)));
    assert_eq!(gpu("0", "utilization_ratio"), Some(0.5));
    assert_eq!(gpu("0", "memory_used_bytes"), Some(10.0));
    assert_eq!(gpu("0", "memory_total_bytes"), Some(100.0));
    assert_eq!((gpu("0", "temperature_celsius"), gpu("1", "utilization_ratio")), (None, None));
    let uuid = [("uuid", "GPU-1-a")];
    assert_eq!(told.get("herdbook_gpu_power_limit_watts", &uuid), Some(700.0));

    let service = [("service", "gpu-1:11434"), ("kind", "ollama"), ("host", "gpu-1")];
    assert_eq!(told.get("herdbook_service_up", &service), Some(1.0));
    assert_eq!(told.get("herdbook_service_models", &service), Some(2.0));
    let model = |name| [("service", "gpu-1:11434"), ("model", name)];
    assert_eq!(told.get("herdbook_model_loaded", &model("a")), Some(1.0));
    assert_eq!(told.get("herdbook_model_loaded", &model("b")), Some(0.0));
    assert_eq!(told.get("herdbook_model_vram_bytes", &model("a")), Some(1200.0));
    assert_eq!(told.get("herdbook_model_vram_bytes", &model("b")), None);
}

#[tokio::test(start_paused = true)]
async fn of_a_silent_host_only_its_silence_is_told() {
    let mut world = World::new();
    let (silent, heard) = (world.host(1), world.host(2));
    let mut sweep = Sweep::new(Liveness::default(), world.clock.moment().now);
    sweep.tick(&world.registry, world.clock.moment());
    for _ in 0..20 {
        let moment = world.clock.pass(1);
        world.sample(&heard);
        sweep.tick(&world.registry, moment);
    }
    let told = world.told();
    let of = |opened: &Opened| told.families_with("host_id", opened.host_id.as_str());
    let still = [
        "herdbook_host_info",
        "herdbook_host_last_seen_timestamp_seconds",
        "herdbook_host_up",
        "herdbook_service_info",
    ];
    assert_eq!(of(&silent), still);
    assert!(of(&heard).len() > 12, "{:?}", of(&heard));
    assert_eq!(told.all("herdbook_host_up", &[("host", "gpu-1")]), [0.0]);
    assert_eq!(told.all("herdbook_service_up", &[("host", "gpu-1")]), [0.0; 0]);
    assert_eq!(told.all("herdbook_service_up", &[("host", "gpu-2")]), [1.0]);
    assert_eq!(told.all("herdbook_model_loaded", &[("service", "gpu-1:11434")]), [0.0; 0]);
    assert_eq!(told.all("herdbook_gpu_memory_total_bytes", &[("host", "gpu-1")]), [0.0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_not_heard_since_the_start_is_neither_up_nor_down() {
    let world = World::new();
    connect(&world.registry, 1, world.clock.moment());
    let told = world.told();
    assert_eq!(told.all("herdbook_host_up", &[]), [0.0; 0]);
    assert_eq!(told.all("herdbook_host_info", &[]), [1.0]);
}

#[tokio::test(start_paused = true)]
async fn pieces_are_bounded_and_together_the_same_text_each_time() {
    let mut world = World::new();
    for n in 1..=200 {
        world.host(n);
    }
    let mut exposition = Exposition::new(world.fleet());
    let pieces: Vec<_> = std::iter::from_fn(|| exposition.piece()).collect();
    assert!(pieces.len() > 3, "{}", pieces.len());
    assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 4096));
    assert!(pieces[..pieces.len() - 1].iter().all(|piece| piece.len() >= PIECE_BYTES));
    assert_eq!(exposition.piece(), None);
    let text = String::from_utf8(pieces.concat()).unwrap();
    assert_eq!(text, whole(world.fleet()));
    let told = Parsed::of(&text);
    assert_eq!(told.all("herdbook_host_up", &[]).len(), 200);
    assert_eq!(told.all("herdbook_gpu_up", &[]).len(), 400);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_tells_a_gpu_twice_makes_no_series_twice() {
    let mut world = World::new();
    let opened = world.host(1);
    let twice = Inventory { gpus: Some(vec![gpu("x", 0), gpu("x", 0)]), ..inventory(Vec::new()) };
    let (session, moment) = (&opened.session.id, world.clock.pass(1));
    let _ = world.registry.apply_inventory(&opened.host_id, session, twice, moment);
    assert_eq!(world.told().all("herdbook_gpu_up", &[("uuid", "x")]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_models_those_in_memory_are_told_first() {
    let mut world = World::new();
    let opened = connect(&world.registry, 1, world.clock.moment());
    let models = (0..100).map(|n| model(&format!("m{n:03}"), n >= 98)).collect();
    let moment = world.clock.pass(1);
    world.registry.take_inventory(&opened, vec![service("0.0.0.0", 11434, models)], moment);
    world.registry.take_sample(&opened, sample(), moment);
    let told = world.told();
    let loaded = told.all("herdbook_model_loaded", &[]);
    assert_eq!(loaded.len(), MODELS_A_SERVICE);
    assert_eq!(loaded.iter().filter(|is_loaded| **is_loaded > 0.5).count(), 2);
    assert_eq!(told.get("herdbook_model_loaded", &[("model", "m099")]), Some(1.0));
    assert_eq!(told.get("herdbook_model_loaded", &[("model", "m062")]), None);
    assert_eq!(told.get("herdbook_service_models", &[]), Some(100.0));

    let entry = &world.registry.services()[0];
    assert_eq!(Told::All.n_left_out(entry), 36);
    assert_eq!(Told::Warm.n_left_out(entry), 98);
    let few = Fleet { told: Told::Warm, ..world.fleet() };
    assert_eq!(Parsed::of(&whole(few)).all("herdbook_model_loaded", &[]), [1.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_counted_with_the_reason_of_their_end() {
    let mut world = World::new();
    let opened = world.host(1);
    let (id, session) = (&opened.host_id, &opened.session.id);
    let counted = |world: &World, reason: &str| {
        let closed = world.registry.sessions().closed();
        (
            world.registry.sessions().n_opened(),
            closed.iter().find(|(word, _)| *word == reason).unwrap().1,
        )
    };
    assert_eq!(counted(&world, "lost"), (1, 0));
    world.registry.close_session(id, session, CloseReason::Lost, world.clock.pass(1));
    world.registry.close_session(id, session, CloseReason::Lost, world.clock.pass(1));
    assert_eq!(counted(&world, "lost"), (1, 1), "once");
    connect(&world.registry, 1, world.clock.pass(1));
    connect(&world.registry, 1, world.clock.pass(1));
    assert_eq!(counted(&world, "superseded"), (3, 1));
}

#[test]
fn names_are_unique_and_counters_alone_end_in_total() {
    let mut names = std::collections::HashSet::new();
    for Documented { about, labels } in documented() {
        assert!(names.insert(about.name), "{} twice", about.name);
        assert_eq!(about.kind == Kind::Counter, about.name.ends_with("_total"), "{}", about.name);
        let unique: std::collections::HashSet<_> = labels.iter().collect();
        assert_eq!(unique.len(), labels.len(), "{}: {labels:?}", about.name);
        assert!(about.help.ends_with('.') && !about.help.contains(['\n', '|']), "{}", about.name);
    }
}

#[test]
fn every_family_stands_in_the_page_of_metrics_and_no_other() {
    let row = |Documented { about, labels }: Documented| {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let (name, kind) = (about.name, about.kind.word());
        format!("| `{name}` | {kind} | {labels} | {} |", about.help)
    };
    let expected: Vec<String> = documented().map(row).collect();
    let page = include_str!("../../../docs/metrics.md");
    let told = page.lines().filter(|line| line.starts_with("| `") && line.contains(" | "));
    let told: Vec<&str> =
        told.filter(|line| line.contains("gauge |") || line.contains("counter |")).collect();
    assert_eq!(told, expected, "docs/metrics.md should hold:\n{}", expected.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_register_tells_nothing() {
    assert_eq!(whole(World::new().fleet()), "");
}
