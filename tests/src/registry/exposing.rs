//! How long all series of a fleet take to be written, and how large they are.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use herdbook_collector::config::Liveness;
use herdbook_collector::metrics::exposition::Exposition;
use herdbook_collector::metrics::fleet::Fleet;
use herdbook_collector::metrics::models::Told;
use herdbook_collector::registry::Registry;
use herdbook_collector::registry::arrive::Link;
use herdbook_collector::registry::moment::Moment;
use herdbook_shared::ids::HostId;
use tokio_util::sync::CancellationToken;

use crate::swarm::SimulatedHost;

use super::{Figure, ns_a_call};

const ROUNDS: usize = 5;

pub(super) fn measure(n_hosts: u64) -> Vec<Figure> {
    let registry = Registry::new(Liveness::default());
    (0..n_hosts).for_each(|seed| join(&registry, SimulatedHost::from_seed(seed).having(2, 5)));
    let text = written(&registry).concat();
    let n_series = text.iter().filter(|byte| **byte == b'\n').count();
    let copied = ns_a_call(&[()], ROUNDS, |()| drop(black_box(text.clone())));
    let all = ns_a_call(&[()], ROUNDS, |()| drop(black_box(written(&registry))));
    let largest = written(&registry).iter().map(Vec::len).max().unwrap_or_default();
    let what = format!("all series of {n_hosts} hosts with 2 GPUs and 5 models");
    let figure = |what: String, value: f64, unit, raw| {
        let at_most = None;
        Figure { what, value, unit, raw, at_most }
    };
    vec![
        figure(format!("{what}, {n_series} lines"), all / 1e6, "ms", Some(copied / 1e6)),
        figure(format!("{what}, size"), text.len() as f64 / 1e6, "MB", None),
        figure(format!("{what}, at once in memory"), largest as f64 / 1e3, "kB", None),
    ]
}

fn written(registry: &Registry) -> Vec<Vec<u8>> {
    let snapshot = registry.snapshot(Moment::now());
    let told = Told::over(snapshot.services.iter().map(AsRef::as_ref));
    let (hosts, services) = (snapshot.hosts, snapshot.services);
    let mut exposition = Exposition::new(Fleet { own: None, hosts, services, told });
    std::iter::from_fn(|| exposition.piece()).collect()
}

fn join(registry: &Registry, mut host: SimulatedHost) {
    let id = HostId::from_text(&host.host_id);
    let remote_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (local_address, superseded) = (None, CancellationToken::new());
    let link = Link { remote_address, local_address, superseded };
    let opened = registry.open_session(&id, &host.hello(), link, Moment::now());
    let opened = opened.expect("room for a host");
    let (id, session) = (&opened.host_id, &opened.session.id);
    let applied = registry.apply_inventory(id, session, host.inventory(), Moment::now());
    applied.expect("a session that is current");
    let taken = registry.record_sample(id, session, host.sample(), Moment::now());
    taken.expect("a session that is current");
}
