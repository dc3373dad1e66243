//! An enrolled agent that means harm: it may cost itself its place, and nobody else anything.

use std::sync::Arc;
use std::time::Duration;

use herdbook_tests::harness::{eventually, throughout};
use herdbook_tests::hostile::offender::{Told, set_loose};
use herdbook_tests::hostile::{House, Member};
use herdbook_tests::swarm::SimulatedHost;
use tokio::time::Instant;

use crate::hostile_herd::Herd;
use crate::soak::{number, say};

const N_GOOD: u32 = 20;
const N_CONNECTIONS: usize = 100;
/// By how much the collector may grow.
const GROWTH_KIB: u64 = 64 * 1024;
/// And what may stay of that: memory that its allocator keeps for the next time.
const STAYS_KIB: u64 = 24 * 1024;
const SOON: Duration = Duration::from_secs(30);
const KEPT_OUT_WITHIN: Duration = Duration::from_secs(120);

async fn offends_for(span: Duration) {
    let mut house = House::start().await;
    let herd = Herd::start(&house, N_GOOD).await;
    let host = SimulatedHost::from_seed(666).named("offender");
    let (id, line) = (host.host_id.clone(), house.join_line(1).await);
    let offender = Arc::new(Member::new(host, &line, house.dir()));
    drop(offender.connect().await.expect("the offender is enrolled"));
    let (rss_before, open_before) = (house.rss_kib(), house.n_open());

    let (told, began) = (Told::default(), Instant::now());
    let loose = set_loose(&offender, N_CONNECTIONS, &told);
    let (mut most_kib, mut most_open) = (0, 0);
    throughout("the others notice nothing", span, async || {
        most_kib = most_kib.max(house.rss_kib());
        most_open = most_open.max(house.n_open());
        herd.is_well(&house).await
    })
    .await;
    assert!(most_kib < rss_before + GROWTH_KIB, "{rss_before} KiB, then {most_kib}");
    drop(loose);

    // A hundred at once only ever take over from one another, and are refused for their hellos. One
    // alone has the time to break its limits, and to be kept out for it.
    let alone = set_loose(&offender, 1, &told);
    let shown = async || {
        let shown = house.get(&format!("/api/v1/hosts/{id}")).await;
        let findings = shown["findings"].to_string();
        let is_kept_out = findings.contains("breaks_limits") && findings.contains("kept out");
        let is_told = told.all().contains_key("quarantined");
        if is_kept_out && is_told { Ok(()) } else { Err(format!("{:?}, {findings}", told.all())) }
    };
    eventually("the offender is kept out", KEPT_OUT_WITHIN, shown).await;
    drop(alone);
    let mut seen = (0, 0);
    eventually("the collector is as it was", SOON, async || {
        seen = (house.rss_kib(), house.n_open());
        let is_back = seen.0 < rss_before + STAYS_KIB && seen.1 <= open_before + 2;
        if is_back { Ok(()) } else { Err(format!("{seen:?}, {open_before} open before")) }
    })
    .await;
    house.is_sound();
    let n_samples = herd.lost_nothing(&house).await;
    house.is_sound();
    say(&format!(
        "hostile agent: {:.0?}, RSS {rss_before} KiB before, {most_kib} at most, {} after; open \
         {open_before}, {most_open} at most, {} after; {n_samples} samples of {N_GOOD} others, none \
         lost; it was told {:?}",
        began.elapsed(),
        seen.0,
        seen.1,
        told.all()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_does_everything_at_once_costs_nobody_else_a_sample() {
    offends_for(Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for minutes: make soak"]
async fn a_hostile_agent_gains_nothing_by_patience_soak() {
    offends_for(Duration::from_secs(number("HERDBOOK_SOAK_S").unwrap_or(600))).await;
}
