//! Which clock and which beat a judgement goes by, and what it leaves alone.

use super::*;

#[test]
fn a_beat_that_comes_while_its_silence_is_judged_is_what_holds() {
    let mut world = World::new(Source::Own);
    let moment = world.clock.pass(120);
    let entry = world.registry.service(ID).unwrap();
    let heard = entry.live.judged.heard_ms();
    assert_eq!(world.registry.fate(&entry, heard, moment.now), Some(Fate::Down));
    let degraded = Beat { health: Health::Degraded, ..Beat::default() };
    world.registry.note_beat(&entry, &degraded, moment);
    world.registry.transaction(moment).tell_fate(&entry, heard, Fate::Down, None);
    assert_eq!(world.status(), Some(ServiceStatus::Degraded));
    let causes: Vec<_> = world.registry.changes_since(2, 9).unwrap();
    let causes: Vec<_> = causes.iter().map(|change| change.cause.as_deref()).collect();
    assert_eq!(causes, [Some("2 missed beats"), Some("it beats again")]);
}

#[test]
fn a_wall_clock_that_is_set_makes_nobody_register_again() {
    let mut world = World::new(Source::Own);
    world.judge(120);
    world.judge(60);
    let mut moment = world.clock.pass(1);
    moment.at = Timestamp::from_unix_ms(moment.at.unix_ms() + 3 * 86_400_000);
    world.registry.forget_departed(moment, |_| true);
    assert!(world.registry.beat(ID, Beat::default(), moment).is_ok());
}

#[test]
fn looks_at_a_service_that_beats_in_time_are_no_results() {
    let mut world = World::new(Source::Own);
    let slow = Declared {
        heartbeat_interval_s: Some(300),
        ttl_s: Some(600),
        ..checked_by("http://10.0.0.7:1", Check::Heartbeat)
    };
    world.registry.list("slow", Source::Own, slow, world.clock.moment());
    for health in [Health::Degraded, Health::Ok].into_iter().cycle().take(7) {
        for _ in 0..10 {
            world.judge(30);
        }
        let beat = Beat { health, ..Beat::default() };
        world.registry.beat("slow", beat, world.clock.moment()).unwrap();
    }
    assert!(world.registry.service("slow").unwrap().flapping);
}

#[test]
fn a_probed_service_of_before_the_start_is_not_down_before_it_was_asked() {
    let world = World::new(Source::Own);
    let probed = checked_by("http://a:1", Check::Probe);
    world.registry.list("a:1", Source::Manual, probed, world.clock.moment());
    let moment = world.clock.moment();
    world.registry.update_status("a:1", ServiceStatus::Unhealthy, None, moment).unwrap();
    let mut world = world.restarted();
    world.judge(3600);
    let restored = world.registry.service("a:1").unwrap();
    assert_eq!((restored.status, restored.unconfirmed), (ServiceStatus::Unhealthy, true));
}

#[test]
fn beats_of_before_another_judged_are_not_held_against_anybody() {
    let mut world = World::new(Source::Manual);
    world.beat(1).unwrap();
    let beats = checked_by("http://10.0.0.7:1", Check::Heartbeat);
    let is_asked = |check| Some(Declared { check: Some(check), ..beats.clone() });
    let set = |world: &World, check| {
        let mut transaction = world.registry.transaction(world.clock.moment());
        let known = world.registry.service(ID).unwrap();
        let records = Records { manual: is_asked(check).map(Arc::new), ..Records::default() };
        let after = transaction.judged_by(&known, records);
        transaction.put_service(after, ChangeKind::ServiceChanged, None);
    };
    set(&world, Check::Probe);
    world.judge(600);
    set(&world, Check::Heartbeat);
    world.judge(1);
    assert_eq!(world.status(), Some(ServiceStatus::Unknown), "it is waited for from now on");
    world.judge(119);
    assert_eq!(world.status(), Some(ServiceStatus::Unknown));
    world.judge(1);
    assert_eq!(world.status(), Some(ServiceStatus::Down));
}
