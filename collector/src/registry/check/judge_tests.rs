//! The clock over services, pushed on by hand, against a naive reading of the table.

use proptest::prelude::*;

use crate::config::{Checks, Liveness};
use crate::registry::check::beat::{Beat, BeatError, Health};
use crate::registry::check::probe::ProbeFailure;
use crate::registry::service::Source;
use crate::registry::service::record::{Declared, Records};
use crate::registry::testing::*;
use crate::store::{Row, RowKind};

use super::*;

const ID: &str = "0199f3a0-0000-7000-8000-00000000abcd";

struct World {
    registry: Registry,
    clock: Clock,
}

impl World {
    fn new(source: Source) -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let declared = checked_by("http://10.0.0.7:1", Check::Heartbeat);
        registry.list(ID, source, declared, clock.moment());
        Self { registry, clock }
    }

    /// Judges all services after so many seconds.
    fn judge(&mut self, seconds: u64) {
        let moment = self.clock.pass(seconds);
        self.judge_at(moment);
    }

    fn judge_at(&self, moment: Moment) {
        for verdict in self.registry.look_at_services(moment) {
            self.registry.judge_service(&verdict, moment);
        }
        self.registry.forget_departed(moment, |_| false);
    }

    fn beat(&mut self, seconds: u64) -> Result<Arc<ServiceEntry>, BeatError> {
        let moment = self.clock.pass(seconds);
        self.registry.beat(ID, Beat::default(), moment)
    }

    fn status(&self) -> Option<ServiceStatus> {
        self.registry.service(ID).map(|service| service.status)
    }

    /// What a collector has that is started with what this one stored.
    fn restarted(&self) -> Self {
        let registry = Registry::new(Liveness::default());
        let rows = self.registry.take_dirty(100);
        let docs: Vec<String> = rows.into_iter().filter_map(doc).collect();
        assert_eq!(registry.restore(&[], &docs, self.clock.moment()), 0);
        Self { registry, clock: self.clock }
    }
}

fn doc(row: Row) -> Option<String> {
    row.doc
}

#[test]
fn down_after_120_s_and_deregistered_after_180_s() {
    let mut world = World::new(Source::Own);
    for (at, expected) in [
        (30, Some(ServiceStatus::Healthy)),
        (60, Some(ServiceStatus::Healthy)),
        (90, Some(ServiceStatus::Healthy)),
        (120, Some(ServiceStatus::Down)),
        (150, Some(ServiceStatus::Down)),
        (180, None),
    ] {
        world.judge(30);
        assert_eq!(world.status(), expected, "{at} s");
    }
    let changes = world.registry.changes_since(2, 10).unwrap();
    let told: Vec<_> = changes.iter().map(|c| (c.kind.word(), c.cause.as_deref())).collect();
    let expected = [
        ("service.down", Some("2 missed beats")),
        ("service.deregistered", Some("3 missed beats")),
    ];
    assert_eq!(told, expected);
}

#[test]
fn never_down_and_deregistered_in_one_judgement() {
    let mut world = World::new(Source::Own);
    world.judge(600);
    assert_eq!(world.status(), Some(ServiceStatus::Down));
    world.judge(30);
    assert_eq!(world.status(), None);
}

#[test]
fn who_is_declared_by_a_person_or_a_file_only_goes_down() {
    for source in [Source::Manual, Source::File] {
        let mut world = World::new(source);
        world.judge(0);
        world.judge(119);
        assert_eq!(world.status(), Some(ServiceStatus::Unknown), "it was waited for from then on");
        world.judge(1);
        assert_eq!(world.status(), Some(ServiceStatus::Down));
        world.judge(86_400);
        assert_eq!(world.status(), Some(ServiceStatus::Down));
        assert_eq!(world.beat(1).unwrap().status, ServiceStatus::Healthy);
    }
}

#[test]
fn a_beat_restores_at_once_and_clears_what_was_wrong() {
    let mut world = World::new(Source::Own);
    world.judge(120);
    let down = world.registry.service(ID).unwrap();
    assert!(down.facts.down_since.is_some());
    assert_eq!(down.facts.last_error.as_deref(), Some("2 missed beats"));
    let up = world.beat(1).unwrap();
    assert_eq!(up.status, ServiceStatus::Healthy);
    assert_eq!((up.facts.down_since, up.facts.last_error.as_deref()), (None, None));
    assert_eq!(up.facts.last_error_at, down.facts.last_error_at);
    world.judge(89);
    assert_eq!(world.status(), Some(ServiceStatus::Healthy));
}

