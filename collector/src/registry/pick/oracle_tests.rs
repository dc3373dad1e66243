//! Whatever a fleet is like: what is picked can be used, stands before all others, and is the same
//! when it is asked again.

use std::sync::Arc;

use proptest::prelude::*;

use crate::registry::service::ServiceStatus;

use super::fleet::*;

/// How the service of one host is.
#[derive(Clone, Copy, Debug)]
struct Made {
    status: ServiceStatus,
    drains: [bool; 2],
    is_unconfirmed: bool,
    is_warm: bool,
    used: Option<u64>,
    priority: i32,
    pending: u64,
    latency_ms: Option<u64>,
}

fn made() -> impl Strategy<Value = Made> {
    let status = prop_oneof![
        4 => Just(ServiceStatus::Healthy),
        1 => Just(ServiceStatus::Degraded),
        1 => Just(ServiceStatus::Unhealthy),
        1 => Just(ServiceStatus::Unknown),
        1 => Just(ServiceStatus::Down),
    ];
    let is_rare = || prop::bool::weighted(0.15);
    let used = prop_oneof![Just(Some(0)), Just(Some(95)), Just(None)];
    let latency = prop::option::of(0..3u64);
    (status, is_rare(), is_rare(), is_rare(), any::<bool>(), used, 0..2i32, 0..2u64, latency)
        .prop_map(|(status, own, host, is_unconfirmed, is_warm, used, priority, pending, ms)| {
            let (drains, latency_ms) = ([own, host], ms);
            Made { status, drains, is_unconfirmed, is_warm, used, priority, pending, latency_ms }
        })
}

fn fleet_of(all: &[Made]) -> Fleet {
    let fleet = Fleet::new();
    for (n, made) in (1..).zip(all) {
        let opened = fleet.host(n, &[small("m", made.is_warm)]);
        fleet.sample(&opened, n, made.used);
        fleet.edit(n, |entry| {
            entry.status = made.status;
            entry.unconfirmed = made.is_unconfirmed;
            let facts = Arc::make_mut(&mut entry.facts);
            facts.drain = made.drains[0];
            facts.priority = made.priority;
        });
        fleet.drain_host(n, made.drains[1]);
        let live = &fleet.entry(n).live;
        for _ in 0..made.pending {
            live.begin_request();
        }
        if let Some(ms) = made.latency_ms {
            live.write_latency(ms);
        }
    }
    fleet
}

/// The same order, told another way: by sorting all that can be used.
fn expected(all: &[Made]) -> Vec<String> {
    let is_usable = |made: &Made| {
        matches!(made.status, ServiceStatus::Healthy | ServiceStatus::Degraded)
            && made.drains == [false; 2]
    };
    let room = |made: &Made| match made.used {
        _ if made.is_warm => 0,
        Some(used) if used + 12 <= 100 => 0,
        None => 1,
        Some(_) => 2,
    };
    let mut usable: Vec<_> = (1u8..).zip(all).filter(|(_, made)| is_usable(made)).collect();
    usable.sort_by_key(|(n, made)| {
        let is_degraded = made.status == ServiceStatus::Degraded;
        let latency = made.latency_ms.map_or(-1, u64::cast_signed);
        let first = (made.is_unconfirmed, is_degraded, !made.is_warm, room(made));
        (first, -made.priority, made.pending, latency, id(*n))
    });
    usable.into_iter().map(|(n, _)| id(n)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_first_four_of_all_that_can_be_used_are_picked(
        all in prop::collection::vec(made(), 1..12),
    ) {
        let fleet = fleet_of(&all);
        let expected = expected(&all);
        let Ok(picked) = fleet.registry.pick(&model_m()) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        prop_assert_eq!(ids(&picked), &expected[..expected.len().min(4)]);
        prop_assert_eq!(picked.n_considered, all.len());
        prop_assert_eq!(picked.rejected.len(), all.len() - expected.len());
        let again = fleet.pick(&model_m());
        prop_assert_eq!(ids(&again), ids(&picked));
        prop_assert_eq!(again.rejected, picked.rejected);
    }
}
