//! What each question finds, and what it never finds.

use std::collections::{BTreeMap, BTreeSet};

use herdbook_shared::ids::ServiceId;
use herdbook_shared::wire::inventory::Service;
use proptest::prelude::*;

use crate::config::Liveness;
use crate::registry::model::ModelIndex;
use crate::registry::service::record::{Declared, Records};
use crate::registry::service::{Check, Model, ServiceFacts};
use crate::registry::testing::*;

use super::*;

/// A service added by hand, told as the store keeps it.
fn added(id: &str, declared: serde_json::Value) -> String {
    let records = serde_json::json!({ "manual": declared });
    serde_json::json!({ "id": id, "revision": 1, "status": "healthy", "records": records })
        .to_string()
}

fn registry(services: &[String]) -> Registry {
    let registry = Registry::new(Liveness::default());
    assert_eq!(registry.restore(&[], services, Clock::new().moment()), 0);
    registry
}

fn ids(found: &[Arc<ServiceEntry>]) -> Vec<&str> {
    found.iter().map(|entry| entry.id.as_str()).collect()
}

#[test]
fn a_name_without_a_tag_means_latest_on_an_ollama_only() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    let of_kind = |kind: &str, port, name| Service {
        kind: kind.to_owned(),
        ..service("127.0.0.1", port, vec![model(name, false)])
    };
    let services = vec![
        of_kind("ollama", 1, "llama3:latest"),
        of_kind("vllm", 2, "llama3:latest"),
        of_kind("vllm", 3, "llama3"),
        of_kind("ollama", 4, "llama3:8b"),
        of_kind("ollama", 5, "host:5000/llama3:latest"),
    ];
    registry.take_inventory(&opened, services, clock.moment());
    let found = |name: &str| {
        let found = registry.services_of_model(name);
        let whole = registry.services();
        let mut looked: Vec<_> = whole.iter().filter(|s| s.model_meant(name).is_some()).collect();
        looked.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(ids(&found), looked.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), "{name}");
        ids(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("llama3"), ["gpu-1:1", "gpu-1:3"]);
    assert_eq!(found("llama3:latest"), ["gpu-1:1", "gpu-1:2"]);
    assert_eq!(found("llama3:8b"), ["gpu-1:4"]);
    assert_eq!(found("host:5000/llama3"), ["gpu-1:5"]);
    for nobody in ["llama", "LLAMA3", "llama3:", "", ":latest"] {
        assert!(found(nobody).is_empty(), "{nobody:?}");
    }
    assert_eq!((registry.n_services(), registry.n_models()), (5, 4));
}

#[test]
fn both_meanings_of_a_name_are_one_list_by_id() {
    let registry = registry(&[
        added("b", serde_json::json!({ "kind": "ollama", "models": [{"name": "m:latest"}] })),
        added("a", serde_json::json!({ "kind": "vllm", "models": [{"name": "m"}] })),
        added(
            "c",
            serde_json::json!({ "kind": "ollama", "models": [{"name": "m"}, {"name": "m:latest"}] }),
        ),
        added("d", serde_json::json!({ "kind": "sglang", "models": [{"name": "m"}] })),
    ]);
    assert_eq!(ids(&registry.services_of_model("m")), ["a", "b", "c", "d"]);
}

