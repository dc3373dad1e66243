//! The rule of the live feed, over the real socket: a snapshot and the changes since it are
//! another snapshot.

use std::time::Duration;

use herdbook_shared::wire::hello::GoodbyeReason;
use herdbook_tests::harness::{Fleet, law};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};

#[tokio::test]
async fn a_snapshot_and_its_changes_are_the_next_snapshot() {
    let mut fleet = Fleet::start().await;
    let (viewer, page) = (fleet.viewer().await, fleet.page().await);
    for seed in 1..=5 {
        fleet.simulate(SimulatedHost::from_seed(seed).having(2, 5)).await;
    }
    let leaving = SimulatedHost::from_seed(6).having(1, 3);
    let left = leaving.host_id.clone();
    let mut agent = SimulatedAgent::join(fleet.address(), leaving).await.expect("a welcome");
    agent.send_inventory().await.expect("an open session");
    agent.send_sample().await.expect("an open session");
    viewer.becomes(&left, "online", Duration::from_secs(20)).await;
    agent.goodbye(GoodbyeReason::Shutdown).await.expect("an open session");
    viewer.becomes(&left, "offline", Duration::from_secs(10)).await;

    let folded = law::holds(&viewer, &fleet.rest()).await;
    law::holds(&page, &fleet.rest()).await;
    assert_eq!(folded.hosts.len(), 6);
    assert_eq!(folded.services.len(), 6);
}
