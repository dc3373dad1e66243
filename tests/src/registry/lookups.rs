//! How long look-ups take among many services.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use herdbook_collector::registry::Registry;
use herdbook_collector::registry::service::ServiceEntry;

use super::fill::{self, Models};
use super::{Figure, ns_a_call};

const ROUNDS: usize = 15;
/// Look-ups of a round.
const CALLS: usize = 20_000;
/// Hits of a look-up by model.
const HITS: usize = 10;

pub(super) fn measure(n_services: usize) -> Vec<Figure> {
    let registry = fill::registry(n_services, Models::CommonAndRare(4));
    let of = |what: &str| format!("{what} among {n_services} services");
    let random = |below: usize| (0..CALLS).map(move |_| fastrand::usize(0..below));
    let names: Vec<String> = random(n_services / HITS).map(fill::rare).collect();
    let ids: Vec<String> = random(n_services).map(fill::service_id).collect();
    let aliases: Vec<String> = random(n_services).map(fill::alias).collect();
    assert_eq!(registry.services_of_model(&names[0]).len(), HITS, "hits");
    assert!(registry.resolve(&aliases[0]).is_some(), "an alias");

    let by_model = raw_by_model(&registry);
    let by_id: HashMap<String, Arc<ServiceEntry>> =
        registry.services().into_iter().map(|entry| (entry.id.to_string(), entry)).collect();
    let raw_model = ns_a_call(&names, ROUNDS, |name| drop(black_box(by_model[name].clone())));
    let model = ns_a_call(&names, ROUNDS, |name| drop(black_box(registry.services_of_model(name))));
    let raw_id = ns_a_call(&ids, ROUNDS, |id| drop(black_box(by_id[id].clone())));
    let id = ns_a_call(&ids, ROUNDS, |id| drop(black_box(registry.service(id))));
    let alias = ns_a_call(&aliases, ROUNDS, |name| drop(black_box(registry.resolve(name))));
    let at_most = if n_services <= 1_000 { 1_000.0 } else { 5_000.0 };
    let figure = |what: &str, value, raw, at_most| Figure {
        what: of(what),
        value,
        unit: "ns",
        raw: Some(raw),
        at_most,
    };
    vec![
        figure("services of a model, 10 hits,", model, raw_model, Some(at_most)),
        figure("service by id", id, raw_id, None),
        figure("service by another name", alias, raw_id, None),
    ]
}

/// The least that finds the services of a model: a map that nobody may change meanwhile.
fn raw_by_model(registry: &Registry) -> HashMap<String, Vec<Arc<ServiceEntry>>> {
    let mut by_model: HashMap<String, Vec<Arc<ServiceEntry>>> = HashMap::new();
    for entry in registry.services() {
        for model in entry.facts.models.iter() {
            by_model.entry(model.name.to_string()).or_default().push(Arc::clone(&entry));
        }
    }
    by_model
}