#[test]
fn a_verdict_that_no_longer_holds_is_dropped() {
    let mut world = World::new(Source::Own);
    let moment = world.clock.pass(120);
    let verdicts = world.registry.look_at_services(moment);
    assert_eq!(verdicts.len(), 1);
    world.beat(0).unwrap();
    world.registry.judge_service(&verdicts[0], moment);
    assert_eq!(world.status(), Some(ServiceStatus::Healthy));
}

#[test]
fn within_a_day_a_beat_brings_back_who_left_as_what_it_was() {
    let mut world = World::new(Source::Own);
    let first = world.registry.service(ID).unwrap();
    world.judge(120);
    world.judge(60);
    assert_eq!(world.status(), None);
    let seq = world.registry.cursor().1;
    let back = world.beat(86_399).unwrap();
    assert_eq!(back.status, ServiceStatus::Healthy);
    assert_eq!(back.facts.registered_at, first.facts.registered_at);
    assert!(back.revision > first.revision + 1);
    assert_eq!(world.registry.kinds_since(seq), ["service.registered", "service.healthy"]);
    assert!(world.registry.ledger().departed.is_empty());
    world.judge(89);
    assert_eq!(world.status(), Some(ServiceStatus::Healthy));
}

#[test]
fn after_a_day_it_has_to_register_again() {
    let mut world = World::new(Source::Own);
    world.judge(120);
    world.judge(60);
    let moment = world.clock.pass(86_400);
    let late = world.registry.beat(ID, Beat::default(), moment);
    assert!(matches!(late, Err(BeatError::Unknown(_))));
    let _ = world.registry.take_dirty(100);
    world.judge(0);
    let rows = world.registry.take_dirty(100);
    assert!(
        matches!(&rows[..], [Row { kind: RowKind::Service, doc: None, .. }]),
        "forgotten on the disk too"
    );
}

#[test]
fn who_left_may_come_back_after_a_restart() {
    let mut world = World::new(Source::Own);
    world.judge(120);
    world.judge(60);
    let mut world = world.restarted();
    assert_eq!((world.status(), world.registry.services().len()), (None, 0));
    assert_eq!(world.beat(3600).unwrap().status, ServiceStatus::Healthy);
    let world = world.restarted();
    assert!(world.status().is_some() && world.registry.ledger().departed.is_empty());
}

#[test]
fn after_a_restart_clocks_start_anew_and_the_status_is_unconfirmed_until_a_beat() {
    let mut world = World::new(Source::Own).restarted();
    world.judge(3600);
    let restored = world.registry.service(ID).unwrap();
    assert!(restored.unconfirmed && restored.status == ServiceStatus::Healthy);
    world.judge(119);
    assert!(world.registry.service(ID).unwrap().unconfirmed);
    assert!(!world.beat(0).unwrap().unconfirmed);

    let mut world = World::new(Source::Own);
    world.judge(120);
    let mut world = world.restarted();
    world.judge(1);
    world.judge(120);
    let down = world.registry.service(ID).unwrap();
    assert!(!down.unconfirmed && down.status == ServiceStatus::Down);
    world.judge(60);
    assert_eq!(world.status(), None);
}

#[test]
fn nothing_is_held_against_anybody_that_the_collector_slept_through() {
    let mut world = World::new(Source::Own);
    let moment = world.clock.pass(3600);
    world.registry.start_clocks_anew(moment.now);
    world.judge_at(moment);
    world.judge(119);
    assert_eq!(world.status(), Some(ServiceStatus::Healthy));
    world.judge(1);
    assert_eq!(world.status(), Some(ServiceStatus::Down));
}

