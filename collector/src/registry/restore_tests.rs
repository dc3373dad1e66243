//! What a store of before holds is read for ever, and what is written now comes back.

use herdbook_shared::wire::inventory::{Address, Inventory, Scope, Service, ServiceState, ToldBy};

use crate::config::Liveness;
use crate::registry::finding::Code;
use crate::registry::testing::*;

use super::*;

/// As version 0.1.0 wrote them.
const HOST: &str = include_str!("../../fixtures/stored_v1/host.json");
const SERVICE: &str = include_str!("../../fixtures/stored_v1/service.json");

fn restored(host: &str, service: &str) -> Registry {
    let registry = Registry::new(Liveness::default());
    let moment = Clock::new().moment();
    assert_eq!(registry.restore(&[host.to_owned()], &[service.to_owned()], moment), 0);
    registry
}

#[test]
fn rows_of_the_first_version_are_read() {
    let registry = restored(HOST, SERVICE);
    let host = registry.hosts().remove(0);
    assert_eq!(host.facts.gpus.as_ref().unwrap()[0].name, "NVIDIA H200");
    assert!(host.facts.address_details.is_empty());
    assert_eq!((host.role(), &*host.patch), ("worker", &HostPatch::default()));
    let service = registry.service("gpu-1:11434").unwrap();
    assert_eq!(service.facts.models.len(), 2);
    assert_eq!((service.status, service.revision), (ServiceStatus::Healthy, 1));
    assert!(service.unconfirmed && service.findings.is_empty());
    assert_eq!(service.facts.found().unwrap().asks_credential, None);
}

fn exposed() -> Service {
    Service {
        state_told_by: Some(ToldBy::Runner),
        asks_credential: Some(false),
        unit: Some("ollama.service".to_owned()),
        container: Some("9f86".to_owned()),
        gpu_ids: vec!["GPU-0".to_owned()],
        state: ServiceState::Hung,
        ..service("0.0.0.0", 11434, vec![model("a", true)])
    }
}

/// The rows of a host with this service.
fn rows() -> (String, String) {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    let address =
        Address { address: "10.0.0.7".to_owned(), scope: Scope::Private, ..Address::default() };
    let inventory = Inventory { address_details: vec![address], ..inventory(vec![exposed()]) };
    let (id, session) = (&opened.host_id, &opened.session.id);
    registry.apply_inventory(id, session, inventory, clock.moment()).unwrap();
    let rows = registry.take_dirty(10);
    let [Row::Host { doc: Some(host), .. }, Row::Service { doc: Some(service), .. }] = &rows[..]
    else {
        panic!("a host and a service")
    };
    (host.clone(), service.clone())
}

#[test]
fn what_is_known_in_depth_survives_a_restart_and_findings_keep_their_since() {
    let (host, service) = rows();
    let registry = restored(&host, &service);
    assert_eq!(registry.hosts()[0].facts.address_details[0].scope, Scope::Private);
    let before = registry.service("gpu-1:11434").unwrap();
    let facts = before.facts.found().unwrap();
    assert_eq!((facts.asks_credential, before.facts.is_exposed()), (Some(false), true));
    assert_eq!(facts.unit.as_deref(), Some("ollama.service"));
    assert_eq!(facts.container.as_deref(), Some("9f86"));
    assert_eq!(facts.gpu_ids, ["GPU-0"]);
    let codes: Vec<_> = before.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::ServerHung, Code::ExposedWithoutCredential]);

    let mut clock = Clock::new();
    let opened = connect(&registry, 1, clock.pass(60));
    registry.take_inventory(&opened, vec![exposed()], clock.pass(60));
    let after = registry.service("gpu-1:11434").unwrap();
    assert!(!after.unconfirmed);
    assert_eq!(after.findings, before.findings);
}

#[test]
fn a_finding_of_a_later_version_costs_itself_alone() {
    let (host, service) = rows();
    let service = service.replace("server_hung", "server_bored");
    let registry = restored(&host, &service);
    let service = registry.service("gpu-1:11434").unwrap();
    let codes: Vec<_> = service.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::ExposedWithoutCredential]);
}
