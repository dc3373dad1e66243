//! Who supersedes whom, who is a clone, and whom a late goodbye can end.

use herdbook_shared::ids::InstanceId;

use crate::config::Liveness;
use crate::registry::finding::Code;
use crate::registry::host::HostStatus;
use crate::registry::mark::Verdict;
use crate::registry::testing::*;

use super::*;

fn registry() -> (Registry, Clock) {
    (Registry::new(Liveness::default()), Clock::new())
}

#[test]
fn a_new_host_is_registered_and_online_with_its_first_sample() {
    let (registry, clock) = registry();
    let opened = connect(&registry, 1, clock.moment());
    assert_eq!(registry.kinds_since(0), ["host.registered", "session.opened"]);
    registry.take_sample(&opened, sample(), clock.moment());
    registry.take_sample(&opened, sample(), clock.moment());
    assert_eq!(registry.kinds_since(2), ["host.online"]);
    assert_eq!(registry.host(opened.host_id.as_str()).unwrap().status, HostStatus::Online);
}

#[test]
fn the_newest_hello_supersedes_and_a_late_goodbye_cannot_end_it() {
    let (registry, clock) = registry();
    let instance = InstanceId::random();
    let old = connect_as(&registry, 1, instance, clock.moment());
    let new = connect_as(&registry, 1, instance, clock.moment());
    assert_eq!(old.host_id, new.host_id);
    assert!(old.session.superseded.is_cancelled());
    assert!(!new.session.superseded.is_cancelled());
    let seq = registry.cursor().1;
    let (id, reason) = (&old.host_id, CloseReason::Shutdown);
    registry.close_session(id, &old.session.id, reason, clock.moment());
    assert_eq!(registry.cursor().1, seq);
    let late = registry.record_sample(id, &old.session.id, sample(), clock.moment());
    assert!(late.is_err());
}

#[test]
fn a_reboot_or_restart_is_no_clone() {
    let (registry, clock) = registry();
    connect(&registry, 1, clock.moment());
    for _ in 0..20 {
        let opened = connect(&registry, 1, clock.moment());
        assert!(!opened.host_id.is_clone());
    }
    assert_eq!(registry.n_hosts(), 1);
}

#[test]
fn a_superseded_instance_that_comes_back_is_a_clone_and_touches_nothing() {
    let (registry, clock) = registry();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    connect_as(&registry, 1, first, clock.moment());
    let winner = connect_as(&registry, 1, second, clock.moment());
    registry.take_sample(&winner, sample(), clock.moment());
    let clone = connect_as(&registry, 1, first, clock.moment());
    assert_eq!(clone.host_id.as_str(), format!("{}~2", winner.host_id));
    assert!(!winner.session.superseded.is_cancelled());
    let entry = registry.host(clone.host_id.as_str()).unwrap();
    assert_eq!(entry.findings[0].code, Code::DuplicateIdentity);
    registry.take_sample(&clone, sample(), clock.moment());
    let entry = registry.host(clone.host_id.as_str()).unwrap();
    assert_eq!(entry.status, HostStatus::Degraded);
    assert_eq!(registry.host(winner.host_id.as_str()).unwrap().status, HostStatus::Online);
    let again = connect_as(&registry, 1, first, clock.moment());
    assert_eq!(again.host_id, clone.host_id);
}

#[test]
fn once_its_successor_is_gone_an_instance_has_its_host_again() {
    let (registry, clock) = registry();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    connect_as(&registry, 1, first, clock.moment());
    let winner = connect_as(&registry, 1, second, clock.moment());
    let reason = CloseReason::Shutdown;
    registry.close_session(&winner.host_id, &winner.session.id, reason, clock.moment());
    assert!(!connect_as(&registry, 1, first, clock.moment()).host_id.is_clone());
}

#[test]
fn a_host_that_comes_back_is_heard_with_its_sample_and_not_with_its_inventory() {
    let (registry, mut clock) = registry();
    let opened = connect(&registry, 1, clock.moment());
    registry.take_sample(&opened, sample(), clock.moment());
    let host = registry.host(opened.host_id.as_str()).unwrap();
    let stale = Verdict::Status(HostStatus::Stale, "test".to_owned());
    registry.judge(&host, host.live.heard_ms(), &stale, clock.pass(20));
    let again = connect(&registry, 1, clock.moment());
    registry.take_inventory(&again, Vec::new(), clock.moment());
    let status = || registry.host(again.host_id.as_str()).unwrap().status;
    assert_eq!(status(), HostStatus::Stale);
    registry.take_sample(&again, sample(), clock.moment());
    assert_eq!(status(), HostStatus::Online);
}

#[test]
fn clones_are_bounded() {
    let (registry, clock) = registry();
    let instances: Vec<_> = (0..=8).map(|_| InstanceId::random()).collect();
    for instance in &instances {
        connect_as(&registry, 1, *instance, clock.moment());
    }
    let ids: Vec<_> = instances[..8]
        .iter()
        .map(|instance| connect_as(&registry, 1, *instance, clock.moment()).host_id)
        .collect();
    assert!(ids.iter().all(HostId::is_clone));
    assert_eq!(registry.n_hosts(), 9);
}

#[test]
fn shutdown_is_offline_at_once_and_a_lost_connection_is_not() {
    let (registry, clock) = registry();
    for (n, reason, status) in [
        (1, CloseReason::Shutdown, HostStatus::Offline),
        (2, CloseReason::Suspend, HostStatus::Offline),
        (3, CloseReason::Upgrade, HostStatus::Online),
        (4, CloseReason::Lost, HostStatus::Online),
    ] {
        let opened = connect(&registry, n, clock.moment());
        registry.take_sample(&opened, sample(), clock.moment());
        registry.close_session(&opened.host_id, &opened.session.id, reason, clock.moment());
        assert_eq!(registry.host(opened.host_id.as_str()).unwrap().status, status, "{reason:?}");
    }
}
