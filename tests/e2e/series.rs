//! What hosts measured, by the second and by the minute; here a minute is a second long.

use std::time::Duration;

use herdbook_shared::time::Timestamp;
use herdbook_tests::harness::{Fleet, Rest, eventually, throughout};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(40);
/// Ten seconds at full rate, steps of a second, blocks of a minute.
const QUICK: &str = "[history]\nrecent_s = 10\nstep_s = 1\nfine_h = 0.1\ncoarse_d = 1\n\
    [liveness]\nstale_after_s = 4\nclosed_stale_after_s = 2\noffline_after_s = 6\n";

async fn samples(rest: &Rest, id: &str, query: &str) -> Value {
    rest.get(&format!("/api/v1/hosts/{id}/samples?{query}")).await
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let columns = table["columns"].as_array().expect("columns");
    let index = columns.iter().position(|column| column == name);
    let index = index.unwrap_or_else(|| panic!("no {name} in {columns:?}"));
    table["rows"].as_array().expect("rows").iter().map(|row| row[index].clone()).collect()
}

fn times(table: &Value) -> Vec<i64> {
    let ms = |at: &Value| at.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    column(table, "at").iter().map(|at| ms(at).expect("an instant").unix_ms()).collect()
}

/// Waits until this many rows are told of five minutes, and returns them.
async fn rows(rest: &Rest, id: &str, n_rows: usize, within: Duration) -> Value {
    let look = async || {
        let table = samples(rest, id, "minutes=5&step=1").await;
        let n_told = times(&table).len();
        if n_told >= n_rows { Ok(table) } else { Err(format!("{n_told} rows")) }
    };
    eventually(&format!("{n_rows} rows"), within, look).await
}

#[tokio::test]
async fn the_minutes_before_a_crash_are_there_after_it() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let _agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let recent = samples(&rest, &id, "").await;
    assert_eq!(recent["step_s"], 1, "{recent}");
    let before = rows(&rest, &id, 15, WITHIN).await;
    assert!(column(&before, "cpu_percent").iter().any(Value::is_number), "{before}");
    assert!(column(&before, "memory_used_bytes").iter().all(Value::is_u64), "{before}");

    fleet.restart_collector().await;
    let rest = fleet.rest();
    let is_read = async || {
        let after = samples(&rest, &id, "minutes=5&step=1").await;
        if after["complete"] == true { Ok(after) } else { Err(after.to_string()) }
    };
    let after = eventually("the history is open", WITHIN, is_read).await;
    let (before, after) = (times(&before), times(&after));
    // What was in memory alone, of the last two seconds, is lost.
    let kept = &before[..before.len() - 3];
    let lost: Vec<&i64> = kept.iter().filter(|at| !after.contains(at)).collect();
    assert!(lost.is_empty(), "lost {lost:?} of {before:?}, told {after:?}");
    rows(&rest, &id, 25, WITHIN).await;
}

#[tokio::test]
async fn while_an_agent_stands_still_there_is_a_gap() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    rows(&rest, &id, 5, WITHIN).await;
    agent.freeze();
    let viewer = fleet.viewer().await;
    viewer.becomes(&id, "offline", WITHIN).await;
    let offline = rows(&rest, &id, 5, WITHIN).await;
    agent.cont();
    viewer.becomes(&id, "online", WITHIN).await;
    let after = rows(&rest, &id, times(&offline).len() + 5, WITHIN).await;
    let after = times(&after);
    assert!(after.is_sorted_by(|a, b| a < b), "each step once: {after:?}");
    let gaps: Vec<i64> = after.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().any(|gap| *gap >= 5_000), "{gaps:?}");
}

/// After two minutes the first block is packed, and nothing of it is to be seen from outside.
#[tokio::test]
async fn what_is_packed_reads_as_before() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let host = SimulatedHost::from_seed(1).having(2, 1);
    fleet.simulate(host.clone()).await;
    let first = rows(&rest, &host.host_id, 20, WITHIN).await;
    let last = rows(&rest, &host.host_id, 150, Duration::from_secs(200)).await;
    let (first, last) = (times(&first), times(&last));
    let lost: Vec<&i64> = first[..17].iter().filter(|at| !last.contains(at)).collect();
    assert!(lost.is_empty(), "lost {lost:?}, told {last:?}");
    assert!(last.is_sorted_by(|a, b| a < b), "each step once: {last:?}");
    let table = samples(&rest, &host.host_id, "minutes=5&step=10").await;
    let columns = table["columns"].to_string();
    assert!(columns.contains("utilization_percent_max"), "{columns}");
    let n_samples: Vec<u64> =
        column(&table, "n_samples").iter().filter_map(Value::as_u64).collect();
    let inner = &n_samples[1..n_samples.len() - 1];
    assert!(inner.iter().all(|n| (8..=12).contains(n)), "ten a row: {n_samples:?}");
}

#[tokio::test]
async fn who_is_removed_leaves_no_history() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let before = times(&rows(&rest, &id, 5, WITHIN).await);
    agent.terminate();
    fleet.viewer().await.becomes(&id, "offline", WITHIN).await;
    let (status, answer) = rest.delete(&format!("/api/v1/hosts/{id}")).await;
    assert!(status.is_success(), "{status}: {answer}");
    let path = format!("/api/v1/hosts/{id}/samples");
    assert_eq!(rest.try_get(&path).await.expect("an answer").0, StatusCode::NOT_FOUND);
    throughout("it is forgotten", Duration::from_secs(3), async || Ok(())).await;
    let _again = fleet.agent("gpu-1").start();
    assert_eq!(fleet.id_of("gpu-1").await, id);
    let after = times(&rows(&rest, &id, 3, WITHIN).await);
    assert!(after[0] > *before.last().expect("rows"), "{before:?}, then {after:?}");
}

#[tokio::test]
async fn existing_clients_see_nodes_and_their_heartbeats() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let nodes = rest.get("/api/nodes?status=online&role=worker&whatever=1").await;
    assert_eq!(nodes["nodes"][0]["id"], id.as_str(), "{nodes}");
    assert_eq!(rest.get("/api/nodes?status=offline").await["nodes"], serde_json::json!([]));
    assert_eq!(rest.get(&format!("/api/nodes/{id}")).await["name"], "gpu-1");

    let path = format!("/api/nodes/{id}/heartbeats?minutes=5");
    let both = async || {
        let beats = rest.get(&path).await;
        let beats = beats["heartbeats"].as_array().cloned().unwrap_or_default();
        let has = |is_null: bool| beats.iter().any(|b| b["meta"]["seq"].is_null() == is_null);
        if has(true) && has(false) { Ok(beats) } else { Err(format!("{beats:?}")) }
    };
    let beats = eventually("samples, and steps before them", WITHIN, both).await;
    let last = beats.last().expect("a heartbeat");
    assert_eq!(last["status"], "online", "{last}");
    assert!(last["mem_used_mb"].as_f64().is_some_and(|mb| mb > 1.0), "{last}");
    agent.terminate();
    fleet.viewer().await.becomes(&id, "offline", WITHIN).await;
    assert_eq!(rest.get(&format!("/api/nodes/{id}")).await["status"], "offline");
    assert!(!rest.get(&path).await["heartbeats"].as_array().expect("a list").is_empty());
}
