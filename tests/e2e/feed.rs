//! The rule of the live feed, over the real socket: a snapshot and the changes since it are
//! another snapshot.

use std::time::Duration;

use herdbook_shared::wire::hello::GoodbyeReason;
use herdbook_tests::harness::fold::Folded;
use herdbook_tests::harness::{Fleet, eventually};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};
use serde_json::{Value, json};

/// Fields that move without a change.
const VOLATILE: [&str; 16] = [
    "last_seen",
    "latency_ms",
    "clock_skew_ms",
    "resources",
    "detail",
    "gpus",
    "last_check",
    "last_heartbeat",
    "consecutive_failures",
    "pending",
    "total",
    "p95_ms",
    "requests_running",
    "queue_depth",
    "load",
    "check_latency_ms_avg",
];

#[tokio::test]
async fn a_snapshot_and_its_changes_are_the_next_snapshot() {
    let mut fleet = Fleet::start().await;
    let viewer = fleet.viewer().await;
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

    let same = async || {
        let snapshot = fleet.rest().get("/api/v1/snapshot?view=full").await;
        let mut fresh = Folded::default();
        fresh.take(&typed(snapshot));
        let folded = viewer.folded();
        if fresh.seq != folded.seq {
            return Err(format!("snapshot at {}, feed at {}", fresh.seq, folded.seq));
        }
        assert_eq!(settled(&folded), settled(&fresh));
        Ok(folded)
    };
    let folded = eventually("feed and snapshot at one seq", Duration::from_secs(10), same).await;
    assert_eq!(folded.hosts.len(), 6);
    assert_eq!(folded.services.len(), 6);
    assert_eq!(folded.faults, Vec::<String>::new());
    assert_eq!(folded.n_snapshots, 1);
}

fn typed(mut snapshot: Value) -> Value {
    snapshot["type"] = json!("snapshot");
    snapshot
}

/// All of it that only changes move, with models in a stable order.
fn settled(folded: &Folded) -> Value {
    let mut all = json!({"hosts": folded.hosts, "services": folded.services});
    for entities in all.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        for entity in entities.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            strip(entity);
        }
    }
    all
}

fn strip(entity: &mut Value) {
    let Some(fields) = entity.as_object_mut() else { return };
    fields.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    if let Some(missing) = fields.get_mut("missing").and_then(Value::as_object_mut) {
        missing.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    }
    for model in fields.get_mut("models").and_then(Value::as_array_mut).into_iter().flatten() {
        model.as_object_mut().map(|model| model.remove("expires_at"));
    }
    if let Some(models) = fields.get_mut("models").and_then(Value::as_array_mut) {
        models.sort_by_key(|model| model["name"].to_string());
    }
}
