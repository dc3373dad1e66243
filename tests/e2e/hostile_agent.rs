//! An enrolled agent that means harm: it may cost itself its place, and nobody else anything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herdbook_tests::harness::{eventually, throughout};
use herdbook_tests::hostile::offender::{Told, set_loose};
use herdbook_tests::hostile::{House, Member, Tally};
use herdbook_tests::swarm::SimulatedHost;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::soak::{number, say};

const N_GOOD: u64 = 20;
const N_CONNECTIONS: usize = 100;
/// By how much the collector may grow.
const GROWTH_KIB: u64 = 64 * 1024;
/// And what may stay of that: memory that its allocator keeps for the next time.
const STAYS_KIB: u64 = 24 * 1024;
const SOON: Duration = Duration::from_secs(30);

/// Good hosts that report, until they are told to stop.
struct Herd {
    hosts: Vec<(String, Arc<Tally>)>,
    reports: JoinSet<()>,
    stop: CancellationToken,
}

impl Herd {
    async fn start(house: &House) -> Self {
        let line = house.join_line(u32::try_from(N_GOOD).expect("few")).await;
        let (mut hosts, mut reports) = (Vec::new(), JoinSet::new());
        let stop = CancellationToken::new();
        for seed in 1..=N_GOOD {
            let member =
                Member::new(SimulatedHost::from_seed(seed).having(2, 5), &line, house.dir());
            let tally = Arc::<Tally>::default();
            hosts.push((member.host.host_id.clone(), Arc::clone(&tally)));
            reports.spawn(member.report(tally, stop.clone()));
        }
        let herd = Self { hosts, reports, stop };
        eventually("all are online", SOON, async || herd.is_well(house).await).await;
        herd
    }

    /// All are online, and none was ever cut off.
    async fn is_well(&self, house: &House) -> Result<(), String> {
        let hosts = house.hosts().await;
        for (id, tally) in &self.hosts {
            let host = hosts.iter().find(|host| host["id"] == **id);
            let status = host.map_or("gone", |host| host["status"].as_str().unwrap_or("?"));
            let n_lost = tally.lost.load(Ordering::Relaxed);
            if status != "online" || n_lost > 0 {
                return Err(format!("{id} is {status}, {n_lost} sessions lost"));
            }
        }
        Ok(())
    }

    /// Lets them say goodbye; every sample that they sent was taken in.
    async fn lost_nothing(self, house: &House) -> u64 {
        self.stop.cancel();
        self.reports.join_all().await;
        let mut n_all = 0;
        for (id, tally) in &self.hosts {
            let n_sent = tally.sent.load(Ordering::Relaxed);
            let all_there = async || match house.n_samples(id).await {
                n if n == n_sent => Ok(()),
                n => Err(format!("{n} of {n_sent}")),
            };
            eventually(&format!("the samples of {id}"), SOON, all_there).await;
            n_all += n_sent;
        }
        n_all
    }
}

async fn offends_for(span: Duration) {
    let mut house = House::start().await;
    let herd = Herd::start(&house).await;
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
    let all_told = told.all();
    assert!(all_told.contains_key("quarantined"), "{all_told:?}");
    let shown = house.get(&format!("/api/v1/hosts/{id}")).await;
    let findings = shown["findings"].to_string();
    assert!(findings.contains("breaks_limits") && findings.contains("kept out"), "{shown}");

    drop(loose);
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
         lost; it was told {all_told:?}",
        began.elapsed(),
        seen.0,
        seen.1
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
