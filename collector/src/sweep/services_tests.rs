//! The sweep over services, with the clock pushed on by hand.

use crate::registry::check::beat::Beat;
use crate::registry::service::{Check, ServiceStatus, Source};
use crate::registry::testing::*;
use crate::store::{Row, RowKind};
use crate::sweep::Sweep;

use super::*;

struct World {
    registry: Registry,
    sweep: Sweep,
    clock: Clock,
}

impl World {
    /// So many services that beat every minute.
    fn new(n_services: usize) -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        for n in 0..n_services {
            let declared = checked_by("http://10.0.0.7:1", Check::Heartbeat);
            registry.list(&id(n), Source::Own, declared, clock.moment());
        }
        let sweep = Sweep::new(Liveness::default(), clock.moment().now);
        Self { registry, sweep, clock }
    }

    /// Lets seconds go by, one tick each; these services beat every 30 s.
    fn pass(&mut self, seconds: u64, beating: std::ops::Range<usize>) {
        for second in 0..seconds {
            let moment = self.clock.pass(1);
            if second % 30 == 0 {
                for n in beating.clone() {
                    self.registry.beat(&id(n), Beat::default(), moment).unwrap();
                }
            }
            self.sweep.tick(&self.registry, moment);
        }
    }

    fn causes(&self, kind: &str) -> Vec<String> {
        let changes = self.registry.changes_since(0, usize::MAX).unwrap();
        let of_kind = changes.iter().filter(|change| change.kind.word() == kind);
        of_kind.map(|change| change.cause.clone().unwrap_or_default()).collect()
    }
}

fn id(n: usize) -> String {
    format!("service-{n}")
}

#[test]
fn a_silent_service_is_down_after_120_s_and_gone_after_180_s() {
    let mut world = World::new(2);
    world.pass(119, 1..2);
    let status = |world: &World| world.registry.service(&id(0)).map(|service| service.status);
    assert_eq!(status(&world), Some(ServiceStatus::Healthy));
    world.pass(1, 1..2);
    assert_eq!(status(&world), Some(ServiceStatus::Down));
    world.pass(59, 1..2);
    assert_eq!(status(&world), Some(ServiceStatus::Down));
    world.pass(1, 1..2);
    assert_eq!(status(&world), None);
    assert!(world.causes("fleet.mass_offline").is_empty());
}

#[test]
fn many_that_go_together_are_one_event_in_which_nobody_is_deregistered() {
    let mut world = World::new(10);
    world.pass(150, 4..10);
    assert_eq!(world.causes("service.down"), ["mass"; 4]);
    assert_eq!(world.causes("fleet.mass_offline"), ["4 of 10 services went down together"]);
    world.pass(300, 4..10);
    assert_eq!(world.registry.services().len(), 10);
    world.pass(1, 0..10);
    assert_eq!(world.causes("fleet.mass_recovered"), ["4 of 4 services are back"]);
}

#[test]
fn a_mass_event_ends_by_itself_and_then_who_is_silent_goes() {
    let mut world = World::new(3);
    world.pass(150, 0..0);
    assert_eq!(world.causes("fleet.mass_offline").len(), 1);
    world.pass(500, 0..0);
    assert_eq!(world.registry.services().len(), 3);
    world.pass(130, 0..0);
    assert_eq!(world.causes("fleet.mass_recovered"), ["0 of 3 services are back"]);
    assert_eq!(world.registry.services().len(), 0);
}

#[test]
fn few_or_a_small_share_are_no_mass_event() {
    for (n_services, n_gone) in [(10, 2), (40, 5)] {
        let mut world = World::new(n_services);
        world.pass(150, n_gone..n_services);
        assert_eq!(world.causes("service.down"), vec!["2 missed beats"; n_gone]);
        assert!(world.causes("fleet.mass_offline").is_empty());
    }
}

#[test]
fn those_that_went_within_a_minute_count_together() {
    let mut world = World::new(6);
    world.pass(30, 1..6);
    world.pass(120, 3..6);
    assert_eq!(world.causes("fleet.mass_offline").len(), 1, "{:?}", world.causes("service.down"));
}

#[test]
fn a_collector_that_was_paused_marks_no_service() {
    for pause in [5, 90, 3600] {
        let mut world = World::new(4);
        world.pass(45, 0..4);
        let moment = world.clock.pass(pause);
        world.sweep.tick(&world.registry, moment);
        world.pass(59, 0..0);
        world.pass(60, 0..4);
        assert!(world.causes("service.down").is_empty(), "{pause} s");
    }
}

#[test]
fn servers_of_which_agents_tell_are_no_part_of_what_was_lost() {
    let mut world = World::new(3);
    let opened = connect(&world.registry, 1, world.clock.moment());
    let servers = (1..=30).map(|port| service("127.0.0.1", port, Vec::new())).collect();
    world.registry.take_inventory(&opened, servers, world.clock.moment());
    world.pass(150, 0..0);
    let told = world.causes("fleet.mass_offline");
    assert_eq!(told, ["3 of 3 services went down together"]);
}

#[test]
fn who_left_a_day_ago_is_forgotten_on_the_disk_too() {
    let mut world = World::new(2);
    world.pass(200, 1..2);
    assert!(world.registry.service(&id(0)).is_none());
    let forgotten = |world: &World| {
        let rows = world.registry.take_dirty(100);
        rows.iter()
            .filter(|row| matches!(row, Row { kind: RowKind::Service, doc: None, .. }))
            .count()
    };
    assert_eq!(forgotten(&world), 0);
    world.clock.pass(86_400);
    world.pass(61, 1..2);
    assert_eq!(forgotten(&world), 1);
}
