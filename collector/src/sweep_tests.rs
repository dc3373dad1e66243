//! The sweep over a registry, with the clock pushed on by hand.

use crate::registry::arrive::Opened;
use crate::registry::node::HostEdit;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;

use super::*;

struct World {
    registry: Registry,
    sweep: Sweep,
    clock: Clock,
}

impl Sweep {
    /// Whoever is left out of the look has nothing to be said of: in every test that sweeps. Only
    /// who is offline may be forgotten a minute later.
    pub(super) fn check_that_none_is_missed(
        &self,
        registry: &Registry,
        found: &[Due],
        moment: Moment,
    ) {
        let is_found = |id: &HostId| {
            let mut found = found.iter();
            found.any(|due| matches!(due, Due::Host { host, .. } if host.id == *id))
        };
        for host in registry.hosts().into_iter().filter(|host| !is_found(&host.id)) {
            let verdict = self.judge(registry, &host, host.live.heard_ms(), moment);
            let is_late = matches!(verdict, Some(Verdict::Forget(_))) && !host.id.is_clone();
            assert!(verdict.is_none() || is_late, "missed {verdict:?} of {}", host.id);
        }
    }
}

impl World {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let sweep = Sweep::new(Liveness::default(), clock.moment().now);
        Self { registry, sweep, clock }
    }

    /// Lets seconds go by, one tick each, in which these agents send.
    fn pass(&mut self, seconds: u64, alive: &[&Opened]) {
        for _ in 0..seconds {
            let moment = self.clock.pass(1);
            for opened in alive {
                self.registry.take_sample(opened, sample(), moment);
            }
            self.sweep.tick(&self.registry, moment);
        }
    }

    /// Lets the collector miss seconds.
    fn pause(&mut self, seconds: u64) {
        let moment = self.clock.pass(seconds);
        self.sweep.tick(&self.registry, moment);
    }

    /// The same fleet after `seconds` in which no collector ran. Only what is on the disk is known.
    fn restart(&mut self, seconds: u64) {
        self.clock.pass(seconds);
        self.clock = self.clock.restarted();
        let moment = self.clock.moment();
        self.sweep = Sweep::new(Liveness::default(), moment.now);
        self.registry = fleet::restarted(&self.registry, moment);
    }

    fn connect(&self, n: u8) -> Opened {
        let opened = connect(&self.registry, n, self.clock.moment());
        self.registry.take_sample(&opened, sample(), self.clock.moment());
        opened
    }

    fn close(&self, opened: &Opened) {
        let (id, session) = (&opened.host_id, &opened.session.id);
        self.registry.close_session(id, session, CloseReason::Lost, self.clock.moment());
    }

    fn status(&self, opened: &Opened) -> HostStatus {
        self.registry.host(opened.host_id.as_str()).unwrap().status
    }

    fn count(&self, kind: &str) -> usize {
        self.registry.kinds_since(0).into_iter().filter(|told| *told == kind).count()
    }
}

