//! Leases among many services, and many leases: the lock is held for little of it, and what is
//! promised stays.

use std::sync::Barrier;

use crate::registry::pick::fleet::*;

use super::*;

/// One more than are chosen among with the lock.
const N_HOSTS: u8 = LOCKED_MAX as u8 + 1;
const TTL: Duration = Duration::from_secs(TTL_S);

fn all() -> Fleet {
    Fleet::with_cold(&(1..=N_HOSTS).collect::<Vec<_>>())
}

fn take(fleet: &Fleet) -> Taken {
    let moment = fleet.clock.moment();
    fleet.registry.take_lease(&Target::Best, &model_m(), TTL, moment).unwrap()
}

#[test]
fn among_many_each_router_sees_what_the_others_took() {
    let (fleet, n_routers) = (all(), 8);
    let start = Barrier::new(n_routers);
    std::thread::scope(|scope| {
        for _ in 0..n_routers {
            scope.spawn(|| {
                start.wait();
                (0..2 * usize::from(N_HOSTS) / n_routers).for_each(|_| drop(take(&fleet)));
            });
        }
    });
    let n_taken = 2 * usize::from(N_HOSTS) / n_routers * n_routers;
    let pending: Vec<u64> = (1..=N_HOSTS).map(|n| fleet.entry(n).live.pending()).collect();
    assert_eq!(pending.iter().sum::<u64>(), n_taken as u64);
    assert!(pending.iter().all(|n| (1..=2).contains(n)), "{pending:?}");
}

#[test]
fn what_was_chosen_before_others_took_is_held_against_what_they_took() {
    let fleet = all();
    let (wanted, services) = (model_m(), fleet.registry.candidates(&model_m()));
    let before = fleet.registry.leases.reserved();
    let short = fleet.registry.shortlist(&services, &wanted, &before).unwrap();
    let again = || {
        let reserved = fleet.registry.leases.reserved();
        let chosen = fleet.registry.pick_again(&short, &wanted, &reserved);
        chosen.map(|chosen| chosen.entry.id.to_string())
    };
    let best: Vec<String> = (0..4).map(|_| take(&fleet).service.entry.id.to_string()).collect();
    assert_eq!(again(), None, "all four have a request by now, and others have none");
    fleet.registry.service(&best[2]).unwrap().live.end_request();
    assert_eq!(again().as_ref(), Some(&best[2]));
    // A GPU that is full by now is no place for it either.
    let third = fleet.registry.service(&best[2]).unwrap();
    let filled = Wanted { vram_bytes: Some(95), ..Wanted::default() };
    let this = Target::Service(best[2].clone());
    fleet.registry.take_lease(&this, &filled, TTL, fleet.clock.moment()).unwrap();
    third.live.end_request();
    assert_eq!(again(), None);
}

#[test]
fn of_few_the_shortlist_is_all_there_is() {
    let fleet = Fleet::with_cold(&[1, 2]);
    let (wanted, services) = (model_m(), fleet.registry.candidates(&model_m()));
    let reserved = fleet.registry.leases.reserved();
    let short = fleet.registry.shortlist(&services, &wanted, &reserved).unwrap();
    (0..5).for_each(|_| drop(take(&fleet)));
    let chosen = fleet.registry.pick_again(&short, &wanted, &reserved).unwrap();
    assert_eq!(chosen.entry.id.as_str(), id(2));
}

#[test]
fn leases_come_in_pages_from_behind_any_place() {
    let fleet = Fleet::with_cold(&[1]);
    (0..5).for_each(|_| drop(take(&fleet)));
    let after = |id: Option<&str>, max| -> Vec<String> {
        let leases = fleet.registry.leases_after(id, max, fleet.clock.moment());
        leases.iter().map(|lease| lease.id.to_string()).collect()
    };
    let all = after(None, 10);
    assert_eq!(all.len(), 5);
    assert_eq!(after(None, 2), all[..2]);
    assert_eq!(after(Some(&all[1]), 2), all[2..4]);
    // Whatever is no id of a lease has its place among the ids all the same.
    let end = all[2].len();
    let last_longer = format!("{}-more", all[2]);
    let odd =
        ["", "-", "~", &all[2][..end - 1], &all[2][..4], &last_longer, &all[2].to_uppercase()];
    for cursor in odd {
        let expected: Vec<_> = all.iter().filter(|id| id.as_str() > cursor).cloned().collect();
        assert_eq!(after(Some(cursor), 10), expected, "{cursor}");
    }
}
