//! What becomes of a service whose host leaves and comes back, while the collector can ask it too.

use herdbook_shared::wire::inventory::{Service, ServiceState};
use herdbook_shared::wire::sample::{Sample, ServiceSample};

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::check::probe::{ProbeFailure, Probed};
use crate::registry::finding::Code;
use crate::registry::service::Source;
use crate::registry::session::CloseReason;
use crate::registry::testing::fleet::*;
use crate::registry::testing::*;
use crate::sweep::Sweep;

use super::*;

const ID: &str = "gpu-1:11434";

/// A host with a server that a person added too.
fn found_and_added() -> (Fleet, Opened) {
    let mut fleet = Fleet::new();
    let opened = fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://10.0.0.7:11434");
    (fleet, opened)
}

fn leave(fleet: &mut Fleet, opened: &Opened) {
    let moment = fleet.clock.pass(1);
    let (host, session) = (&opened.host_id, &opened.session.id);
    fleet.registry.close_session(host, session, CloseReason::Shutdown, moment);
}

fn answer(fleet: &mut Fleet, name: &str) {
    let probed = Probed { models: Some(vec![model("a", true).into()]), ..Probed::default() };
    let id = fleet.registry.resolve(name).unwrap().id.clone();
    fleet.registry.record_probe(&id, Ok(probed), fleet.clock.pass(1));
}

fn fail(fleet: &mut Fleet, name: &str) {
    let failure = ProbeFailure::Failed("refused".to_owned());
    let id = fleet.registry.resolve(name).unwrap().id.clone();
    fleet.registry.record_probe(&id, Err(failure), fleet.clock.pass(1));
}

fn now(fleet: &Fleet, name: &str) -> Arc<ServiceEntry> {
    fleet.registry.resolve(name).unwrap()
}

fn how(fleet: &Fleet, name: &str) -> (ServiceStatus, Check) {
    let now = now(fleet, name);
    (now.status, now.facts.check)
}

/// Of the service, then of its host.
fn codes(fleet: &Fleet) -> [Vec<Code>; 2] {
    let host = fleet.registry.host(host_id(1).as_str()).unwrap();
    [now(fleet, ID).findings.clone(), host.findings.clone()]
        .map(|findings| findings.iter().map(|finding| finding.code).collect())
}

fn hung() -> Service {
    Service { state: ServiceState::Hung, ..ollama("127.0.0.1") }
}

#[test]
fn who_answers_the_collector_is_asked_on_while_its_host_is_offline() {
    let mut fleet = Fleet::new();
    let opened = fleet.host(1, "gpu-1", PEER, Vec::new());
    leave(&mut fleet, &opened);
    let name = "10.0.0.8:11434";
    fleet.add("http://10.0.0.8:11434");
    answer(&mut fleet, name);
    // Its agent tells what it finds, and dies before its first sample.
    let from_there = Arrival { name: "gpu-1", peer: "10.0.0.8", boot_id: "another" };
    let opened = arrive(&fleet.registry, 1, from_there, fleet.clock.pass(1));
    fleet.registry.take_inventory(&opened, vec![ollama("0.0.0.0")], fleet.clock.pass(1));
    assert_eq!(fleet.sources(name), both());
    assert_eq!(how(&fleet, name), (ServiceStatus::Healthy, Check::Probe));
    leave(&mut fleet, &opened);
    let mut sweep = Sweep::new(Liveness::default(), fleet.clock.moment().now);
    for _ in 0..90 {
        let moment = fleet.clock.pass(1);
        sweep.tick(&fleet.registry, moment);
    }
    assert_eq!(how(&fleet, name), (ServiceStatus::Healthy, Check::Probe));
}

#[test]
fn what_its_agent_counted_is_not_told_of_a_service_that_the_collector_asks() {
    let (mut fleet, opened) = found_and_added();
    let counted = ServiceSample {
        address: "0.0.0.0".to_owned(),
        port: 11434,
        requests_waiting: Some(7),
        requests_running: Some(4),
        ..ServiceSample::default()
    };
    let counted = Sample { services: Some(vec![counted]), ..sample() };
    fleet.registry.take_sample(&opened, counted, fleet.clock.pass(1));
    let numbers = |fleet: &Fleet| (now(fleet, ID).queue_depth(), now(fleet, ID).requests_running());
    assert_eq!(numbers(&fleet), (Some(7), Some(4)));
    leave(&mut fleet, &opened);
    answer(&mut fleet, ID);
    assert_eq!(how(&fleet, ID), (ServiceStatus::Healthy, Check::Probe));
    assert_eq!(numbers(&fleet), (None, None));
}

