//! What becomes of services that beat, as the register tells it, with the clock pushed on by hand.

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::check::beat::Beat;
use crate::registry::service::Source;
use crate::registry::testing::{Clock, checked_by};

use super::*;

const ID: &str = "0199f3a0-0000-7000-8000-00000000abcd";
const DAY: Duration = Duration::from_hours(24);

struct World {
    registry: Registry,
    clock: Clock,
    beats: Beats,
    seq: u64,
}

impl World {
    fn new(source: Source, check: Check) -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        registry.list(ID, source, checked_by("http://10.0.0.7:1", check), clock.moment());
        let beats = Beats::new(&registry.snapshot(clock.moment()), &[], DAY);
        let seq = registry.cursor().1;
        Self { registry, clock, beats, seq }
    }

    fn judge(&mut self, seconds: u64) {
        let moment = self.clock.pass(seconds);
        for verdict in self.registry.look_at_services(moment) {
            self.registry.judge_service(&verdict, moment);
        }
    }

    fn beat(&mut self, seconds: u64) {
        let moment = self.clock.pass(seconds);
        self.registry.beat(ID, Beat::default(), moment).unwrap();
    }

    fn told(&mut self) -> Vec<HeartbeatAlert> {
        let changes = self.registry.changes_since(self.seq, usize::MAX).unwrap();
        self.seq += changes.len() as u64;
        changes.iter().filter_map(|change| self.beats.take(change)).collect()
    }

    fn words(&mut self) -> Vec<String> {
        let word = |alert: HeartbeatAlert| {
            let told = serde_json::to_value(&alert).unwrap();
            let text = |key: &str| told[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("alert_type"), alert.missed_beats, text("action"))
        };
        self.told().into_iter().map(word).collect()
    }
}

const DOWN: &str = "service_down 2 marked_down";
const GONE: &str = "service_deregistered 3 deregistered";
const BACK: &str = "service_recovered 0 restored";

#[test]
fn silence_is_down_then_deregistered_and_a_beat_restores() {
    let mut world = World::new(Source::Own, Check::Heartbeat);
    world.beat(10);
    world.judge(60);
    assert_eq!(world.words(), Vec::<String>::new());
    world.judge(60);
    let down = world.told().remove(0);
    assert_eq!(down.service_id, ID);
    assert_eq!(down.service_name, "a");
    assert_eq!(down.ts.ms_since(down.last_seen.unwrap()), 120_000);
    world.judge(30);
    assert_eq!(world.words(), Vec::<String>::new());
    world.judge(30);
    assert_eq!(world.words(), [GONE]);
    world.beat(5);
    assert_eq!(world.words(), [BACK]);
    world.judge(120);
    world.beat(1);
    assert_eq!(world.words(), [DOWN, BACK]);
    world.beat(1);
    assert_eq!(world.words(), Vec::<String>::new());
}

#[test]
fn the_shape_is_the_one_that_clients_know() {
    let mut world = World::new(Source::Own, Check::Heartbeat);
    world.judge(120);
    let told = serde_json::to_value(world.told()).unwrap();
    let expected = serde_json::json!([{
        "alert_type": "service_down", "service_id": ID, "service_name": "a", "missed_beats": 2,
        "last_seen": "2026-11-18T11:06:40.000Z", "action": "marked_down",
        "ts": "2026-11-18T11:08:40.000Z",
    }]);
    assert_eq!(told, expected);
}

#[test]
fn who_takes_leave_is_not_missed() {
    for seconds in [1, 120] {
        let mut world = World::new(Source::Own, Check::Heartbeat);
        world.judge(seconds);
        world.told();
        let moment = world.clock.pass(1);
        world.registry.remove_service(ID, moment).unwrap();
        assert_eq!(world.words(), Vec::<String>::new());
    }
}

#[test]
fn those_that_are_asked_are_not_in_it() {
    let mut world = World::new(Source::Manual, Check::Probe);
    world.judge(4000);
    assert_eq!(world.words(), Vec::<String>::new());
}

#[test]
fn a_restart_remembers_who_was_down_and_who_was_gone() {
    let mut world = World::new(Source::Own, Check::Heartbeat);
    world.judge(120);
    let down = world.registry.snapshot(world.clock.moment());
    world.beats = Beats::new(&down, &[], DAY);
    world.seq = down.seq;
    world.judge(60);
    assert_eq!(world.words(), [GONE]);
    let gone = world.registry.snapshot(world.clock.moment());
    world.beats = Beats::new(&gone, &world.registry.departed_services(), DAY);
    world.seq = gone.seq;
    world.beat(5);
    assert_eq!(world.words(), [BACK]);
}

#[test]
fn after_a_lag_what_differs_is_told() {
    let mut world = World::new(Source::Own, Check::Heartbeat);
    world.judge(120);
    world.judge(60);
    let resume = |world: &mut World| {
        let snapshot = world.registry.snapshot(world.clock.moment());
        let departed = world.registry.departed_services();
        let alerts = world.beats.resume(&snapshot, &departed);
        alerts.iter().map(|alert| alert.alert_type).collect::<Vec<_>>()
    };
    assert_eq!(resume(&mut world), [HeartbeatAlertType::ServiceDeregistered]);
    world.beat(1);
    assert_eq!(resume(&mut world), [HeartbeatAlertType::ServiceRecovered]);
    world.judge(120);
    assert_eq!(resume(&mut world), [HeartbeatAlertType::ServiceDown]);
    assert_eq!(resume(&mut world), []);
}

#[test]
fn how_many_are_remembered_is_bounded() {
    let mut world = World::new(Source::Own, Check::Heartbeat);
    let entry = world.registry.service(ID).unwrap();
    for n in 0..DEPARTED_MAX + 3 {
        let id = ServiceId::from_text(&n.to_string());
        let entry = Arc::new(ServiceEntry { id, ..(*entry).clone() });
        world.beats.depart(&entry, Timestamp::from_unix_ms(i64::try_from(n).unwrap()));
    }
    let known = (world.beats.departed.len(), world.beats.known.len());
    assert_eq!(known, (DEPARTED_MAX, DEPARTED_MAX + 1));
}
