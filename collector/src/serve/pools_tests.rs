//! Rows for what must hold, and any order of comings and goings for the bounds.

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds =
    Bounds { of_network: 2, strangers: 4, connections: 100, hosts: 3, of_principal: 2 };
const SPARED: Duration = limits::STRANGER_SPARED_FOR;

fn network(n: u8) -> Option<Network> {
    Some(Network::V4([192, 0, n]))
}

/// The one host of a network.
fn from(n: u8) -> Peer {
    Peer { address: IpAddr::from([192, 0, n, 1]), network: network(n) }
}

fn nowhere() -> Peer {
    Peer { address: IpAddr::from([127, 0, 0, 1]), network: None }
}

fn host(n: u8) -> Fingerprint {
    Fingerprint::of_digest([n; 32])
}

fn at(begin: Instant, ms: u64) -> Instant {
    begin + Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_full_network_loses_its_oldest_and_no_other_network_loses_any() {
    let (mut pools, begin) = (Pools::new(BOUNDS), Instant::now());
    let other = pools.admit(from(2), begin).unwrap();
    let first = pools.admit(from(1), begin).unwrap();
    let second = pools.admit(from(1), at(begin, 10)).unwrap();
    assert!(pools.admit(from(1), at(begin, 999)).is_none(), "nobody is old enough to go");
    let third = pools.admit(from(1), at(begin, 1000)).unwrap();
    assert!(third.has_replaced && first.leave.is_cancelled());
    assert!(!second.leave.is_cancelled() && !other.leave.is_cancelled());
    assert_eq!(pools.n_strangers(), 3);
}

#[tokio::test(start_paused = true)]
async fn over_all_networks_the_oldest_goes() {
    let (mut pools, begin) = (Pools::new(BOUNDS), Instant::now());
    let strangers: Vec<_> =
        (0..4).map(|n| pools.admit(from(n), at(begin, n.into())).unwrap()).collect();
    let newcomer = pools.admit(from(9), begin + SPARED).unwrap();
    assert!(newcomer.has_replaced && strangers[0].leave.is_cancelled());
    assert!(strangers[1..].iter().all(|stranger| !stranger.leave.is_cancelled()));
    assert!(
        pools.admit(nowhere(), begin + SPARED).is_none(),
        "of loopback, the bound over all counts"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_opens_many_crowds_out_itself_and_not_its_neighbours() {
    let bounds = Bounds { of_network: 4, strangers: 5, ..BOUNDS };
    let (mut pools, begin) = (Pools::new(bounds), Instant::now());
    let neighbour = |last: u8| Peer { address: IpAddr::from([192, 0, 1, last]), ..from(1) };
    let many: Vec<_> = (0..4).map(|_| pools.admit(neighbour(1), begin).unwrap()).collect();
    let few = pools.admit(neighbour(2), begin).unwrap();
    assert!(few.has_replaced && many[0].leave.is_cancelled(), "new as it is");
    assert!(pools.admit(neighbour(1), begin).is_none(), "nobody of its own is old enough to go");
    let mut now = begin;
    for _ in 0..9 {
        now += SPARED;
        assert!(pools.admit(neighbour(1), now).unwrap().has_replaced);
    }
    assert!(!few.leave.is_cancelled(), "the oldest by now, and of an address that has one");
    // The same over all networks.
    let other = pools.admit(from(2), now).unwrap();
    let (far, on_this_machine) = (pools.admit(from(3), now), nowhere());
    assert!(far.unwrap().has_replaced);
    assert!(pools.admit(on_this_machine, now).is_some_and(|one| one.has_replaced));
    assert!(!few.leave.is_cancelled() && !other.leave.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn one_principal_has_so_many_that_are_spared_and_the_rest_are_strangers() {
    let (mut pools, begin) = (Pools::new(BOUNDS), Instant::now());
    let all: Vec<_> = (0..3).map(|n| pools.admit(from(n), begin).unwrap()).collect();
    all.iter().for_each(|one| pools.vouch_for(one.id, &"token a"));
    all.iter().for_each(|one| pools.vouch_for(one.id, &"token a"));
    assert_eq!(pools.n_strangers(), 1, "and twice by one connection counts once");
    pools.vouch_for(all[2].id, &"token b");
    assert_eq!(pools.n_strangers(), 0);
    pools.leave(all[0].id);
    let again = pools.admit(from(1), begin).unwrap();
    pools.vouch_for(again.id, &"token a");
    assert_eq!(pools.n_strangers(), 0, "one that is closed makes room");
    [all[1].id, all[2].id, again.id].into_iter().for_each(|id| pools.leave(id));
    assert!(pools.principals.is_empty() && pools.vouched.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_vouched_for_takes_no_room_and_is_spared() {
    let (mut pools, begin) = (Pools::new(BOUNDS), Instant::now());
    let (first, second) = (pools.admit(from(1), begin), pools.admit(from(1), begin));
    let (first, second) = (first.unwrap(), second.unwrap());
    pools.vouch(first.id);
    for n in 0..5 {
        pools.admit(from(1), at(begin, 2000 * n)).unwrap();
    }
    assert!(!first.leave.is_cancelled() && second.leave.is_cancelled());
    // Whoever had to go cannot be vouched for any more.
    pools.vouch(second.id);
    pools.leave(second.id);
    pools.leave(first.id);
    assert_eq!(pools.n_strangers(), 2);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_are_known_make_room_where_they_come_from() {
    let (mut pools, begin) = (Pools::new(BOUNDS), Instant::now());
    for (n, from) in [(1, 1), (1, 1), (2, 2), (2, 1)] {
        pools.know(host(n), network(from));
    }
    for _ in 0..4 {
        assert!(!pools.admit(from(1), begin).unwrap().has_replaced);
    }
    assert!(pools.admit(from(1), begin).is_none());
    for _ in 0..2 {
        assert!(!pools.admit(from(3), begin).unwrap().has_replaced);
    }
    // An address that has none goes before one that has four.
    let seventh = pools.admit(from(4), begin).unwrap();
    assert!(seventh.has_replaced, "four and two hosts in all");
    pools.forget(&host(1));
    pools.forget(&host(1));
    assert!(pools.admit(from(1), begin + SPARED).unwrap().has_replaced);
    for n in 10..20 {
        pools.know(host(n), network(1));
    }
    assert_eq!(pools.hosts.len(), BOUNDS.hosts, "what is remembered has a bound");
}

#[tokio::test(start_paused = true)]
async fn strangers_never_take_the_room_of_those_who_are_vouched_for() {
    let bounds =
        Bounds { connections: 5, strangers: 50, of_network: 50, hosts: 3, of_principal: 100 };
    let (mut pools, begin) = (Pools::new(bounds), Instant::now());
    for _ in 0..3 {
        pools.admit_vouched();
    }
    pools.admit(from(1), begin).unwrap();
    assert!(pools.admit(from(2), begin).is_none());
    assert!(pools.admit(from(2), begin + SPARED).unwrap().has_replaced);
}

#[derive(Clone, Debug)]
enum Step {
    Admit(Option<u8>),
    Vouch(usize),
    Leave(usize),
    Know(u8, Option<u8>),
    Forget(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::option::of(0..4_u8).prop_map(Step::Admit),
        2 => (0..64_usize).prop_map(Step::Vouch),
        2 => (0..64_usize).prop_map(Step::Leave),
        1 => (0..6_u8, proptest::option::of(0..4_u8)).prop_map(|(host, from)| Step::Know(host, from)),
        1 => (0..6_u8).prop_map(Step::Forget),
        2 => (0..1500_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn no_bound_is_ever_passed_and_nothing_is_left_behind(
        steps in proptest::collection::vec(step(), 0..200)
    ) {
        // The clock of a runtime is not needed: time comes in.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let (mut pools, mut now) = (Pools::new(BOUNDS), Instant::now());
        let mut there: Vec<Admitted> = Vec::new();
        for step in steps {
            match step {
                Step::Admit(from) => {
                    let network = from.and_then(network);
                    let last = u8::try_from(pools.n_strangers() % 3).unwrap();
                    let peer = Peer { network, address: IpAddr::from([192, 0, 2, last]) };
                    let n_before = pools.n_strangers();
                    let admitted = pools.admit(peer, now);
                    let grew = pools.n_strangers() - n_before.min(pools.n_strangers());
                    let expected = admitted.as_ref().is_some_and(|admitted| !admitted.has_replaced);
                    prop_assert_eq!(grew == 1, expected);
                    there.extend(admitted);
                }
                Step::Vouch(n) if n < there.len() => pools.vouch(there[n].id),
                Step::Leave(n) if n < there.len() => pools.leave(there.swap_remove(n).id),
                Step::Know(n, from) => pools.know(host(n), from.and_then(network)),
                Step::Forget(n) => pools.forget(&host(n)),
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Vouch(_) | Step::Leave(_) => {}
            }
            prop_assert!(pools.hosts.len() <= BOUNDS.hosts);
            prop_assert!(pools.strangers.len() <= BOUNDS.strangers + BOUNDS.hosts);
            prop_assert_eq!(pools.strangers.len(), pools.sources.len());
            let has_network = |one: &&Stranger| one.peer.network.is_some();
            let with_network = pools.strangers.values().filter(has_network).count();
            let n_crowded: usize = pools.networks.values().map(|crowd| crowd.strangers.len()).sum();
            prop_assert_eq!(with_network, n_crowded);
            let known = pools.hosts.values().flatten().count();
            prop_assert_eq!(known, pools.networks.values().map(|crowd| crowd.n_hosts).sum::<usize>());
        }
        for one in there {
            pools.leave(one.id);
        }
        for n in 0..6 {
            pools.forget(&host(n));
        }
        prop_assert!(pools.strangers.is_empty() && pools.vouched.is_empty());
        prop_assert!(pools.sources.is_empty());
        prop_assert!(pools.networks.is_empty() && pools.hosts.is_empty());
    }
}
