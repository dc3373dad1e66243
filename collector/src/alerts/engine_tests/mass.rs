//! A mass event is one alert, and none of its hosts raises one of its own.

use proptest::prelude::*;

use super::*;

fn fleet_of(n: u8, settings: Alerts) -> World {
    let mut world = World::with(settings);
    for host in 0..n {
        world.host(host, sample());
    }
    world.pass(5);
    world
}

#[test]
fn a_mass_event_is_one_alert_and_its_hosts_raise_none_until_they_were_back() {
    let mut world = fleet_of(10, Alerts::default());
    (0..6).for_each(|n| world.lose(n));
    world.pass(60);
    assert_eq!(world.open(), ["mass_event"]);
    let alert = world.last("mass_event");
    assert_eq!((&*alert.subject.id, &*alert.subject.name), ("fleet", "fleet"));
    assert_eq!(alert.cause.as_deref(), Some("6 of 10 hosts went offline together"));
    // The event ends after ten minutes; those that went are still of it.
    world.pass(2000);
    assert_eq!((world.open().len(), world.all().len()), (0, 1));
    world.host(0, sample());
    world.pass(5);
    world.lose(0);
    world.pass(400);
    assert_eq!(world.open(), ["host_offline"]);
    assert_eq!(world.last("host_offline").subject.name.as_ref(), "gpu-0");
}

#[test]
fn a_host_that_was_offline_before_keeps_its_own_alert() {
    let mut world = fleet_of(10, Alerts::default());
    world.lose(9);
    world.pass(400);
    (0..4).for_each(|n| world.lose(n));
    world.pass(400);
    assert_eq!(world.open(), ["host_offline", "mass_event"]);
    (0..4).for_each(|n| drop(world.host(n, sample())));
    world.pass(5);
    assert_eq!(world.open(), ["host_offline"]);
    assert_eq!(world.cause(), "4 of 4 hosts are back");
}

#[test]
fn one_that_went_a_moment_before_the_others_goes_with_them() {
    let mut world = fleet_of(10, Alerts::default());
    world.lose(0);
    world.pass(30);
    (1..4).for_each(|n| world.lose(n));
    world.pass(500);
    assert_eq!(world.open(), ["mass_event"]);
}

#[test]
fn services_that_go_down_together_are_one_alert_too() {
    let mut world = World::new();
    for n in 0..5 {
        let url = format!("http://10.0.0.9:888{n}");
        let moment = world.clock.moment();
        let declared = checked_by(&url, Check::Heartbeat);
        world.registry.list(&format!("s{n}"), Source::Own, declared, moment);
    }
    world.pass(400);
    assert_eq!(world.open(), ["mass_event"]);
    assert_eq!(world.all().len(), 1);
}

#[test]
fn a_restart_in_a_mass_event_neither_ends_it_nor_lets_its_hosts_speak() {
    let mut world = fleet_of(10, Alerts::default());
    (0..6).for_each(|n| world.lose(n));
    world.pass(60);
    let mut world = world.restarted(30);
    assert_eq!(world.open(), ["mass_event"]);
    (6..10).for_each(|n| drop(world.host(n, sample())));
    world.pass(500);
    assert_eq!(world.open(), ["mass_event"]);
    (0..6).for_each(|n| drop(world.host(n, sample())));
    world.pass(5);
    assert_eq!((world.open().len(), world.all().len()), (0, 1));
    // Likewise where nobody comes back: it ends, and they stay quiet.
    let mut world = fleet_of(10, Alerts::default());
    (0..6).for_each(|n| world.lose(n));
    world.pass(60);
    let mut world = world.restarted(30);
    (6..10).for_each(|n| drop(world.host(n, sample())));
    world.pass(1000);
    assert_eq!((world.open().len(), world.all().len()), (0, 1));
    let mut world = world.restarted(30);
    (6..10).for_each(|n| drop(world.host(n, sample())));
    world.pass(1000);
    assert_eq!(world.all().len(), 1);
}

/// What may happen to the fleet, and how long it is until the next.
#[derive(Clone, Debug)]
enum Happening {
    Lose(u8),
    Back(u8),
    Pause(u64),
    Restart(u64),
    Remove(u8),
}

