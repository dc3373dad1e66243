//! Hosts that do not come back after a start of the collector: one event where they are many, unless
//! they were lost long before.

use super::*;

/// How many mass events there were, how many hosts went with one, and how many alone.
fn told_after_a_restart(n_hosts: u8, n_lost: u8, n_old: u8) -> (usize, usize, usize) {
    let mut world = World::new();
    let hosts: Vec<_> = (0..n_hosts).map(|n| world.connect(n)).collect();
    // The old ones went days ago, the others stay until the collector ends.
    let stay: Vec<_> = hosts[usize::from(n_old)..].iter().collect();
    world.pass(1, &stay);
    world.clock.pass(3 * 86_400);
    world.pass(1, &stay);
    world.restart(120);
    world.pass(2, &[]);
    let back: Vec<_> = (n_old + n_lost..n_hosts).map(|n| world.connect(n)).collect();
    world.pass(60, &back.iter().collect::<Vec<_>>());
    let changes = world.registry.changes_since(0, usize::MAX).unwrap();
    let offline = changes.iter().filter(|change| change.kind == ChangeKind::HostOffline);
    let (of_mass, alone): (Vec<_>, Vec<_>) =
        offline.partition(|change| change.cause.as_deref() == Some("mass"));
    (world.count("fleet.mass_offline"), of_mass.len(), alone.len())
}

#[test]
fn hosts_that_do_not_come_back_after_a_restart_are_one_event_by_the_same_thresholds() {
    // Hosts, of which so many are lost while the collector restarts, and so many days ago; events,
    // hosts that go with one, hosts that go alone.
    for (hosts, lost, old, told) in [
        (20, 3, 0, (1, 3, 0)),
        (3, 3, 0, (1, 3, 0)),
        (12, 12, 0, (1, 12, 0)),
        (20, 2, 0, (0, 0, 2)),
        (21, 3, 0, (0, 0, 3)),
        (2, 2, 0, (0, 0, 2)),
        (1, 1, 0, (0, 0, 1)),
        // Old losses are no part of an event, and make none.
        (10, 0, 6, (0, 0, 6)),
        (6, 0, 6, (0, 0, 6)),
        (10, 2, 6, (0, 0, 8)),
        (12, 4, 6, (1, 4, 6)),
    ] {
        assert_eq!(told_after_a_restart(hosts, lost, old), told, "{hosts}, {lost}, {old}");
    }
}

#[test]
fn hosts_heard_until_ten_minutes_before_the_start_were_there_when_it_ended() {
    for (seconds, n_events) in [(600, 1), (601, 0)] {
        let mut world = World::new();
        (0..5).for_each(|n| drop(world.connect(n)));
        world.restart(seconds);
        world.pass(34, &[]);
        assert_eq!(world.count("host.offline"), 0);
        // However long the collector is paused meanwhile.
        world.pause(3600);
        world.pass(60, &[]);
        assert_eq!(world.count("host.offline"), 5);
        assert_eq!(world.count("fleet.mass_offline"), n_events, "{seconds}");
    }
}

#[test]
fn a_host_that_goes_soon_after_those_that_did_not_come_back_goes_with_them() {
    let mut world = World::new();
    (0..6).for_each(|n| drop(world.connect(n)));
    world.restart(60);
    let back: Vec<_> = (2..6).map(|n| world.connect(n)).collect();
    let back: Vec<_> = back.iter().collect();
    world.pass(10, &back);
    // Two do not come back, and a third is silent from now on.
    world.pass(46, &back[1..]);
    assert_eq!((world.count("host.offline"), world.count("fleet.mass_offline")), (3, 1));
    let again = [world.connect(0), world.connect(1)];
    world.pass(1, &again.iter().chain(back).collect::<Vec<_>>());
    assert_eq!(world.count("fleet.mass_recovered"), 1);
}

#[test]
fn hosts_that_may_be_away_are_not_missed_after_a_restart() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..6).map(|n| world.connect(n)).collect();
    hosts[..4].iter().for_each(|opened| edit(&world, opened, &expected_absent()));
    world.restart(60);
    world.pass(60, &[]);
    assert_eq!((world.count("host.offline"), world.count("fleet.mass_offline")), (6, 0));
}
