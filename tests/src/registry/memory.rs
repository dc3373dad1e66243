//! What a service takes in memory, its place in all indexes included.

use herdbook_collector::registry::moment::Moment;

use super::Figure;
use super::counting::held_bytes;
use super::fill::{self, Models};

const N_SERVICES: usize = 10_000;

pub(super) fn measure() -> Vec<Figure> {
    let figure = |what: &str, models, at_most| Figure {
        what: format!("memory of a service with {what}"),
        value: bytes_a_service(models),
        unit: "B",
        raw: None,
        at_most,
    };
    vec![
        figure("no model", Models::Common(0), None),
        figure("5 of a fleet's 300 models", Models::Common(5), Some(4.0 * 1024.0)),
        figure("40 of a fleet's 300 models", Models::Common(40), Some(10.0 * 1024.0)),
        figure("5 models of its own", Models::Own(5), Some(4.0 * 1024.0)),
        figure("40 models of its own", Models::Own(40), Some(10.0 * 1024.0)),
    ]
}

fn bytes_a_service(models: Models) -> f64 {
    let (registry, docs) = fill::hosts_alone(N_SERVICES, models);
    let before = held_bytes();
    assert_eq!(registry.restore(&[], &docs, Moment::now()), 0, "documents of services");
    let held = held_bytes().saturating_sub(before);
    assert_eq!(registry.services().len(), N_SERVICES, "services");
    held as f64 / N_SERVICES as f64
}
