//! Five thousand sockets that dribble: whoever is enrolled loses nothing, a newcomer still gets in, and
//! what they take of the collector is bounded and comes back.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herdbook_tests::harness::{Rest, eventually, throughout};
use herdbook_tests::hostile::dribble::{Dribbled, dribble};
use herdbook_tests::hostile::namespace::is_inside;
use herdbook_tests::hostile::{House, Member};
use herdbook_tests::swarm::SimulatedHost;
use tokio::time::Instant;

use crate::hostile_herd::Herd;
use crate::soak::say;

const N_KNOWN: u32 = 50;
const N_SOCKETS: usize = 5_000;
const SPAN: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(30);
/// In which a new host has to get in.
const JOINS_WITHIN: Duration = Duration::from_secs(10);
/// In which a person has an answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Connections of strangers from one network, and in all, beside those of known hosts.
const OF_NETWORK: usize = 64;
const IN_ALL: usize = 1_024;
/// What else comes and goes: the story's own questions, files of the store, and connections that are
/// being closed.
const OTHERS: usize = 64;

/// The first is the collector's; the others attack, all of one /24.
fn addresses(n: u8) -> Vec<Ipv4Addr> {
    (1..=n).map(|last| Ipv4Addr::new(10, 77, 0, last)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_dribble_from_one_network_starve_nobody_in_it() {
    let all = addresses(9);
    let with_prefix: Vec<String> = all.iter().map(|address| format!("{address}/24")).collect();
    let story = "hostile_slowloris::sockets_that_dribble_from_one_network_starve_nobody_in_it";
    if is_inside(story, &with_prefix) {
        let from: Vec<IpAddr> = all[1..].iter().map(|address| IpAddr::V4(*address)).collect();
        let bound = OF_NETWORK + N_KNOWN as usize + 1;
        starves_nobody(House::start_on(all[0]).await, &from, bound, "one network").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_dribble_from_this_machine_starve_nobody() {
    let from: Vec<IpAddr> =
        (1..=100).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 7, last))).collect();
    let bound = IN_ALL + N_KNOWN as usize + 1;
    starves_nobody(House::start().await, &from, bound, "loopback").await;
}

/// `bound` is how many strangers there may be.
async fn starves_nobody(mut house: House, from: &[IpAddr], bound: usize, whence: &str) {
    let herd = Herd::start(&house, N_KNOWN).await;
    let newcomer = SimulatedHost::from_seed(999);
    let newcomer = Member::new(newcomer, &house.join_line(1).await, house.dir());
    let (open_before, rss_before) = (house.n_open(), house.rss_kib());

    let (dribbled, began) = (Arc::<Dribbled>::default(), Instant::now());
    let sockets = dribble(house.tls(), from, N_SOCKETS, &dribbled);
    let (mut most_open, mut slowest) = (0, Duration::ZERO);
    let rest = Rest::new(&format!("http://{}", house.plain()));
    let mut watch = async || {
        most_open = most_open.max(house.n_open());
        let asked = Instant::now();
        let answer = rest.try_get("/healthz").await.map_err(|error| format!("{error:?}"))?;
        slowest = slowest.max(asked.elapsed());
        if slowest > ANSWERS_WITHIN || answer.0 != 200 {
            return Err(format!("{answer:?} after {slowest:?}"));
        }
        if most_open > open_before + bound + OTHERS {
            return Err(format!("{most_open} open, {open_before} before"));
        }
        herd.is_well(&house).await
    };
    throughout("nobody starves", SPAN / 2, &mut watch).await;
    let (joins, mut n_tries) = (Instant::now(), 0);
    eventually("the newcomer is in", JOINS_WITHIN, async || {
        n_tries += 1;
        newcomer.connect().await.map(drop).map_err(|end| format!("try {n_tries}: {end:?}"))
    })
    .await;
    let joined_after = joins.elapsed();
    throughout("nobody starves", SPAN / 2, &mut watch).await;
    let n_made = dribbled.made.load(Ordering::Relaxed);
    assert!(n_made >= N_SOCKETS as u64, "only {n_made} connections were made");

    drop(sockets);
    let mut open_after = 0;
    eventually("all is given back", SOON, async || {
        open_after = house.n_open();
        if open_after <= open_before + OTHERS { Ok(()) } else { Err(format!("{open_after} open")) }
    })
    .await;
    let rss_after = house.rss_kib();
    let n_samples = herd.lost_nothing(&house).await;
    house.is_sound();
    say(&format!(
        "hostile sockets from {whence}: {n_made} made in {:.0?}, open {open_before} before, \
         {most_open} at most, {open_after} after, RSS {rss_before} and {rss_after} KiB; the slowest \
         answer {slowest:.0?}; the newcomer in after {joined_after:.1?} and {n_tries} tries; \
         {n_samples} samples of {N_KNOWN} hosts, none lost",
        began.elapsed()
    ));
}
