//! What an inventory makes of services and models.

use herdbook_shared::wire::inventory::{Model, ServiceState};

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::finding::Code;
use crate::registry::testing::*;

use super::*;

struct Host {
    registry: Registry,
    clock: Clock,
    opened: Opened,
}

impl Host {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let opened = connect(&registry, 1, clock.moment());
        registry.take_sample(&opened, sample(), clock.moment());
        Self { registry, clock, opened }
    }

    /// Applies an inventory, and returns what was told of it.
    fn tell(&self, services: Vec<Service>) -> Vec<&'static str> {
        let seq = self.registry.cursor().1;
        self.registry.take_inventory(&self.opened, services, self.clock.moment());
        self.registry.kinds_since(seq)
    }

    fn ids(&self) -> Vec<String> {
        let host = self.registry.host(self.opened.host_id.as_str()).unwrap();
        host.services.iter().map(ToString::to_string).collect()
    }
}

const LOOPBACK: &str = "127.0.0.1";

#[test]
fn a_first_inventory_is_one_registration_a_service() {
    let host = Host::new();
    let told = host.tell(vec![service(LOOPBACK, 11434, vec![model("a", true), model("b", false)])]);
    assert_eq!(told, ["host.changed", "service.registered"]);
    let services = host.registry.services_of_model("a");
    assert_eq!(services[0].id.as_str(), "gpu-1:11434");
    assert_eq!(*services[0].facts.url, *"http://127.0.0.1:11434");
    assert_eq!(
        host.tell(vec![service(LOOPBACK, 11434, vec![model("a", true), model("b", false)])]),
        [""; 0]
    );
}

#[test]
fn models_come_and_go_one_by_one() {
    let host = Host::new();
    host.tell(vec![service(LOOPBACK, 1, vec![model("a", false)])]);
    let told = host.tell(vec![service(LOOPBACK, 1, vec![model("a", true)])]);
    assert_eq!(told, ["model.loaded", "service.state"]);
    let told = host.tell(vec![service(LOOPBACK, 1, vec![model("a", true), model("b", false)])]);
    assert_eq!(told, ["model.installed"]);
    let told = host.tell(vec![service(LOOPBACK, 1, vec![model("b", false)])]);
    assert_eq!(told, ["model.removed", "service.state"]);
    assert!(host.registry.services_of_model("a").is_empty());
}

#[test]
fn a_model_on_its_way_into_memory_is_told_and_then_loaded() {
    let host = Host::new();
    host.tell(vec![service(LOOPBACK, 1, vec![model("a", false)])]);
    let on_its_way = Model { loading: true, ..model("a", false) };
    let loading = service(LOOPBACK, 1, vec![on_its_way]);
    let told = host.tell(vec![Service { state: ServiceState::Loading, ..loading.clone() }]);
    assert_eq!(told, ["service.state"]);
    assert_eq!(
        host.tell(vec![Service { state: ServiceState::Loading, ..loading.clone() }]),
        [""; 0]
    );
    let told = host.tell(vec![service(LOOPBACK, 1, vec![model("a", true)])]);
    assert_eq!(told, ["model.loaded", "service.state"]);
    // One that is loaded beside others that are resident: the state does not tell.
    let two = |b: Model| vec![service(LOOPBACK, 1, vec![model("a", true), b])];
    host.tell(two(model("b", false)));
    assert_eq!(host.tell(two(Model { loading: true, ..model("b", false) })), ["service.changed"]);
    assert_eq!(host.tell(two(model("b", true))), ["model.loaded"]);
    host.tell(two(Model { loading: true, ..model("c", false) }));
    host.tell(Vec::new());
    assert!(host.registry.service("gpu-1:1").unwrap().facts.models.iter().all(|m| !m.loading));
}

#[test]
fn when_a_model_expires_is_no_change() {
    let host = Host::new();
    let expiring = |ms| {
        let expires_at = Some(Timestamp::from_unix_ms(ms));
        vec![service(LOOPBACK, 1, vec![Model { expires_at, ..model("a", true) }])]
    };
    host.tell(expiring(1000));
    assert_eq!(host.tell(expiring(2000)), [""; 0]);
    let service = host.registry.services_of_model("a").remove(0);
    assert_eq!(service.live.expires_at("a"), Some(Timestamp::from_unix_ms(2000)));
}

#[test]
fn many_models_at_once_are_one_change() {
    let host = Host::new();
    host.tell(vec![service(LOOPBACK, 1, Vec::new())]);
    let models = (0..1000).map(|n| model(&format!("model-{n}"), false)).collect();
    assert_eq!(host.tell(vec![service(LOOPBACK, 1, models)]), ["service.changed"]);
    assert_eq!(host.registry.services_of_model("model-999").len(), 1);
}

#[test]
fn a_server_that_vanished_stays_listed_as_down_with_cold_models() {
    let host = Host::new();
    host.tell(vec![service(LOOPBACK, 1, vec![model("a", true)])]);
    assert_eq!(host.tell(Vec::new()), ["model.unloaded", "service.down"]);
    let service = host.registry.service("gpu-1:1").unwrap();
    assert_eq!(service.status, ServiceStatus::Down);
    assert!(service.facts.found().unwrap().down_since.is_some());
    assert_eq!(host.tell(Vec::new()), [""; 0]);
    let told = host.tell(vec![service_report(ServiceState::Down)]);
    assert_eq!(told, [""; 0]);
    let told = host.tell(vec![service_report(ServiceState::Idle)]);
    assert_eq!(told, ["service.healthy"]);
}

fn service_report(state: ServiceState) -> Service {
    Service { state, ..service(LOOPBACK, 1, vec![model("a", false)]) }
}