#[test]
fn a_host_goes_stale_then_offline_then_recovers() {
    let mut world = World::new();
    let opened = world.connect(1);
    let services = vec![service("127.0.0.1", 1, vec![model("a", true)])];
    world.registry.take_inventory(&opened, services, world.clock.moment());
    world.pass(14, &[]);
    assert_eq!(world.status(&opened), HostStatus::Online);
    world.pass(1, &[]);
    assert_eq!(world.status(&opened), HostStatus::Stale);
    let service = || world.registry.service("gpu-1:1").unwrap();
    assert!(service().state.is_none() && service().warm().next().is_none());
    assert!(world.registry.host(opened.host_id.as_str()).unwrap().present().is_none());
    world.pass(30, &[]);
    assert_eq!(world.status(&opened), HostStatus::Offline);
    world.pass(1, &[&opened]);
    assert_eq!(world.status(&opened), HostStatus::Online);
    let service = world.registry.service("gpu-1:1").unwrap();
    assert_eq!(service.warm().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a"]);
    assert_eq!(world.count("host.recovered"), 1);
}

#[test]
fn a_collector_that_was_paused_marks_nobody() {
    for pause in [4, 30, 90, 300] {
        let mut world = World::new();
        let (sending, lost) = (world.connect(1), world.connect(2));
        world.pass(3, &[&sending, &lost]);
        world.pause(pause);
        world.close(&lost);
        world.pass(8, &[&sending]);
        let back = world.connect(2);
        world.pass(60, &[&sending, &back]);
        assert_eq!(world.count("host.stale") + world.count("host.offline"), 0, "{pause} s");
    }
}

#[test]
fn a_tick_that_is_only_a_little_late_is_no_pause() {
    let mut world = World::new();
    world.pass(1, &[]);
    world.pause(3);
    assert_eq!(world.sweep.n_late(), 0);
    world.pause(4);
    assert_eq!(world.sweep.n_late(), 1);
}

#[test]
fn many_hosts_that_go_together_are_one_event_that_ends() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..10).map(|n| world.connect(n)).collect();
    let (gone, stay) = hosts.split_at(4);
    let alive: Vec<_> = stay.iter().collect();
    world.pass(46, &alive);
    assert_eq!(world.count("host.offline"), 4);
    assert_eq!(world.count("fleet.mass_offline"), 1);
    let changes = world.registry.changes_since(0, usize::MAX).unwrap();
    let offline = changes.iter().filter(|change| change.kind == ChangeKind::HostOffline);
    assert!(offline.map(|change| change.cause.as_deref()).all(|cause| cause == Some("mass")));
    for opened in gone {
        world.registry.take_sample(opened, sample(), world.clock.moment());
    }
    world.pass(1, &hosts.iter().collect::<Vec<_>>());
    assert_eq!(world.count("fleet.mass_recovered"), 1);
}

#[test]
fn a_mass_event_ends_by_itself() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..3).map(|n| world.connect(n)).collect();
    world.pass(46, &[]);
    assert_eq!(world.count("fleet.mass_offline"), 1);
    world.pass(601, &[]);
    assert_eq!(world.count("fleet.mass_recovered"), 1);
    assert_eq!(hosts.len(), world.registry.n_hosts());
}

#[test]
fn two_hosts_or_a_small_share_are_no_mass_event() {
    for n_hosts in [2, 40] {
        let mut world = World::new();
        let hosts: Vec<_> = (0..n_hosts).map(|n| world.connect(n)).collect();
        let n_gone = usize::from(n_hosts).min(5);
        world.pass(60, &hosts[n_gone..].iter().collect::<Vec<_>>());
        assert_eq!(world.count("host.offline"), n_gone);
        assert_eq!(world.count("fleet.mass_offline"), 0, "{n_hosts}");
    }
}

#[test]
fn a_host_is_forgotten_after_a_week_but_not_for_a_jump_of_the_wall_clock() {
    let mut world = World::new();
    let opened = world.connect(1);
    world.close(&opened);
    world.pass(50, &[]);
    assert_eq!(world.status(&opened), HostStatus::Offline);
    let mut jumped = world.clock.pass(1);
    jumped.at =
        herdbook_shared::time::Timestamp::from_unix_ms(jumped.at.unix_ms() + 8 * 86_400_000);
    world.sweep.tick(&world.registry, jumped);
    assert_eq!(world.registry.n_hosts(), 1);
    world.pause(60);
    world.pause(7 * 86_400 - 300);
    assert_eq!(world.registry.n_hosts(), 1);
    world.pause(300);
    assert_eq!(world.registry.n_hosts(), 0);
    assert_eq!(world.count("host.removed"), 1);
}

#[test]
fn a_vanished_server_is_forgotten_after_a_day() {
    let mut world = World::new();
    let opened = world.connect(1);
    let moment = world.clock.moment();
    world.registry.take_inventory(&opened, vec![service("127.0.0.1", 1, Vec::new())], moment);
    world.registry.take_inventory(&opened, Vec::new(), moment);
    world.pause(86_399);
    assert!(world.registry.service("gpu-1:1").is_some());
    world.pause(60);
    assert!(world.registry.service("gpu-1:1").is_none());
    assert!(world.registry.host(opened.host_id.as_str()).unwrap().services.is_empty());
}