#[test]
fn five_minutes_unhealthy_are_down_but_for_what_was_slept_through() {
    let mut world = World::new(Source::Own);
    world.registry.list(
        "a:1",
        Source::Manual,
        checked_by("http://a:1", Check::Probe),
        world.clock.moment(),
    );
    let id = herdbook_shared::ids::ServiceId::from_text("a:1");
    for _ in 0..2 {
        let moment = world.clock.pass(30);
        world.registry.record_probe(&id, Err(ProbeFailure::Failed("refused".to_owned())), moment);
    }
    let status = |world: &World| world.registry.service("a:1").unwrap().status;
    world.judge(299);
    assert_eq!(status(&world), ServiceStatus::Unhealthy);
    world.registry.start_clocks_anew(world.clock.moment().now);
    world.judge(299);
    assert_eq!(status(&world), ServiceStatus::Unhealthy);
    world.judge(1);
    assert_eq!(status(&world), ServiceStatus::Down);
    let down = world.registry.service("a:1").unwrap();
    assert_eq!(down.facts.down_since, Some(world.clock.moment().at));
    assert_eq!(down.facts.last_error.as_deref(), Some("refused"));
    world.registry.record_probe(&id, Ok(Default::default()), world.clock.pass(1));
    let up = world.registry.service("a:1").unwrap();
    assert_eq!((up.status, up.facts.down_since), (ServiceStatus::Healthy, None));
}

#[test]
fn what_an_agent_tells_and_every_judgement_are_results() {
    use herdbook_shared::wire::inventory::ServiceState;
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let mut world = World { registry, clock };
    let opened = connect(&world.registry, 1, world.clock.moment());
    world.registry.take_sample(&opened, sample(), world.clock.moment());
    let flapping = |world: &World| world.registry.service("gpu-1:1").unwrap().flapping;
    for state in [ServiceState::Idle, ServiceState::Hung].into_iter().cycle().take(7) {
        // The first one registers it.
        let told = herdbook_shared::wire::inventory::Service {
            state,
            ..service("127.0.0.1", 1, Vec::new())
        };
        world.registry.take_inventory(&opened, vec![told], world.clock.moment());
    }
    assert!(!flapping(&world), "5 of 20 pairs differ");
    world.registry.take_inventory(&opened, Vec::new(), world.clock.moment());
    assert!(flapping(&world), "6 of 20 pairs differ");
    for _ in 0..18 {
        world.judge(30);
    }
    assert!(!flapping(&world));
}

/// What may happen to a service that beats.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Beat,
    Judge,
    Pause(u64),
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        1 => Just(Happening::Beat),
        4 => Just(Happening::Judge),
        1 => (1..400u64).prop_map(Happening::Pause),
        4 => (1..100u64).prop_map(Happening::Pass),
    ]
}

/// The table, read literally, over seconds.
#[derive(Debug)]
struct Naive {
    now: u64,
    from: u64,
    left_at: Option<u64>,
    status: &'static str,
    interval: u64,
    ttl: u64,
}

impl Naive {
    fn judge(&mut self) {
        let silent = self.now - self.from;
        let missed = if silent >= self.ttl { silent / self.interval } else { 0 };
        self.status = match (self.status, missed) {
            ("up", 2..) => "down",
            ("down", 3..) => {
                self.left_at = Some(self.now);
                "gone"
            }
            (status, _) => status,
        };
    }

    fn beat(&mut self) {
        let is_late = self.left_at.is_some_and(|at| self.now - at >= 86_400);
        if self.status != "gone" || !is_late {
            (self.from, self.status, self.left_at) = (self.now, "up", None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn beats_and_silence_make_what_the_table_says(
        interval in 1..120u64,
        ttl in 1..300u64,
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let declared = Declared {
            heartbeat_interval_s: Some(interval),
            ttl_s: Some(ttl),
            ..checked_by("http://10.0.0.7:1", Check::Heartbeat)
        };
        registry.list(ID, Source::Own, declared, clock.moment());
        let mut world = World { registry: registry.with_checks(Checks::default()), clock };
        let mut naive = Naive { now: 0, from: 0, left_at: None, status: "up", interval, ttl };
        for happening in happenings {
            match happening {
                Happening::Beat => {
                    naive.beat();
                    let _ = world.beat(0);
                }
                Happening::Judge => {
                    naive.judge();
                    world.judge(0);
                }
                Happening::Pass(seconds) => {
                    naive.now += seconds;
                    world.clock.pass(seconds);
                }
                Happening::Pause(seconds) => {
                    naive.now += seconds;
                    naive.from = naive.now;
                    let moment = world.clock.pass(seconds);
                    world.registry.start_clocks_anew(moment.now);
                }
            }
            let status = match world.status() {
                Some(ServiceStatus::Healthy) => "up",
                Some(ServiceStatus::Down) => "down",
                None => "gone",
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(status, naive.status, "{:?} at {:?}", happening, naive);
        }
    }
}

#[path = "judge_clock_tests.rs"]
mod clocks;
