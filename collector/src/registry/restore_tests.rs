//! What a store of before holds is read for ever, and what is written now comes back.

use herdbook_shared::wire::inventory::{Address, Inventory, Scope, Service, ServiceState, ToldBy};

use crate::config::Liveness;
use crate::registry::finding::Code;
use crate::registry::service::record::{Credential, Declared};
use crate::registry::service::{Role, Source};
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
    let [
        Row { kind: RowKind::Host, doc: Some(host), .. },
        Row { kind: RowKind::Service, doc: Some(service), .. },
    ] = &rows[..]
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

#[test]
fn all_that_was_declared_and_changed_by_hand_survives_a_restart() {
    let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    registry.take_inventory(&opened, vec![service("10.0.0.7", 8000, vec![])], clock.moment());
    let credential = Credential { header: "x-key".to_owned(), sealed: "c2VhbGVk".to_owned() };
    let full = Declared {
        kind: Some("vllm".to_owned()),
        role: Some(Role::Canary),
        caps: Some(vec!["tools".to_owned()]),
        labels: Some([("zone".to_owned(), "a".to_owned())].into()),
        priority: Some(-3),
        ctx_limit: Some(4096),
        cost_hint_usd_per_1k: Some(0.25),
        heartbeat_interval_s: Some(30),
        ttl_s: Some(45),
        models: Some([model("a", true).into()].into()),
        credential: Some(Arc::new(credential)),
        ..declared("full", "10.0.0.7:8000")
    };
    for source in [Source::Own, Source::Manual, Source::File] {
        registry.upsert_service(source, full.clone(), clock.pass(1)).unwrap();
        let path = Declared { url: Some("http://gpu-9:1/a".to_owned()), ..full.clone() };
        registry.upsert_service(source, path, clock.pass(1)).unwrap();
    }
    for service in registry.services() {
        registry.promote_service(service.id.as_str(), Role::Production, clock.pass(1)).unwrap();
        registry.drain_service(service.id.as_str(), true, clock.pass(1)).unwrap();
    }
    let rows = registry.take_dirty(100);
    let docs = |wanted: fn(&Row) -> Option<&String>| -> Vec<String> {
        rows.iter().filter_map(wanted).cloned().collect()
    };
    let hosts =
        docs(
            |row| if let Row { kind: RowKind::Host, doc, .. } = row { doc.as_ref() } else { None },
        );
    let services =
        docs(
            |row| {
                if let Row { kind: RowKind::Service, doc, .. } = row { doc.as_ref() } else { None }
            },
        );
    let after = Registry::new(Liveness::default());
    assert_eq!(after.restore(&hosts, &services, clock.pass(60)), 0);
    assert_eq!(after.services().len(), registry.services().len());
    for before in registry.services() {
        let after = after.service(before.id.as_str()).unwrap();
        assert_eq!(after.facts, before.facts);
        assert_eq!((after.revision, after.status), (before.revision, before.status));
        assert!(after.unconfirmed && after.facts.drain);
        let model = after.model("a").map(|model| model.warm);
        assert_eq!(model, before.model("a").map(|model| model.warm));
    }
    let again = after.upsert_service(Source::Own, full, clock.pass(1)).unwrap();
    assert!(!again.is_new, "whoever registers itself again is known");
}