#[test]
fn a_clone_that_left_is_no_longer_listed() {
    let mut world = World::new();
    let first = herdbook_shared::ids::InstanceId::random();
    connect_as(&world.registry, 1, first, world.clock.moment());
    let winner = world.connect(1);
    let clone = connect_as(&world.registry, 1, first, world.clock.moment());
    assert!(clone.host_id.is_clone());
    world.close(&clone);
    world.pass(60, &[&winner]);
    assert_eq!(world.registry.n_hosts(), 1);
    assert_eq!(world.status(&winner), HostStatus::Online);
}

#[test]
fn a_host_whose_server_hangs_is_degraded_again_once_it_is_heard() {
    let mut world = World::new();
    let opened = world.connect(1);
    let mut hung = service("127.0.0.1", 1, Vec::new());
    hung.state = herdbook_shared::wire::inventory::ServiceState::Hung;
    world.registry.take_inventory(&opened, vec![hung], world.clock.moment());
    assert_eq!(world.status(&opened), HostStatus::Degraded);
    world.pass(20, &[]);
    assert_eq!(world.status(&opened), HostStatus::Stale);
    world.pass(2, &[&opened]);
    assert_eq!(world.status(&opened), HostStatus::Degraded);
    assert_eq!(world.count("host.finding_raised"), 1);
    assert_eq!(world.count("host.finding_cleared"), 0);
}

#[test]
fn a_clone_that_is_forgotten_while_connected_is_told_to_come_again() {
    let mut world = World::new();
    let first = herdbook_shared::ids::InstanceId::random();
    connect_as(&world.registry, 1, first, world.clock.moment());
    let winner = world.connect(1);
    let clone = connect_as(&world.registry, 1, first, world.clock.moment());
    world.pass(60, &[&winner]);
    assert_eq!(world.registry.n_hosts(), 1);
    assert!(clone.session.superseded.is_cancelled());
}

#[test]
fn services_of_a_host_that_tells_but_never_samples_are_unknown() {
    let mut world = World::new();
    let opened = world.connect(1);
    let services = vec![service("127.0.0.1", 1, vec![model("a", true)])];
    world.registry.take_inventory(&opened, services.clone(), world.clock.moment());
    world.pass(50, &[]);
    world.registry.take_inventory(&opened, services, world.clock.moment());
    world.pass(60, &[]);
    assert_eq!(world.status(&opened), HostStatus::Offline);
    let service = world.registry.service("gpu-1:1").unwrap();
    assert_eq!(service.status, crate::registry::service::ServiceStatus::Unknown);
    assert_eq!(service.warm().count(), 0);
}

#[test]
fn every_host_is_looked_at_once_a_minute_whatever_is_known_of_it() {
    let mut world = World::new();
    let opened = world.connect(1);
    let mut looks = 0;
    for _ in 0..120 {
        let moment = world.clock.pass(1);
        world.registry.take_sample(&opened, sample(), moment);
        looks += world.sweep.watched.due(&world.registry, &Liveness::default(), moment).len();
        let host = world.registry.host(opened.host_id.as_str()).unwrap();
        world.sweep.watched.rest(&host, moment.now, moment);
    }
    // The first look, and two rounds.
    assert!((2..=3).contains(&looks), "{looks}");
}

#[test]
fn a_host_that_is_forgotten_a_minute_late_is_forgotten() {
    let mut world = World::new();
    let opened = world.connect(1);
    world.close(&opened);
    world.pass(60, &[]);
    assert_eq!(world.status(&opened), HostStatus::Offline);
    world.pause(6 * 24 * 3600);
    world.pass(3600, &[]);
    world.pause(24 * 3600);
    world.pass(3600 + 60, &[]);
    assert!(world.registry.hosts().is_empty());
}

fn edit(world: &World, opened: &Opened, edit: &HostEdit) {
    let (id, moment) = (opened.host_id.as_str(), world.clock.moment());
    world.registry.patch_host(id, edit, None, moment).unwrap();
}

