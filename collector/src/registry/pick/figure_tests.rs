//! What a pick costs in process. Run by hand, with optimisation:
//! `cargo test --release -p herdbook-collector --lib figure -- --ignored --nocapture`

use std::hint::black_box;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use tokio::time::Instant;

use crate::registry::change::ChangeKind;
use crate::registry::host::HostEntry;

use super::fleet::*;

/// `n` hosts, each with a service that has `m`, every tenth of them warm.
fn fleet_of(n: usize) -> Fleet {
    let fleet = Fleet::with_cold(&[1]);
    let warm = fleet.host(2, &[small("m", true)]);
    let host = fleet.registry.host(warm.host_id.as_str()).unwrap();
    let (cold, warm) = (fleet.entry(1), fleet.entry(2));
    for i in 0..n {
        let id = HostId::from_text(&format!("host-{i:05}"));
        let mut entry = (*if i % 10 == 0 { &warm } else { &cold }).as_ref().clone();
        entry.id = ServiceId::from_text(&format!("many-{i:05}:11434"));
        entry.live = Arc::default();
        Arc::make_mut(&mut entry.facts).host_id = Some(id.clone());
        let mut transaction = fleet.registry.transaction(fleet.clock.moment());
        let host = HostEntry { id, ..(*host).clone() };
        transaction.put_host(host, ChangeKind::HostRegistered, None);
        transaction.put_service(entry, ChangeKind::ServiceRegistered, None);
    }
    fleet
}

#[test]
#[ignore = "a figure, not a test"]
fn figure_of_a_pick() {
    for n in [10, 100, 1_000, 10_000] {
        let fleet = fleet_of(n);
        let (wanted, rounds) = (model_m(), 200_000 / n);
        let started = Instant::now();
        for _ in 0..rounds {
            black_box(fleet.registry.pick(&wanted).unwrap());
        }
        let us = started.elapsed().as_secs_f64() * 1e6 / rounds as f64;
        println!(
            "{n:6} candidates: {us:9.1} us a pick, {:6.0} ns a candidate",
            us * 1e3 / n as f64
        );
    }
}