#[test]
fn one_first_told_of_as_down_is_not_listed() {
    let host = Host::new();
    assert_eq!(host.tell(vec![service_report(ServiceState::Down)]), ["host.changed"]);
    assert!(host.ids().is_empty());
}

#[test]
fn a_hung_server_degrades_its_host_and_comes_back() {
    let host = Host::new();
    host.tell(vec![service_report(ServiceState::Idle)]);
    let told = host.tell(vec![service_report(ServiceState::Hung)]);
    assert_eq!(told, ["service.unhealthy", "host.finding_raised", "host.degraded"]);
    let entry = host.registry.host(host.opened.host_id.as_str()).unwrap();
    assert_eq!(entry.findings[0].code, Code::ServerHung);
    let told = host.tell(vec![service_report(ServiceState::Idle)]);
    assert_eq!(told, ["service.healthy", "host.finding_cleared", "host.online"]);
}

#[test]
fn a_server_that_is_bound_anew_is_the_same_service() {
    let host = Host::new();
    host.tell(vec![service(LOOPBACK, 11434, Vec::new())]);
    assert_eq!(host.tell(vec![service("0.0.0.0", 11434, Vec::new())]), ["service.changed"]);
    assert_eq!(host.ids(), ["gpu-1:11434"]);
    let service = host.registry.service("gpu-1:11434").unwrap();
    assert_eq!(*service.facts.url, *"http://10.0.0.7:11434");
}

#[test]
fn a_second_address_on_one_port_is_a_second_service() {
    let host = Host::new();
    host.tell(vec![service("10.0.0.7", 11434, Vec::new()), service("10.0.0.8", 11434, Vec::new())]);
    assert_eq!(host.ids(), ["gpu-1-10.0.0.8:11434", "gpu-1:11434"]);
}

#[test]
fn hosts_of_one_name_have_services_of_two_ids() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    for n in [1, 2] {
        let id = host_id(n);
        let hello = hello(&id, herdbook_shared::ids::InstanceId::random(), "Ubuntu");
        let opened = registry.open_session(&id, &hello, link(), clock.moment()).unwrap();
        registry.take_inventory(&opened, vec![service(LOOPBACK, 1, Vec::new())], clock.moment());
    }
    let mut ids: Vec<_> = registry.services().iter().map(|s| s.id.to_string()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["ubuntu-000002:1", "ubuntu:1"]);
}

#[test]
fn a_full_register_lists_no_more_and_counts_them() {
    let host = Host::new();
    for id in ["gpu-1:1", "gpu-1-000001:1", "gpu-1-127.0.0.1:1", "gpu-1-000001-127.0.0.1:1"] {
        let own = checked_by("http://10.0.0.9:1", Check::Heartbeat);
        host.registry.list(id, Source::Own, own, host.clock.moment());
    }
    host.tell(vec![service(LOOPBACK, 1, Vec::new())]);
    assert!(host.ids().is_empty());
    assert_eq!(host.registry.n_unlisted(), 1);
}

#[test]
fn models_told_one_by_one_are_kept_like_those_told_with_their_service() {
    let host = Host::new();
    let with = |b| vec![service(LOOPBACK, 1, vec![model("a", true), model("b", b)])];
    host.tell(with(false));
    assert_eq!(host.tell(with(true)), ["model.loaded"]);
    let service = host.registry.service("gpu-1:1").unwrap();
    assert!(service.facts.found().unwrap().models[1].warm);
    // A change by hand makes the facts anew from the records.
    host.registry.drain_service("gpu-1:1", true, host.clock.moment()).unwrap();
    assert!(host.registry.service("gpu-1:1").unwrap().model("b").unwrap().warm);
}

#[test]
fn a_server_that_is_reported_twice_is_one() {
    let host = Host::new();
    let twice = |address| {
        let first = service(LOOPBACK, 11434, vec![model("a", true)]);
        vec![first, service(address, 11434, Vec::new())]
    };
    for address in [LOOPBACK, "::ffff:127.0.0.1", LOOPBACK] {
        host.tell(twice(address));
        assert_eq!(host.ids(), ["gpu-1:11434"]);
        assert!(host.registry.service("gpu-1:11434").unwrap().model("a").is_some());
    }
    assert_eq!(host.tell(twice(LOOPBACK)), [""; 0]);
}

#[test]
fn servers_of_one_host_that_are_gone_do_not_add_up() {
    let mut host = Host::new();
    let n_at_once = u16::try_from(limits::SERVICES).unwrap();
    let ports = |round: u16| 1000 + n_at_once * round..1000 + n_at_once * (round + 1);
    let is_listed = |host: &Host, port: u16| host.ids().contains(&format!("gpu-1:{port}"));
    for round in 0..4 {
        host.clock.pass(1);
        host.tell(ports(round).map(|port| service(LOOPBACK, port, Vec::new())).collect());
        assert!(ports(round).all(|port| is_listed(&host, port)));
        host.registry.check_indexes();
    }
    assert_eq!(host.ids().len(), OF_HOST_MAX);
    assert_eq!(host.registry.n_services(), OF_HOST_MAX);
    assert!(ports(2).all(|port| is_listed(&host, port)), "the newest that are gone stay");
    assert_eq!(host.registry.n_let_go(), 2 * u64::from(n_at_once));
    // What people added stays, but is no longer its host's.
    host.registry.declare_url(Source::Manual, "http://gpu-1:9", host.clock.moment());
    host.clock.pass(1);
    host.tell(vec![service("0.0.0.0", 9, Vec::new())]);
    for round in 0..3 {
        host.clock.pass(1);
        host.tell(ports(round).map(|port| service(LOOPBACK, port, Vec::new())).collect());
    }
    assert_eq!(host.registry.service("gpu-1:9").unwrap().facts.records.sources(), [Source::Manual]);
    host.registry.check_indexes();
}