fn expected_absent() -> HostEdit {
    HostEdit { expected_absent: Some(Some(true)), ..HostEdit::default() }
}

#[test]
fn a_host_that_people_wrote_of_or_expect_back_is_not_forgotten() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..3).map(|n| world.connect(n)).collect();
    let notes = Some(Some("in repair".to_owned()));
    edit(&world, &hosts[0], &HostEdit { notes, ..HostEdit::default() });
    edit(&world, &hosts[1], &expected_absent());
    hosts.iter().for_each(|opened| world.close(opened));
    world.pass(60, &[]);
    // Both clocks agree for long, though the collector ticks but once an hour.
    world.sweep.rules.tick = Duration::from_secs(3600);
    for _ in 0..8 * 24 {
        world.pause(3600);
    }
    let mut left: Vec<_> = world.registry.hosts().iter().map(|host| host.id.clone()).collect();
    left.sort();
    assert_eq!(left, [hosts[0].host_id.clone(), hosts[1].host_id.clone()]);
    // What people said is taken back, and with it the reason to keep them.
    let nothing =
        HostEdit { notes: Some(None), expected_absent: Some(None), ..HostEdit::default() };
    hosts[..2].iter().for_each(|opened| edit(&world, opened, &nothing));
    world.pause(3600);
    assert_eq!(world.registry.n_hosts(), 0);
}

#[test]
fn hosts_that_may_be_away_make_no_mass_event_and_are_in_none() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..10).map(|n| world.connect(n)).collect();
    // Three that go, and one that stays: none of them is part of the fleet that is lost.
    hosts[..3].iter().for_each(|opened| edit(&world, opened, &expected_absent()));
    edit(&world, &hosts[9], &expected_absent());
    let stay: Vec<_> = hosts[5..].iter().collect();
    world.pass(60, &stay);
    assert_eq!(world.count("host.offline"), 5);
    assert_eq!(world.count("fleet.mass_offline"), 0);
    // A third that counts makes it one, of which the first three are no part.
    let seq = world.registry.cursor().1;
    world.pass(50, &hosts[6..].iter().collect::<Vec<_>>());
    assert_eq!(world.count("fleet.mass_offline"), 1);
    let changes = world.registry.changes_since(seq, usize::MAX).unwrap();
    let mass = changes.iter().find(|change| change.kind == ChangeKind::FleetMassOffline).unwrap();
    assert_eq!(mass.cause.as_deref(), Some("3 of 6 hosts went offline together"));
}

#[test]
fn a_host_that_may_be_away_goes_for_a_cause_of_its_own_during_a_mass_event() {
    let mut world = World::new();
    let hosts: Vec<_> = (0..5).map(|n| world.connect(n)).collect();
    edit(&world, &hosts[0], &expected_absent());
    let seq = world.registry.cursor().1;
    world.pass(60, &[]);
    let changes = world.registry.changes_since(seq, usize::MAX).unwrap();
    let gone = changes.iter().filter(|change| change.kind == ChangeKind::HostOffline);
    for change in gone {
        let is_mass = change.cause.as_deref() == Some("mass");
        assert_eq!(is_mass, change.host_id() != Some(&hosts[0].host_id), "{:?}", change.cause);
    }
}

#[test]
fn a_host_that_is_listed_late_is_waited_for_too() {
    let registry = Registry::new(Liveness::default());
    let mut clock = Clock::new();
    let mut sweep = Sweep::new(Liveness::default(), clock.moment().now);
    let mut pass = |seconds| {
        for _ in 0..seconds {
            let moment = clock.pass(1);
            sweep.tick(&registry, moment);
        }
        clock.moment()
    };
    let moment = pass(100);
    registry.ensure_host(&host_id(5), "gpu-5", moment).unwrap();
    let status = || registry.host(host_id(5).as_str()).unwrap().status;
    pass(34);
    assert_eq!(status(), HostStatus::Unknown);
    pass(1);
    assert_eq!(status(), HostStatus::Offline);
}

#[path = "sweep/restart_tests.rs"]
mod restart;