#[test]
fn that_it_hangs_is_its_agents_word_and_holds_while_that_judges() {
    let (mut fleet, opened) = found_and_added();
    fleet.registry.take_inventory(&opened, vec![hung()], fleet.clock.pass(1));
    assert_eq!(codes(&fleet), [[Code::ServerHung], [Code::ServerHung]]);
    leave(&mut fleet, &opened);
    assert_eq!(codes(&fleet), [[], []]);
    answer(&mut fleet, ID);
    assert_eq!(how(&fleet, ID), (ServiceStatus::Healthy, Check::Probe));
    assert_eq!(codes(&fleet), [[], []]);
    fleet.host(1, "gpu-1", PEER, vec![hung()]);
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unhealthy, Check::Agent));
    assert_eq!(codes(&fleet), [[Code::ServerHung], [Code::ServerHung]]);
}

#[test]
fn a_host_that_is_heard_again_brings_back_what_its_agent_told() {
    let (mut fleet, opened) = found_and_added();
    fleet.registry.take_inventory(&opened, vec![hung()], fleet.clock.pass(1));
    let mut sweep = Sweep::new(Liveness::default(), fleet.clock.moment().now);
    for _ in 0..60 {
        let moment = fleet.clock.pass(1);
        sweep.tick(&fleet.registry, moment);
    }
    answer(&mut fleet, ID);
    fail(&mut fleet, ID);
    assert_eq!((how(&fleet, ID).1, codes(&fleet)), (Check::Probe, [vec![], vec![]]));
    fleet.registry.take_sample(&opened, sample(), fleet.clock.pass(1));
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unhealthy, Check::Agent));
    assert_eq!(codes(&fleet), [[Code::ServerHung], [Code::ServerHung]]);
    assert_eq!(now(&fleet, ID).live.consecutive_failures(), 0);
}

#[test]
fn failed_checks_are_not_counted_on_from_before_another_judged() {
    let (mut fleet, opened) = found_and_added();
    leave(&mut fleet, &opened);
    for _ in 0..3 {
        fail(&mut fleet, ID);
    }
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unhealthy, Check::Probe));
    let opened = fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(now(&fleet, ID).live.consecutive_failures(), 0);
    leave(&mut fleet, &opened);
    assert_eq!(now(&fleet, ID).facts.last_error, None);
    fail(&mut fleet, ID);
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unknown, Check::Probe));
}

#[test]
fn a_url_that_is_taken_back_and_given_again_starts_anew() {
    let (mut fleet, opened) = found_and_added();
    leave(&mut fleet, &opened);
    fail(&mut fleet, ID);
    fail(&mut fleet, ID);
    fleet.registry.take_back(ID, Source::Manual, fleet.clock.pass(1));
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unknown, Check::Agent));
    fleet.add("http://gpu-1:11434");
    let again = now(&fleet, ID);
    assert_eq!((again.facts.check, again.live.consecutive_failures()), (Check::Probe, 0));
    assert_eq!(again.facts.last_error, None);
    fail(&mut fleet, ID);
    assert_eq!(how(&fleet, ID), (ServiceStatus::Unknown, Check::Probe));
}

#[test]
fn after_a_restart_a_host_that_never_comes_back_confirms_what_is_not_known() {
    let mut fleet = Fleet::new();
    let gone = Service { state: ServiceState::Down, ..service("0.0.0.0", 1, Vec::new()) };
    let opened =
        fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("0.0.0.0", 1, vec![])]);
    fleet.registry.take_inventory(&opened, vec![ollama("0.0.0.0"), gone], fleet.clock.pass(1));
    let next = restarted(&fleet.registry, fleet.clock.pass(1));
    assert!(next.service(ID).unwrap().unconfirmed);
    let mut sweep = Sweep::new(Liveness::default(), fleet.clock.moment().now);
    for _ in 0..36 {
        let moment = fleet.clock.pass(1);
        sweep.tick(&next, moment);
    }
    for (id, status) in [(ID, ServiceStatus::Unknown), ("gpu-1:1", ServiceStatus::Down)] {
        let now = next.service(id).unwrap();
        assert_eq!((now.status, now.unconfirmed), (status, false), "{id}");
    }
}

#[test]
fn a_url_that_is_never_dialled_leaves_its_service_to_the_agent() {
    for (url, check) in [
        ("http://169.254.169.254:11434", Check::Agent),
        ("http://[fe80::1]:11434", Check::Agent),
        ("http://127.0.0.1:11434", Check::Probe),
        ("http://10.0.0.7:11434", Check::Probe),
        ("http://gpu-1:11434", Check::Probe),
    ] {
        let manual = Some(Arc::new(declared("a", url)));
        let found = now(&found_and_added().0, ID).facts.records.agent.clone();
        let records = Records { agent: found, manual, ..Records::default() };
        assert_eq!(records.check(true), check, "{url}");
        assert_eq!(records.check(false), Check::Agent, "{url}");
    }
}
