//! A host falls silent: frozen, crashed, or leaving with a goodbye.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, eventually, throughout};
use tokio::time::Instant;

#[tokio::test]
async fn a_frozen_agent_is_stale_then_offline_and_comes_back() {
    let fleet = Fleet::start().await;
    let agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;

    agent.freeze();
    viewer.becomes(&id, "stale", Duration::from_secs(30)).await;
    let host = fleet.rest().host(&id).await;
    assert!(host["resources"].is_null(), "an old number is shown: {}", host["resources"]);
    viewer.becomes(&id, "offline", Duration::from_secs(60)).await;

    agent.cont();
    viewer.becomes(&id, "online", Duration::from_secs(60)).await;
    let changes = viewer.changes_of(&id);
    let statuses: Vec<&str> = changes.iter().filter_map(|kind| status_word(kind)).collect();
    assert_eq!(statuses[..2], ["stale", "offline"], "{changes:?}");
    assert!(matches!(statuses[2], "recovered" | "online"), "{changes:?}");
}

#[tokio::test]
async fn a_killed_agent_is_stale_in_ten_seconds() {
    let fleet = Fleet::start().await;
    let mut agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;

    agent.kill9().await;
    let killed = Instant::now();
    viewer.becomes(&id, "stale", Duration::from_secs(14)).await;
    // A closed session says more than silence, yet a reconnect within seconds is no news.
    assert!(killed.elapsed() > Duration::from_secs(8), "after {:?}", killed.elapsed());
    assert!(!viewer.changes_of(&id).contains(&"host.offline".to_owned()));
}

#[tokio::test]
async fn an_agent_that_is_restarted_at_once_was_never_away() {
    let fleet = Fleet::start().await;
    let mut agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;

    agent.kill9().await;
    let _again = fleet.agent("gpu-1").start();
    let opened = async || match viewer.changes_of(&id) {
        changes if changes.contains(&"session.opened".to_owned()) => Ok(()),
        changes => Err(format!("{changes:?}")),
    };
    eventually("a new session", Duration::from_secs(9), opened).await;
    let away = async || match viewer.status(&id).as_str() {
        "online" | "degraded" => Ok(()),
        status => Err(format!("{status}, after {:?}", viewer.changes_of(&id))),
    };
    throughout("online", Duration::from_secs(20), away).await;
    assert!(!viewer.changes_of(&id).contains(&"host.stale".to_owned()));
    assert_eq!(fleet.rest().hosts().await.len(), 1);
}

#[tokio::test]
async fn an_agent_that_is_stopped_is_offline_at_once() {
    let fleet = Fleet::start().await;
    let mut agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;

    agent.terminate();
    // Less than any deadline of silence.
    viewer.becomes(&id, "offline", Duration::from_secs(8)).await;
    let status = agent.program().exit(Duration::from_secs(10)).await;
    assert!(status.success(), "a graceful stop ended with {status}");
    assert!(!viewer.changes_of(&id).contains(&"host.stale".to_owned()));
}

fn status_word(kind: &str) -> Option<&str> {
    let word = kind.strip_prefix("host.")?;
    ["online", "stale", "offline", "recovered", "degraded"].contains(&word).then_some(word)
}
