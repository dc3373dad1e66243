//! Alerts are written down, and existing clients read what became of services that beat.

use std::path::PathBuf;
use std::time::Duration;

use herdbook_tests::harness::{Fleet, Rest, encoded, eventually};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);
const QUICK: &str = "[checks]\njudge_every_s = 1\n";

/// The lines of all files of one log, the oldest first.
fn lines(fleet: &Fleet, log: &str) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(fleet.dir().join("data/events")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_of_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(log).is_some_and(|rest| rest.len() == "_20261120.jsonl".len())
    };
    let mut paths: Vec<PathBuf> = paths.filter(is_of_log).collect();
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).expect("a log"));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| serde_json::from_str(&line).expect(&line)).collect()
}

fn types(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().map(|alert| alert["alert_type"].as_str().unwrap_or("?")).collect()
}

async fn told(rest: &Rest) -> Vec<Value> {
    rest.get("/alerts").await["alerts"].as_array().cloned().expect("a list of alerts")
}

/// Waits until so many are told, and returns them.
async fn are_told(rest: &Rest, n: usize) -> Vec<Value> {
    let look = async || match told(rest).await {
        alerts if alerts.len() == n => Ok(alerts),
        alerts => Err(format!("{alerts:?}")),
    };
    eventually(&format!("{n} alerts are told"), WITHIN, look).await
}

#[tokio::test]
async fn what_becomes_of_a_service_that_beats_is_told_and_logged_over_a_crash() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    assert_eq!(told(&rest).await, Vec::<Value>::new());
    let form = json!({
        "name": "finder", "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 1, "ttl_s": 1,
    });
    let (_, service) = rest.post("/api/v1/services", &form).await;
    let id = service["id"].as_str().expect("an id").to_owned();
    let gone = are_told(&rest, 2).await;
    assert_eq!(types(&gone), ["service_down", "service_deregistered"]);
    for (alert, missed, action) in [(&gone[0], 2, "marked_down"), (&gone[1], 3, "deregistered")] {
        let named = json!({"id": alert["service_id"], "name": alert["service_name"]});
        assert_eq!(named, json!({"id": id, "name": "finder"}), "{alert}");
        let did = (&alert["missed_beats"], &alert["action"]);
        assert_eq!(did, (&json!(missed), &json!(action)), "{alert}");
        assert!(alert["last_seen"].is_string() && alert["ts"].is_string(), "{alert}");
    }
    let logged = async || match lines(&fleet, "heartbeat_alerts") {
        lines if lines == gone => Ok(()),
        lines => Err(format!("{lines:?}")),
    };
    eventually("both lines are on the disk", WITHIN, logged).await;

    fleet.restart_collector().await;
    assert_eq!(told(&rest).await, gone, "a restart forgets nothing");
    let path = format!("/api/v1/services/{}/heartbeat", encoded(&id));
    let (status, answer) = rest.put(&path, &json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}: {answer}");
    let back = are_told(&rest, 3).await;
    assert_eq!(
        (&back[2]["alert_type"], &back[2]["action"]),
        (&json!("service_recovered"), &json!("restored"))
    );
}

#[tokio::test]
async fn alerts_are_logged_as_they_begin_and_end() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let form = json!({
        "name": "finder", "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 5, "ttl_s": 5,
    });
    let (_, service) = rest.post("/api/v1/services", &form).await;
    let id = service["id"].as_str().expect("an id").to_owned();
    let of_service = || {
        let lines = lines(&fleet, "alerts").into_iter();
        lines.filter(|line| line["rule"] == "service_down").collect::<Vec<_>>()
    };
    let has = async |n: usize| {
        let look = async || match of_service() {
            lines if lines.len() == n => Ok(lines),
            lines => Err(format!("{lines:?}")),
        };
        eventually(&format!("{n} lines"), WITHIN, look).await
    };
    are_told(&rest, 1).await;
    let raised = has(1).await.remove(0);
    assert_eq!((&raised["type"], &raised["subject"]["id"]), (&json!("alert.raised"), &json!(id)));
    assert!(raised["resolved_at"].is_null() && raised["at"].is_string(), "{raised}");
    let path = format!("/api/v1/services/{}/heartbeat", encoded(&id));
    rest.put(&path, &json!({"status": "ok"})).await;
    let over = has(2).await.remove(1);
    assert_eq!((&over["type"], &over["id"]), (&json!("alert.resolved"), &raised["id"]));
    assert!(over["resolved_at"].is_string(), "{over}");
}
