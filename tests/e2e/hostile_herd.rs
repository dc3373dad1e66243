//! Enrolled hosts that must notice nothing of what others do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herdbook_tests::harness::eventually;
use herdbook_tests::hostile::{House, Member, Tally};
use herdbook_tests::swarm::SimulatedHost;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(60);

/// Good hosts that report, until they are told to stop.
pub(crate) struct Herd {
    hosts: Vec<(String, Arc<Tally>)>,
    reports: JoinSet<()>,
    stop: CancellationToken,
}

impl Herd {
    pub(crate) async fn start(house: &House, n_hosts: u32) -> Self {
        let line = house.join_line(n_hosts).await;
        let (mut hosts, mut reports) = (Vec::new(), JoinSet::new());
        let stop = CancellationToken::new();
        for seed in 1..=u64::from(n_hosts) {
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
    pub(crate) async fn is_well(&self, house: &House) -> Result<(), String> {
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
    pub(crate) async fn lost_nothing(self, house: &House) -> u64 {
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
