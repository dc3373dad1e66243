//! The collector crashes, or stands still for a while. It must not take itself for the world.

use std::collections::BTreeSet;
use std::time::Duration;

use herdbook_tests::harness::{Fleet, Viewer, eventually, throughout};
use herdbook_tests::swarm::SimulatedHost;
use rustix::process::Signal;

fn all_online(viewer: &Viewer, ids: &BTreeSet<String>) -> Result<(), String> {
    let folded = viewer.folded();
    let seen: BTreeSet<String> = folded.hosts.keys().cloned().collect();
    let online = |id: &String| matches!(viewer.status(id).as_str(), "online" | "degraded");
    if seen == *ids && ids.iter().all(online) {
        return Ok(());
    }
    let statuses: Vec<(String, String)> =
        seen.into_iter().map(|id| (viewer.status(&id), id)).collect();
    Err(format!("{statuses:?}, expected {ids:?}"))
}

fn nobody_offline(viewer: &Viewer) -> Result<(), String> {
    let folded = viewer.folded();
    let offline = |host: &serde_json::Value| host["status"] == "offline";
    let n_now = folded.hosts.values().filter(|host| offline(host)).count();
    let n_ever = viewer.n_changes("host.offline") + viewer.n_changes("fleet.mass_offline");
    if n_now + n_ever == 0 {
        return Ok(());
    }
    Err(format!("{n_now} offline now, {n_ever} such changes: {:?}", folded.changes))
}

async fn two_agents(fleet: &Fleet) -> BTreeSet<String> {
    [fleet.id_of("gpu-1").await, fleet.id_of("gpu-2").await].into()
}

#[tokio::test]
async fn a_killed_collector_comes_back_with_the_same_hosts() {
    let mut fleet = Fleet::start().await;
    let _agents = [fleet.agent("gpu-1").start(), fleet.agent("gpu-2").start()];
    let ids = two_agents(&fleet).await;
    let epoch = fleet.viewer().await.folded().epoch;
    // Observed state is written behind: a crash may cost the last moment, not more.
    let settled = async || Ok(());
    throughout("the hosts settle", Duration::from_secs(3), settled).await;

    fleet.restart_collector().await;
    let viewer = fleet.viewer().await;
    assert_ne!(viewer.folded().epoch, epoch, "a new start is a new epoch");
    let restored: BTreeSet<String> = viewer.folded().hosts.keys().cloned().collect();
    assert_eq!(restored, ids, "the hosts are known before they are heard");
    let back = async || nobody_offline(&viewer).and_then(|()| all_online(&viewer, &ids));
    eventually("the same hosts online", Duration::from_secs(40), back).await;
    let calm = async || nobody_offline(&viewer).and_then(|()| all_online(&viewer, &ids));
    throughout("nobody is offline", Duration::from_secs(40), calm).await;
    assert_eq!(viewer.folded().faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_collector_that_stood_still_for_90_s_marks_nobody() {
    let mut fleet = Fleet::start().await;
    let _agents = [fleet.agent("gpu-1").start(), fleet.agent("gpu-2").start()];
    for seed in 1..=20 {
        fleet.simulate(SimulatedHost::from_seed(seed).having(1, 2)).await;
    }
    let ids = two_agents(&fleet).await;
    let everybody = async || {
        let hosts = fleet.rest().hosts().await;
        let online = hosts.iter().filter(|host| host["status"] == "online").count();
        if online == 22 { Ok(()) } else { Err(format!("{online} online")) }
    };
    eventually("22 hosts online", Duration::from_secs(20), everybody).await;

    fleet.collector().signal(Signal::STOP);
    // Nothing can be asked meanwhile; what is watched is that the agents bear it.
    let agents_live = async || Ok(());
    throughout("the agents live on", Duration::from_secs(90), agents_live).await;
    fleet.collector().signal(Signal::CONT);

    let viewer = fleet.viewer().await;
    let calm = async || nobody_offline(&viewer);
    throughout("nobody is offline", Duration::from_secs(40), calm).await;
    for id in &ids {
        viewer.becomes(id, "online", Duration::from_secs(10)).await;
    }
}
