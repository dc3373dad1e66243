//! The law of the feed, held against the running collector: what a viewer folded is what a snapshot
//! of the same moment says, but for what samples carry.

use std::time::Duration;

use serde_json::{Value, json};

use super::fold::Folded;
use super::rest::Rest;
use super::viewer::Viewer;
use super::wait::eventually;

/// How long feed and snapshot may take to meet at one number.
const WITHIN: Duration = Duration::from_secs(15);

/// Fields that move without a change.
const VOLATILE: [&str; 21] = [
    "last_seen",
    "latency_ms",
    "clock_skew_ms",
    "resources",
    "detail",
    "gpus",
    "cpu_percent",
    "memory_percent",
    "vram_percent",
    "last_check",
    "last_heartbeat",
    "consecutive_failures",
    "pending",
    "total",
    "p95_ms",
    "requests_running",
    "queue_depth",
    "load",
    "latency_ms_avg",
    "check_latency_ms_avg",
    "expires_at",
];

/// Waits until the viewer has seen all that a fresh snapshot knows, and returns what it folded.
///
/// # Panics
///
/// Where the two differ, where the feed broke one of its rules, or where the viewer was given a
/// second snapshot.
pub async fn holds(viewer: &Viewer, rest: &Rest) -> Folded {
    let view = viewer.folded().view;
    let same = async || {
        let mut snapshot = rest.get(&format!("/api/v1/snapshot?view={view}")).await;
        snapshot["type"] = json!("snapshot");
        let mut fresh = Folded::default();
        fresh.take(&snapshot);
        let folded = viewer.folded();
        if (fresh.seq, &fresh.epoch) != (folded.seq, &folded.epoch) {
            return Err(format!("snapshot at {}, feed at {}", fresh.seq, folded.seq));
        }
        Ok((folded, fresh))
    };
    let (folded, fresh) = eventually("feed and snapshot at one seq", WITHIN, same).await;
    assert_eq!(folded.faults, Vec::<String>::new());
    assert_eq!(folded.n_snapshots, 1, "the viewer fell behind");
    same_entities("host", &folded.hosts, &fresh.hosts);
    same_entities("service", &folded.services, &fresh.services);
    same_entities("alert", &folded.alerts, &fresh.alerts);
    folded
}

type Entities = std::collections::BTreeMap<String, Value>;

fn same_entities(what: &str, folded: &Entities, fresh: &Entities) {
    let ids = |entities: &Entities| entities.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(folded), ids(fresh), "{what}s by the feed, and by the snapshot");
    for (id, entity) in folded {
        let (folded, fresh) = (settled(entity), settled(&fresh[id]));
        assert_eq!(folded, fresh, "{what} {id} by the feed, and by the snapshot");
    }
}

/// What of it only changes move.
fn settled(entity: &Value) -> Value {
    let mut entity = entity.clone();
    strip(&mut entity);
    strip(&mut entity["missing"]);
    for model in entity["models"].as_array_mut().into_iter().flatten() {
        strip(model);
    }
    entity
}

fn strip(entity: &mut Value) {
    if let Some(fields) = entity.as_object_mut() {
        fields.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    }
}
