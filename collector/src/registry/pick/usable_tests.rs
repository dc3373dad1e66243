//! Who can be used at all, and what the others are told.

use std::net::IpAddr;
use std::sync::Arc;

use crate::registry::service::{Check, Reachable, ServiceStatus};
use crate::registry::session::CloseReason;

use super::fleet::*;
use super::*;

/// Why the service of host 1 is rejected.
fn why(fleet: &Fleet, wanted: &Wanted) -> String {
    let none = fleet.registry.pick(wanted).unwrap_err();
    assert_eq!(none.rejected.len(), 1);
    none.rejected[0].why.clone()
}

#[test]
fn only_what_answers_is_picked() {
    let fleet = Fleet::with_cold(&[1]);
    for status in [ServiceStatus::Unknown, ServiceStatus::Unhealthy, ServiceStatus::Down] {
        fleet.edit(1, |entry| entry.status = status);
        assert!(fleet.registry.pick(&model_m()).is_err(), "{status:?}");
    }
    fleet.edit_facts(1, |facts| {
        facts.last_error = Some("connection refused".into());
        facts.down_since = Some(fleet.clock.moment().at);
    });
    let why = why(&fleet, &model_m());
    assert!(why.starts_with("down since 2026-11-"), "{why}");
    assert!(why.ends_with("connection refused"), "{why}");
    fleet.edit(1, |entry| entry.status = ServiceStatus::Degraded);
    assert_eq!(fleet.pick(&model_m()).service.why[0], "degraded");
}

#[test]
fn what_drains_by_itself_or_with_its_host_is_not_picked() {
    let fleet = Fleet::with_cold(&[1]);
    fleet.edit_facts(1, |facts| facts.drain = true);
    assert!(why(&fleet, &model_m()).starts_with("draining"));
    fleet.edit_facts(1, |facts| facts.drain = false);
    fleet.drain_host(1, true);
    assert!(why(&fleet, &model_m()).starts_with("its host drains"));
    // Also where it is not shown, over degraded.
    fleet.edit(1, |entry| entry.status = ServiceStatus::Degraded);
    assert!(fleet.registry.pick(&model_m()).is_err());
    fleet.drain_host(1, false);
    assert!(fleet.registry.pick(&model_m()).is_ok());
}

#[test]
fn a_silent_host_has_nothing_to_offer_unless_the_collector_asks_there_itself() {
    let fleet = Fleet::new();
    let opened = fleet.host(1, &[small("m", false)]);
    let (host, session) = (&opened.host_id, &opened.session.id);
    fleet.registry.close_session(host, session, CloseReason::Shutdown, fleet.clock.moment());
    assert!(why(&fleet, &model_m()).contains("its host is offline"));
    // Whatever its last status, the agent's word no longer holds.
    fleet.edit(1, |entry| entry.status = ServiceStatus::Healthy);
    assert!(why(&fleet, &model_m()).starts_with("its host is offline"));
    fleet.edit_facts(1, |facts| facts.check = Check::Probe);
    assert_eq!(fleet.order(), [id(1)]);
}

#[test]
fn what_was_not_judged_since_the_start_is_picked_last() {
    let fleet = Fleet::with_cold(&[1, 2]);
    fleet.edit(1, |entry| entry.unconfirmed = true);
    fleet.edit(2, |entry| entry.status = ServiceStatus::Degraded);
    assert_eq!(fleet.order(), [id(2), id(1)]);
    let why = &fleet.pick(&model_m()).alternatives[0].why;
    assert_eq!(why[0], "not confirmed since the collector's start");
}

fn by(fleet: &Fleet, from: Option<&str>, peer: Option<&str>) -> Wanted {
    let peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
    Wanted { caller: fleet.registry.caller(from, peer).unwrap(), ..model_m() }
}

/// A host with a server on loopback, whose agent connects from there with that boot.
fn on_loopback(fleet: &Fleet, n: u8, remote_address: &str, boot_id: &str) {
    let opened = fleet.connect(n, remote_address.parse().unwrap(), boot_id);
    fleet.report_at(&opened, n, "127.0.0.1", &[small("m", false)]);
    fleet.sample(&opened, n, Some(0));
}

