//! How long one tick of the sweep takes over many hosts of which none has anything to be said of.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use herdbook_collector::config::Liveness;
use herdbook_collector::registry::Registry;
use herdbook_collector::registry::arrive::Link;
use herdbook_collector::registry::moment::Moment;
use herdbook_collector::sweep::Sweep;
use herdbook_shared::ids::{HostId, InstanceId};
use herdbook_shared::wire::hello::{Hello, ProtocolRange};
use herdbook_shared::wire::sample::Sample;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::swarm::usage::median;

use super::Figure;
use super::{fill, ns};

const TICKS: usize = 21;

pub(super) fn measure(n_hosts: usize) -> Vec<Figure> {
    let registry = Registry::new(Liveness::default());
    let docs: Vec<String> = (0..n_hosts).map(fill::host_doc).collect();
    assert_eq!(registry.restore(&docs, &[], Moment::now()), 0, "documents of hosts");
    let figure = |what: &str, (value, raw), at_most| Figure {
        what: format!("sweep of {n_hosts} hosts, {what}"),
        value,
        unit: "ms",
        raw: Some(raw),
        at_most,
    };
    let unheard = ticks(&registry);
    (0..n_hosts).for_each(|n| connect(&registry, n));
    let online = ticks(&registry);
    vec![
        figure("all online", online, Some(5.0)),
        figure("none heard since the start", unheard, None),
    ]
}

/// A tick, and the least that finds who is silent: all deadlines side by side. Milliseconds.
fn ticks(registry: &Registry) -> (f64, f64) {
    let mut sweep = Sweep::new(registry.liveness().clone(), Instant::now());
    let mut tick = || {
        let begun = Instant::now();
        sweep.tick(registry, Moment::now());
        ns(begun.elapsed()) / 1e6
    };
    tick();
    let ticked = median((0..TICKS).map(|_| tick()).collect());
    let heard: Vec<u64> = registry.hosts().iter().map(|host| host.live.heard_ms()).collect();
    let raw = median((0..TICKS).map(|_| scan(&heard)).collect());
    (ticked, raw)
}

fn scan(heard: &[u64]) -> f64 {
    let begun = Instant::now();
    black_box(black_box(heard).iter().filter(|heard_ms| **heard_ms > u64::MAX / 2).count());
    ns(begun.elapsed()) / 1e6
}

fn connect(registry: &Registry, n: usize) {
    let host_id = HostId::from_text(&fill::host_id(n));
    let hello = Hello {
        protocol: ProtocolRange { min: 1, max: 1 },
        capabilities: Vec::new(),
        host_id: host_id.to_string(),
        instance_id: InstanceId::random(),
        boot_id: String::new(),
        agent_version: "0.1.0".to_owned(),
        name: format!("gpu-{n:05}"),
        role: "worker".to_owned(),
        labels: Default::default(),
        sample_interval_ms: 1000,
        proof: None,
    };
    let remote_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (local_address, superseded) = (None, CancellationToken::new());
    let link = Link { remote_address, local_address, superseded };
    let opened = registry.open_session(&host_id, &hello, link, Moment::now());
    let opened = opened.expect("room for a host");
    let (id, session) = (&opened.host_id, &opened.session.id);
    let taken = registry.record_sample(id, session, Sample::default(), Moment::now());
    taken.expect("a session that is current");
}
