//! Beats, with the clock pushed on by hand.

use crate::config::Liveness;
use crate::registry::service::Source;
use crate::registry::testing::*;

use super::*;

const ID: &str = "0199f3a0-0000-7000-8000-00000000abcd";

fn world() -> (Registry, Clock) {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    registry.list(
        ID,
        Source::Own,
        checked_by("http://10.0.0.7:1", Check::Heartbeat),
        clock.moment(),
    );
    (registry, clock)
}

#[test]
fn registering_is_the_first_beat() {
    let (registry, clock) = world();
    let service = registry.service(ID).unwrap();
    assert_eq!(service.status, ServiceStatus::Healthy);
    assert_eq!(service.live.beat_at(), Some(clock.moment().at));
}

#[test]
fn a_beat_says_how_it_does_and_is_told_only_where_that_is_new() {
    let (registry, mut clock) = world();
    let before = registry.cursor().1;
    let full =
        Beat { p95_ms: Some(123.4), queue_depth: Some(2), load: Some(0.35), ..Beat::default() };
    let service = registry.beat(ID, full, clock.pass(60)).unwrap();
    let live = &service.live;
    assert_eq!(
        (live.p95_ms(), live.queue_depth(), live.load()),
        (Some(123.4), Some(2), Some(0.35))
    );
    assert_eq!(service.next_beat_due(clock.moment().at), Some(clock.pass(60).at));
    assert_eq!(registry.cursor().1, before, "nothing changed that is told");
    let degraded = Beat { health: Health::Degraded, ..Beat::default() };
    let service = registry.beat(ID, degraded, clock.pass(1)).unwrap();
    assert_eq!((service.status, service.live.load()), (ServiceStatus::Degraded, None));
    registry.beat(ID, degraded, clock.pass(1)).unwrap();
    registry.beat(ID, Beat::default(), clock.pass(1)).unwrap();
    assert_eq!(registry.kinds_since(before), ["service.degraded", "service.healthy"]);
}

#[test]
fn a_beat_of_who_is_not_known_or_not_judged_so_is_refused() {
    let (registry, clock) = world();
    let unknown = registry.beat("nobody", Beat::default(), clock.moment()).unwrap_err();
    assert_eq!(unknown, BeatError::Unknown("nobody".to_owned()));
    registry.list("a:1", Source::Manual, checked_by("http://a:1", Check::Probe), clock.moment());
    let probed = registry.beat("a:1", Beat::default(), clock.moment()).unwrap_err();
    assert!(matches!(probed, BeatError::NotByBeats { check: Check::Probe, .. }));
}

#[test]
fn who_says_another_thing_each_time_flaps() {
    let (registry, mut clock) = world();
    let beats = [Health::Ok, Health::Degraded].into_iter().cycle();
    for health in beats.take(7) {
        registry.beat(ID, Beat { health, ..Beat::default() }, clock.pass(10)).unwrap();
    }
    assert!(registry.service(ID).unwrap().flapping);
    for _ in 0..18 {
        registry.beat(ID, Beat::default(), clock.pass(10)).unwrap();
    }
    assert!(!registry.service(ID).unwrap().flapping);
    let told = registry.kinds_since(0);
    assert_eq!(told.iter().filter(|kind| **kind == "service.flapping").count(), 2);
    assert_eq!(told.iter().filter(|kind| **kind == "service.degraded").count(), 3, "all are sent");
}

#[test]
fn a_beat_finds_who_was_brought_back_meanwhile() {
    let (registry, mut clock) = world();
    for seconds in [120, 60] {
        let moment = clock.pass(seconds);
        for verdict in registry.look_at_services(moment) {
            registry.judge_service(&verdict, moment);
        }
    }
    assert!(registry.service(ID).is_none());
    let moment = clock.pass(1);
    let degraded = Beat { health: Health::Degraded, ..Beat::default() };
    // Both saw that it is not listed.
    assert!(registry.transaction(moment).bring_back(ID, Beat::default()).is_ok());
    let second = registry.transaction(moment).bring_back(ID, degraded);
    assert_eq!(second.unwrap().status, ServiceStatus::Degraded);
}

#[test]
fn nobody_is_brought_back_into_a_full_register() {
    let (registry, mut clock) = world();
    for seconds in [120, 60] {
        let moment = clock.pass(seconds);
        for verdict in registry.look_at_services(moment) {
            registry.judge_service(&verdict, moment);
        }
    }
    registry.list("a:2", Source::Manual, checked_by("http://a:2", Check::Probe), clock.moment());
    let other = registry.service("a:2").unwrap();
    let other_id = |n: usize| ServiceId::from_text(&format!("s{n}"));
    for n in 1..SERVICES_MAX {
        registry.services.insert(other_id(n), Arc::clone(&other));
    }
    assert_eq!(registry.beat(ID, Beat::default(), clock.pass(1)).err(), Some(BeatError::Full));
    registry.services.remove(&other_id(1));
    assert!(registry.beat(ID, Beat::default(), clock.pass(1)).is_ok());
}
