//! How long it takes to pick a service of those that have a model, and to take a lease on it.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdbook_collector::config::Liveness;
use herdbook_collector::registry::Registry;
use herdbook_collector::registry::arrive::Link;
use herdbook_collector::registry::lease::{Outcome, Target};
use herdbook_collector::registry::moment::Moment;
use herdbook_collector::registry::pick::Wanted;
use herdbook_collector::registry::service::ServiceEntry;
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::inventory::{Inventory, Model, ServiceState};
use tokio_util::sync::CancellationToken;

use crate::swarm::host::SimulatedHost;

use super::{Figure, ns_a_call};

const ROUNDS: usize = 31;
/// Hosts, each with an Ollama and two GPUs.
const N_HOSTS: usize = 10_000;
/// How many services have one model, and how long it may take to pick among them, microseconds.
const WIDTHS: [(usize, Option<f64>); 4] =
    [(10, Some(3.0)), (100, Some(15.0)), (1_000, Some(150.0)), (10_000, None)];
/// How many of them have a model that is in memory nowhere.
const N_COLD: usize = 100;
const COLD: &str = "cold";
const TTL: Duration = Duration::from_secs(300);

type ByModel = HashMap<String, Vec<Arc<ServiceEntry>>>;

pub(super) fn measure() -> Vec<Figure> {
    let registry = registry();
    let by_model = raw(&registry);
    let mut figures = Vec::new();
    for (width, at_most) in WIDTHS {
        let what = format!("pick among {width} services");
        figures.push(picked(&registry, &by_model, &name(width), what, at_most));
    }
    let what = format!("pick among {N_COLD} services, nowhere in memory");
    figures.push(picked(&registry, &by_model, COLD, what, None));
    figures.extend([10, 1_000].map(|width| leased(&registry, &by_model, width)));
    figures
}

fn name(width: usize) -> String {
    format!("had-by-{width}:8b")
}

/// Hosts that are heard. Of the services that have one model, every tenth has it in memory, and
/// every tenth hangs; they have up to four requests in flight.
fn registry() -> Registry {
    let registry = Registry::new(Liveness::default());
    (0..N_HOSTS).for_each(|n| connect(&registry, n));
    registry
}

fn connect(registry: &Registry, n: usize) {
    let mut host = SimulatedHost::from_seed(n as u64).having(2, 4);
    let [_, high, middle, low] = (n as u32).to_be_bytes();
    let remote_address = IpAddr::V4(Ipv4Addr::new(10, high, middle, low));
    let (local_address, superseded) = (None, CancellationToken::new());
    let link = Link { remote_address, local_address, superseded };
    let id = HostId::from_text(&host.host_id);
    let opened = registry.open_session(&id, &host.hello(), link, Moment::now());
    let opened = opened.expect("room for a host");
    let (id, session) = (&opened.host_id, &opened.session.id);
    let taken = registry.record_sample(id, session, host.sample(), Moment::now());
    taken.expect("a session that is current");
    let taken = registry.apply_inventory(id, session, inventory(&host, n), Moment::now());
    taken.expect("a session that is current");
    for service in registry.host(id.as_str()).expect("a host").services.iter() {
        let live = registry.service(service.as_str()).expect("a service").live.clone();
        for _ in 0..fastrand::u64(0..5) {
            live.begin_request();
        }
    }
}

fn inventory(host: &SimulatedHost, n: usize) -> Inventory {
    let mut inventory = host.inventory();
    let server = inventory.services.first_mut().expect("an Ollama");
    server.address = "0.0.0.0".to_owned();
    // The widest name is everywhere, so its count tells the state of the service.
    for (width, _) in WIDTHS {
        let every = N_HOSTS / width;
        if n.is_multiple_of(every) {
            server.models.push(model(&name(width), (n / every) % 10 == 4));
        }
        if n.is_multiple_of(every) && (n / every) % 10 == 7 {
            server.state = ServiceState::Hung;
        }
    }
    if n.is_multiple_of(N_HOSTS / N_COLD) {
        server.models.push(model(COLD, false));
    }
    inventory
}

fn model(name: &str, warm: bool) -> Model {
    Model {
        name: name.to_owned(),
        digest: Some(format!("{name:0>64}")),
        size_bytes: Some(4_920_753_328),
        context_length: Some(131_072),
        capabilities: vec!["completion".to_owned(), "tools".to_owned()],
        warm,
        vram_bytes: warm.then_some(6_654_289_920),
        ..Model::default()
    }
}

/// A map that nobody may change meanwhile.
fn raw(registry: &Registry) -> ByModel {
    let mut by_model = ByModel::new();
    for entry in registry.services() {
        for model in entry.facts.models.iter() {
            by_model.entry(model.name.to_string()).or_default().push(Arc::clone(&entry));
        }
    }
    by_model
}

/// The least that picks: whoever has the fewest requests in flight, whatever else holds.
fn least_pending(by_model: &ByModel, model: &str) -> Arc<ServiceEntry> {
    let least = by_model[model].iter().min_by_key(|entry| entry.live.pending());
    Arc::clone(least.expect("a service"))
}

fn picked(
    registry: &Registry,
    by_model: &ByModel,
    model: &str,
    what: String,
    at_most: Option<f64>,
) -> Figure {
    let wanted = Wanted { model: Some(model.to_owned()), ..Wanted::default() };
    let found = registry.pick(&wanted).expect("a service");
    assert_eq!(found.alternatives.len(), 3, "alternatives");
    assert!(!found.rejected.is_empty(), "nothing is rejected");
    let calls = vec![(); (40_000 / found.n_considered).max(4)];
    let raw = ns_a_call(&calls, ROUNDS, |()| drop(black_box(least_pending(by_model, model))));
    let value = ns_a_call(&calls, ROUNDS, |()| drop(black_box(registry.pick(&wanted))));
    Figure { what, value: value / 1e3, unit: "µs", raw: Some(raw / 1e3), at_most }
}

fn leased(registry: &Registry, by_model: &ByModel, width: usize) -> Figure {
    let model = name(width);
    let wanted = Wanted { model: Some(model.clone()), ..Wanted::default() };
    let calls = vec![(); (40_000 / width).max(4)];
    let out: Mutex<HashMap<u64, Arc<ServiceEntry>>> = Mutex::default();
    let raw = ns_a_call(&calls, ROUNDS, |()| {
        let entry = least_pending(by_model, &model);
        entry.live.begin_request();
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        out.insert(1, entry);
        out.remove(&1).expect("a lease").live.end_request();
    });
    let value = ns_a_call(&calls, ROUNDS, |()| {
        let taken = registry.take_lease(&Target::Best, &wanted, TTL, Moment::now());
        let id = taken.expect("a lease").lease.id.to_string();
        registry.give_back(&id, Outcome::Failed, Moment::now()).expect("it is out");
    });
    let what = format!("lease among {width} services, taken and given back");
    Figure { what, value: value / 1e3, unit: "µs", raw: Some(raw / 1e3), at_most: None }
}
