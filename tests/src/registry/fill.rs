//! A registry with many services, filled as after a restart: from the documents of a store.

use herdbook_collector::config::Liveness;
use herdbook_collector::registry::Registry;
use herdbook_collector::registry::moment::Moment;
use serde_json::{Value, json};

/// Services of one host.
const SERVICES_A_HOST: usize = 5;
/// Models that are the same all over a fleet.
const N_COMMON: usize = 300;

/// Which models the services have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Models {
    /// So many of those that are everywhere.
    Common(usize),
    /// So many of those that are everywhere, and one that ten services have.
    CommonAndRare(usize),
    /// So many that nobody else has.
    Own(usize),
}

/// A registry with the hosts of `n_services` services, and the documents of these.
pub(super) fn hosts_alone(n_services: usize, models: Models) -> (Registry, Vec<String>) {
    let registry = Registry::new(Liveness::default());
    let hosts: Vec<String> = (0..n_services.div_ceil(SERVICES_A_HOST)).map(host_doc).collect();
    assert_eq!(registry.restore(&hosts, &[], Moment::now()), 0, "documents of hosts");
    (registry, (0..n_services).map(|n| service_doc(n, models)).collect())
}

/// A registry with so many services.
pub(super) fn registry(n_services: usize, models: Models) -> Registry {
    let (registry, docs) = hosts_alone(n_services, models);
    assert_eq!(registry.restore(&[], &docs, Moment::now()), 0, "documents of services");
    registry
}

/// The id of a host.
pub(super) fn host_id(n: usize) -> String {
    format!("0199f3a0-0000-7000-8000-{n:012x}")
}

/// The id of a service.
pub(super) fn service_id(n: usize) -> String {
    format!("gpu-{:05}:{}", n / SERVICES_A_HOST, 11434 + n % SERVICES_A_HOST)
}

/// Another name of a service.
pub(super) fn alias(n: usize) -> String {
    let host = n / SERVICES_A_HOST;
    format!("10.{}.{}.{}:{}", host >> 16, host >> 8 & 255, host & 255, 11434 + n % SERVICES_A_HOST)
}

/// A model that ten services have: `n` below a tenth of the services.
pub(super) fn rare(n: usize) -> String {
    format!("rare-model-{n}:8b")
}

/// The document of a host.
pub(super) fn host_doc(n: usize) -> String {
    json!({
        "id": host_id(n), "revision": 1, "last_seen": null,
        "facts": {
            "name": format!("gpu-{n:05}"), "role": "worker", "agent_version": "0.1.0",
            "protocol": 1, "interval_ms": 1000, "first_seen": "2026-11-18T11:06:40.000Z",
            "gpus": [],
        },
    })
    .to_string()
}

fn service_doc(n: usize, models: Models) -> String {
    let host = n / SERVICES_A_HOST;
    let port = 11434 + n % SERVICES_A_HOST;
    let models: Vec<Value> = match models {
        Models::Common(count) => common(n, count).collect(),
        Models::CommonAndRare(count) => {
            common(n, count).chain([model(&rare(n / 10), n / 10)]).collect()
        }
        Models::Own(count) => {
            (0..count).map(|i| model(&format!("own-{n}-{i}:8b"), n * count + i)).collect()
        }
    };
    let mut models = models;
    models.sort_by_key(|model| model["name"].as_str().map(str::to_owned));
    json!({
        "id": service_id(n), "revision": 1, "status": "healthy", "aliases": [alias(n)],
        "registered_at": "2026-11-18T11:06:40.000Z",
        "records": {"agent": {
            "name": format!("gpu-{host:05}"), "kind": "ollama", "host_id": host_id(host),
            "address": "0.0.0.0", "port": port, "url": format!("http://{}", alias(n)),
            "reachable": "host", "version": "0.33.0", "unit": "ollama.service",
            "registered_at": "2026-11-18T11:06:40.000Z", "models": models,
        }},
    })
    .to_string()
}

/// Models that are everywhere, spread over the fleet.
fn common(n: usize, count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(move |i| {
        let which = (n * 7 + i * (N_COMMON / count.max(1))) % N_COMMON;
        model(&format!("model-{which}:8b-instruct-q4_K_M"), which)
    })
}

fn model(name: &str, n: usize) -> Value {
    let warm = n.is_multiple_of(7);
    json!({
        "name": name, "digest": format!("{n:064x}"), "size_bytes": 4_920_753_328_u64,
        "parameters": "8.0B", "quantization": "Q4_K_M", "family": "llama",
        "context_length": 131_072, "capabilities": ["completion", "tools"], "warm": warm,
        "vram_bytes": warm.then_some(6_654_289_920_u64),
    })
}
