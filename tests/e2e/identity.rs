//! Who is who: a host that rebooted is the same host, a machine with a copied state is another.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, Viewer, eventually, throughout};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};
use serde_json::Value;

#[tokio::test]
async fn a_rebooted_host_is_no_clone() {
    let fleet = Fleet::start().await;
    let viewer = fleet.viewer().await;
    let host = SimulatedHost::from_seed(1);
    let id = host.host_id.clone();
    let mut before = SimulatedAgent::join(fleet.address(), host.clone()).await.expect("a welcome");
    before.send_sample().await.expect("an open session");
    viewer.becomes(&id, "online", Duration::from_secs(10)).await;

    // The power fails: the old connection is still open when the new one comes.
    let mut after =
        SimulatedAgent::join(fleet.address(), host.rebooted()).await.expect("a welcome");
    after.send_sample().await.expect("an open session");
    let mut sessions = tokio::task::JoinSet::new();
    sessions.spawn(async move { after.live().await });
    let alone = async || match viewer.folded().hosts.len() {
        1 if viewer.status(&id) == "online" => Ok(()),
        _ => Err(format!("{:?}", viewer.folded().hosts)),
    };
    throughout("one host, online", Duration::from_secs(8), alone).await;
    assert_eq!(viewer.n_changes("host.cloned"), 0);
    drop(before);
}

#[tokio::test]
async fn a_copied_state_directory_is_a_clone() {
    let fleet = Fleet::start().await;
    let original = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;
    let first_seen = fleet.rest().host(&id).await["first_seen"].clone();

    let _copy = fleet.agent("gpu-2").with_state_of(&original).start();
    let clone_id = format!("{id}~2");
    let cloned = async || {
        let clone = viewer.folded().hosts.get(&clone_id).cloned();
        let clone = clone.ok_or_else(|| seen(&viewer))?;
        if has_finding(&clone, "duplicate_identity") { Ok(()) } else { Err(clone.to_string()) }
    };
    eventually("the clone, with its finding", Duration::from_secs(60), cloned).await;

    // Both stay listed, apart, and the original keeps its history.
    let apart = async || {
        let folded = viewer.folded();
        match folded.hosts.len() {
            2 if folded.hosts.contains_key(&id) => Ok(()),
            _ => Err(seen(&viewer)),
        }
    };
    throughout("original and clone", Duration::from_secs(15), apart).await;
    let kept = fleet.rest().host(&id).await;
    assert_eq!(kept["first_seen"], first_seen);
    assert!(matches!(kept["status"].as_str(), Some("online" | "degraded")), "{kept}");
}

#[tokio::test]
async fn nothing_of_a_clone_is_stored() {
    let mut fleet = Fleet::start().await;
    let original = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let copy = fleet.agent("gpu-2").with_state_of(&original).start();
    let clone_id = format!("{id}~2");
    let viewer = fleet.viewer().await;
    let cloned = async || match viewer.folded().hosts.contains_key(&clone_id) {
        true => Ok(()),
        false => Err(seen(&viewer)),
    };
    eventually("the clone", Duration::from_secs(60), cloned).await;

    drop((original, copy));
    fleet.restart_collector().await;
    let restored = fleet.viewer().await.folded().hosts;
    assert_eq!(restored.keys().collect::<Vec<_>>(), [&id]);
}

fn has_finding(host: &Value, code: &str) -> bool {
    let findings = host["findings"].as_array();
    findings.is_some_and(|findings| findings.iter().any(|finding| finding["code"] == code))
}

fn seen(viewer: &Viewer) -> String {
    let folded = viewer.folded();
    let hosts = folded.hosts.values();
    let lines: Vec<String> = hosts
        .map(|host| {
            format!("{} {} {} {}", host["id"], host["name"], host["status"], host["findings"])
        })
        .collect();
    lines.join("; ")
}