fn happening() -> impl Strategy<Value = (Happening, u64)> {
    let host = 0..8_u8;
    let what = prop_oneof![
        5 => host.clone().prop_map(Happening::Lose),
        4 => host.clone().prop_map(Happening::Back),
        1 => (4..1000_u64).prop_map(Happening::Pause),
        1 => (0..1000_u64).prop_map(Happening::Restart),
        1 => host.prop_map(Happening::Remove),
    ];
    (what, prop_oneof![3 => 0..20_u64, 1 => 20..400_u64])
}

/// Holds the law over all that was told of alerts.
#[derive(Default)]
struct Law {
    epoch: String,
    seq: u64,
    open: std::collections::BTreeMap<Arc<str>, Arc<Alert>>,
    known: std::collections::BTreeSet<Arc<str>>,
    /// Hosts that went with a mass event that was told, and were not back since.
    quiet: std::collections::BTreeSet<String>,
}

impl Law {
    fn hold(&mut self, world: &World) {
        let (epoch, _) = world.registry.cursor();
        if self.epoch != *epoch {
            (self.epoch, self.seq) = (epoch.to_string(), 0);
        }
        for change in world.registry.changes_since(self.seq, usize::MAX).unwrap() {
            self.seq = change.seq;
            match (&change.subject, change.kind) {
                (Subject::Alert(alert), ChangeKind::AlertRaised) => self.raised(alert),
                (Subject::Alert(alert), _) => {
                    assert!(alert.resolved_at.is_some());
                    assert!(self.open.remove(&alert.id).is_some(), "never raised: {alert:?}");
                }
                (Subject::Host(host), _) if host.status.is_heard() => {
                    self.quiet.remove(host.id.as_str());
                }
                (Subject::Host(host), ChangeKind::HostOffline)
                    if change.cause.as_deref() == Some("mass") =>
                {
                    self.quiet.insert(host.id.to_string());
                }
                (Subject::NoHost(id), _) => drop(self.quiet.remove(id.as_str())),
                _ => (),
            }
        }
        let open: Vec<_> = world.registry.open_alerts().into_iter().map(|a| a.id.clone()).collect();
        assert_eq!(open, self.open.keys().cloned().collect::<Vec<_>>());
    }

    fn raised(&mut self, alert: &Arc<Alert>) {
        assert!(self.known.insert(Arc::clone(&alert.id)), "raised twice: {alert:?}");
        let same = |other: &&Arc<Alert>| other.rule == alert.rule && other.subject == alert.subject;
        assert!(!self.open.values().any(|other| same(&other)), "two are open: {alert:?}");
        assert!(
            &*alert.rule != "host_offline" || !self.quiet.contains(&*alert.subject.id),
            "a host of the mass speaks: {alert:?}"
        );
        self.open.insert(Arc::clone(&alert.id), Arc::clone(alert));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_is_open_at_most_what_is_resolved_was_raised_and_the_mass_is_quiet(
        story in prop::collection::vec(happening(), 1..25),
    ) {
        let mut world = fleet_of(8, set(Rule::HostOffline, |rule| {
            rule.holds_for = Duration::from_secs(90);
        }));
        let mut law = Law::default();
        for (what, seconds) in story {
            let is_alive = |world: &World, n| {
                world.alive.iter().any(|(id, ..)| *id == host_id(n))
            };
            match what {
                Happening::Lose(n) if is_alive(&world, n) => world.lose(n),
                Happening::Back(n) if !is_alive(&world, n) => drop(world.host(n, sample())),
                Happening::Pause(seconds) => drop(world.clock.pass(seconds)),
                Happening::Restart(seconds) => {
                    law.hold(&world);
                    let alive: Vec<_> = (0..8).filter(|n| is_alive(&world, *n)).collect();
                    world = world.restarted(seconds);
                    alive.into_iter().for_each(|n| drop(world.host(n, sample())));
                }
                Happening::Remove(n) => {
                    let id = host_id(n);
                    let _ = world.registry.remove_host(id.as_str(), None, world.clock.moment());
                }
                _ => (),
            }
            world.pass(seconds);
            law.hold(&world);
        }
    }
}