#[test]
fn each_filter_finds_its_own_and_they_combine() {
    let registry = registry(&[
        added(
            "tool",
            serde_json::json!({
                "name": "search", "type": "tool", "kind": "generic", "role": "production",
                "caps": ["web"], "labels": {"zone": "a"},
            }),
        ),
        added(
            "drained",
            serde_json::json!({
                "name": "qwen", "kind": "vllm", "drain": true,
                "models": [{"name": "m", "capabilities": ["vision"]}],
            }),
        ),
        added(
            "plain",
            serde_json::json!({ "name": "qwen", "kind": "vllm", "models": [{"name": "m"}] }),
        ),
    ]);
    let all = Query::default;
    let found = |query: Query| {
        let found = registry.services_where(&query);
        let by_rule = registry.services().into_iter().filter(|entry| query.lets_through(entry));
        assert_eq!(by_rule.count(), found.len(), "{query:?}");
        ids(&found).join(" ")
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(all()), "drained plain tool");
    assert_eq!(found(Query { name: text("qwen"), ..all() }), "drained plain");
    assert_eq!(found(Query { r#type: Some(ServiceType::Tool), ..all() }), "tool");
    assert_eq!(found(Query { kind: text("vllm"), ..all() }), "drained plain");
    assert_eq!(found(Query { status: Some(ServiceStatus::Draining), ..all() }), "drained");
    assert_eq!(found(Query { status: Some(ServiceStatus::Healthy), ..all() }), "plain tool");
    assert_eq!(found(Query { role: Some(Role::Production), ..all() }), "tool");
    assert_eq!(found(Query { cap: text("web"), ..all() }), "tool");
    assert_eq!(found(Query { cap: text("vision"), ..all() }), "drained");
    assert_eq!(found(Query { label: Some(("zone".to_owned(), None)), ..all() }), "tool");
    assert_eq!(found(Query { label: Some(("zone".to_owned(), text("b"))), ..all() }), "");
    assert_eq!(found(all().healthy()), "plain tool");
    assert_eq!(found(Query { healthy: Some(false), ..all() }), "drained");
    assert_eq!(found(Query { q: text("QWE"), ..all() }), "drained plain");
    assert_eq!(found(Query { host: text("somewhere"), ..all() }), "");
    assert_eq!(found(Query::of_model("m")), "drained plain");
    assert_eq!(found(Query::of_model("m").healthy()), "plain");
    assert_eq!(found(Query { cap: text("vision"), ..Query::of_model("m") }), "drained");
}

#[test]
fn an_id_that_is_not_there_is_an_error_that_names_it() {
    let registry = registry(&[added("a", serde_json::json!({}))]);
    assert_eq!(registry.known_service("a").unwrap().id.as_str(), "a");
    let error = registry.known_service("b").unwrap_err();
    assert_eq!(error.to_string(), "there is no service \"b\"");
}

/// A service with the models of which the bits are set.
fn entry(service: u8, models: u8) -> ServiceEntry {
    let id = ServiceId::from_text(&format!("s-{service:03}"));
    let models = (0..8).filter(|bit| models & (1 << bit) != 0);
    let models: Vec<Model> =
        models.map(|bit| Model::from(&model(&format!("m-{bit}"), false))).collect();
    let declared = Declared { models: Some(models.into()), ..Declared::default() };
    let records = Records { manual: Some(Arc::new(declared)), ..Records::default() };
    let at = Clock::new().moment().at;
    ServiceEntry::unjudged(id, ServiceFacts::of(records, Check::Probe, at, None))
}

proptest! {
    #[test]
    fn the_index_answers_like_one_that_is_rebuilt(
        steps in prop::collection::vec((0..80u8, prop::option::weighted(0.8, any::<u8>())), 1..300),
    ) {
        let index = ModelIndex::default();
        let mut services: BTreeMap<u8, Arc<ServiceEntry>> = BTreeMap::new();
        for (service, models) in steps {
            let before = services.remove(&service);
            match models {
                Some(models) => {
                    let after = Arc::new(entry(service, models));
                    index.release(before.as_deref(), &after);
                    index.take(before.as_deref(), &after);
                    services.insert(service, after);
                }
                None => {
                    before.inspect(|before| index.remove(before));
                }
            }
        }
        let mut rebuilt: BTreeMap<String, BTreeSet<ServiceId>> = BTreeMap::new();
        for service in services.values() {
            for model in service.facts.models.iter() {
                rebuilt.entry(model.name.to_string()).or_default().insert(service.id.clone());
            }
        }
        prop_assert_eq!(index.all(), rebuilt);
    }
}
