//! The long one, run by `make soak`: a fleet under load while programs crash and stand still at
//! random. The seed is printed, so that a bad run can be had again.

use std::io::Write as _;
use std::time::Duration;

use herdbook_tests::harness::{Fleet, Viewer, eventually, throughout};
use herdbook_tests::swarm::SimulatedHost;
use herdbook_tests::swarm::usage::memory;
use rustix::process::Signal;
use tokio::time::Instant;

const N_SIMULATED: u64 = 200;

/// Longer than any host may take to come back: the longest redial, its deadline, and some.
const BACK: Duration = Duration::from_secs(60);

#[tokio::test]
#[ignore = "runs for minutes: make soak"]
async fn a_fleet_survives_what_goes_wrong() {
    let seconds = number("HERDBOOK_SOAK_S").unwrap_or(600);
    let seed = number("HERDBOOK_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    say(&format!("soak: {seconds} s, HERDBOOK_SOAK_SEED={seed}"));

    let mut fleet = Fleet::start().await;
    for seed in 1..=N_SIMULATED {
        fleet.simulate(SimulatedHost::from_seed(seed).having(2, 10)).await;
    }
    let agent = fleet.agent("real").start();
    everybody_back(&fleet).await;
    let rss_at_first = memory(fleet.collector().pid()).expect("a running collector").rss_kib;

    let started = Instant::now();
    let mut n_faults = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        match random.u8(0..4) {
            0 => fleet.restart_collector().await,
            1 => stand_still(&mut fleet, Duration::from_secs(random.u64(1..30))).await,
            2 => {
                agent.freeze();
                pass(Duration::from_secs(random.u64(1..10))).await;
                agent.cont();
            }
            _ => drop(Viewer::open(fleet.address(), "summary").await),
        }
        n_faults += 1;
        everybody_back(&fleet).await;
        pass(Duration::from_secs(random.u64(1..20))).await;
    }
    let rss = memory(fleet.collector().pid()).expect("a running collector").rss_kib;
    say(&format!("soak: {n_faults} faults, collector RSS {rss_at_first} KiB at first, {rss} now"));
}

/// Every host is online, and on the way there none was taken for offline.
async fn everybody_back(fleet: &Fleet) {
    let viewer = fleet.viewer().await;
    let online = async || {
        let hosts = viewer.folded().hosts;
        assert_eq!(viewer.n_changes("host.offline"), 0, "a living host was marked offline");
        let well = |host: &&serde_json::Value| {
            matches!(host["status"].as_str(), Some("online" | "degraded"))
        };
        let n_online = hosts.values().filter(well).count() as u64;
        if n_online == N_SIMULATED + 1 { Ok(()) } else { Err(format!("{n_online} online")) }
    };
    eventually("everybody online", BACK, online).await;
    assert_eq!(viewer.folded().faults, Vec::<String>::new());
}

async fn stand_still(fleet: &mut Fleet, span: Duration) {
    fleet.collector().signal(Signal::STOP);
    pass(span).await;
    fleet.collector().signal(Signal::CONT);
}

pub(crate) async fn pass(span: Duration) {
    throughout("time passes", span, async || Ok(())).await;
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
