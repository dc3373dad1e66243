//! How long the graph of a fleet takes to be had: as it is kept, and encoded anew.

use std::hint::black_box;

use herdbook_collector::registry::Registry;
use herdbook_collector::registry::moment::Moment;
use herdbook_collector::registry::node::HostEdit;
use herdbook_shared::ids::HostId;

use super::fill::{self, Models};
use super::{Figure, ns_a_call};

const ROUNDS: usize = 15;

pub(super) fn measure(n_services: usize) -> Vec<Figure> {
    let registry = fill::registry(n_services, Models::Common(5));
    let of = |what: &str| format!("graph of {n_services} services of 5 models, {what}");
    let graph = registry.graph();
    let calls = [(); 10_000];
    let shared = ns_a_call(&calls, ROUNDS, |()| drop(black_box(graph.clone())));
    let kept = ns_a_call(&calls, ROUNDS, |()| drop(black_box(registry.graph())));
    let copied = ns_a_call(&[()], ROUNDS, |()| drop(black_box(graph.json.to_vec())));
    let mut n = 0;
    let encoded = ns_a_call(&[()], ROUNDS, |()| {
        n += 1;
        rename(&registry, n);
        black_box(registry.graph());
    });
    let at_most = None;
    vec![
        Figure { what: of("kept"), value: kept, unit: "ns", raw: Some(shared), at_most },
        Figure {
            what: of("encoded anew"),
            value: encoded / 1e6,
            unit: "ms",
            raw: Some(copied / 1e6),
            at_most,
        },
    ]
}

/// Has one host play another role, which the graph shows.
fn rename(registry: &Registry, n: usize) {
    let edit = HostEdit { role: Some(Some(format!("role-{n}"))), ..HostEdit::default() };
    let host = HostId::from_text(&fill::host_id(0));
    let changed = registry.patch_hosts(&[host], &edit, Moment::now());
    assert_eq!(changed.len(), 1, "a host");
}