#[test]
fn loopback_is_offered_on_its_own_host_alone_and_others_are_told_what_to_do() {
    let fleet = Fleet::new();
    on_loopback(&fleet, 1, "192.0.2.1", "other");
    on_loopback(&fleet, 2, "192.0.2.2", "another");
    let own = host_id_text(1);
    for wanted in [
        by(&fleet, Some(&own), None),
        by(&fleet, Some("gpu-1"), Some("127.0.0.1")),
        by(&fleet, Some("GPU-1"), None),
        by(&fleet, None, Some("192.0.2.1")),
        by(&fleet, None, Some("::ffff:192.0.2.1")),
    ] {
        let picked = fleet.pick(&wanted);
        assert_eq!(ids(&picked), [id(1)], "{wanted:?}");
        let why = &picked.rejected[0].why;
        assert!(why.starts_with("listens on loopback only: let it listen on the network"), "{why}");
        assert!(why.ends_with(&format!("from={}", host_id_text(2))), "{why}");
    }
    for (from, peer) in [(None, Some("127.0.0.1")), (None, Some("192.0.2.3")), (None, None)] {
        assert!(fleet.registry.pick(&by(&fleet, from, peer)).is_err(), "{peer:?}");
    }
}

fn host_id_text(n: u8) -> String {
    crate::registry::testing::host_id(n).to_string()
}

#[test]
fn the_collectors_own_machine_is_told_by_its_boot_and_not_by_its_address() {
    let fleet = Fleet::new();
    on_loopback(&fleet, 1, "127.0.0.1", OWN_BOOT);
    on_loopback(&fleet, 2, "127.0.0.1", "through a tunnel");
    on_loopback(&fleet, 3, "::1", OWN_BOOT);
    let here = fleet.pick(&by(&fleet, None, Some("127.0.0.1")));
    assert_eq!(ids(&here), [id(1), id(3)]);
    // Who is on one of two hosts of one machine is on both.
    assert_eq!(ids(&fleet.pick(&by(&fleet, Some("gpu-1"), None))), [id(1), id(3)]);
    assert_eq!(ids(&fleet.pick(&by(&fleet, Some("gpu-2"), Some("127.0.0.1")))), [id(2)]);
}

#[test]
fn what_the_collector_reaches_on_loopback_is_on_its_machine() {
    let fleet = Fleet::with_cold(&[1]);
    fleet.add("127.0.0.1:8000", |entry| {
        Arc::make_mut(&mut entry.facts).reachable = Reachable::Loopback;
    });
    fleet.edit(1, |entry| entry.status = ServiceStatus::Down);
    let here = fleet.pick(&by(&fleet, None, Some("::1")));
    assert_eq!(ids(&here), ["127.0.0.1:8000"]);
    let none = fleet.registry.pick(&by(&fleet, Some("gpu-1"), Some("::1"))).unwrap_err();
    assert!(none.rejected[0].why.contains("give it a URL that can be reached"));
}

#[test]
fn a_caller_that_nobody_knows_or_several_could_be_is_refused() {
    let fleet = Fleet::with_cold(&[1]);
    let twin = crate::registry::testing::host_id(7);
    let caller = |from| fleet.registry.caller(Some(from), None);
    assert!(matches!(caller("gpu-9").unwrap_err(), UnknownCaller::NoHost(_)));
    assert!(caller("gpu-1").is_ok());
    let hello =
        crate::registry::testing::hello(&twin, herdbook_shared::ids::InstanceId::random(), "gpu-1");
    let link = crate::registry::testing::link();
    fleet.registry.open_session(&twin, &hello, link, fleet.clock.moment()).unwrap();
    let error = caller("gpu-1").unwrap_err();
    assert!(error.to_string().starts_with("2 hosts are named \"gpu-1\""), "{error}");
    assert!(caller(twin.as_str()).is_ok());
}

#[test]
fn an_address_that_two_hosts_share_tells_nobody_and_a_session_that_ended_neither() {
    let fleet = Fleet::new();
    on_loopback(&fleet, 1, "192.0.2.1", "");
    assert_eq!(ids(&fleet.pick(&by(&fleet, None, Some("192.0.2.1")))), [id(1)]);
    let second = fleet.connect(2, "192.0.2.1".parse().unwrap(), "");
    assert!(fleet.registry.pick(&by(&fleet, None, Some("192.0.2.1"))).is_err());
    let (host, session) = (&second.host_id, &second.session.id);
    fleet.registry.close_session(host, session, CloseReason::Lost, fleet.clock.moment());
    assert_eq!(ids(&fleet.pick(&by(&fleet, None, Some("192.0.2.1")))), [id(1)]);
}
