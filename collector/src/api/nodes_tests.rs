//! What existing clients are told.

use serde_json::json;

use crate::api::samples::tests::sampled;
use crate::api::testing::App;
use crate::registry::session::CloseReason;
use crate::registry::testing::{connect, host_id};
use crate::series::Until;

use super::*;

async fn nodes(app: &App, query: &str) -> Vec<(String, String)> {
    let answer = app.get(&format!("/api/nodes{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let word = |node: &serde_json::Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = answer.body["nodes"].as_array().unwrap().iter();
    nodes.map(|node| (word(node, "name"), word(node, "status"))).collect()
}

fn are(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn statuses_are_those_that_clients_know() {
    let app = App::new();
    let now = Moment::now();
    sampled(&app, 1);
    connect(&app.registry, 2, now);
    let gone = connect(&app.registry, 3, now);
    app.registry.close_session(&host_id(3), &gone.session.id, CloseReason::Shutdown, now);
    app.registry.ensure_host(&host_id(4), "gpu-4", now).unwrap();
    let all = [
        ("gpu-1", "online"),
        ("gpu-2", "disconnected"),
        ("gpu-3", "offline"),
        ("gpu-4", "disconnected"),
    ];
    assert_eq!(nodes(&app, "").await, are(&all));
    assert_eq!(nodes(&app, "?status=disconnected&page=2").await, are(&[all[1], all[3]]));
    assert_eq!(nodes(&app, "?role=worker&status=offline").await, are(&[all[2]]));
    assert_eq!(nodes(&app, "?role=spare").await, are(&[]));

    let path = format!("/api/nodes/{}", host_id(1));
    let node = app.get(&path).await.body;
    assert_eq!((&node["id"], &node["domain"]), (&json!(host_id(1).as_str()), &json!(null)));
    assert!(node["last_seen"].is_string(), "{node}");
    assert_eq!(app.get("/api/nodes/nobody").await.status, 404);
}

#[tokio::test]
async fn heartbeats_are_samples_and_before_them_minutes() {
    let app = App::new();
    let id = sampled(&app, 650);
    let now = Moment::now().at;
    let path = format!("/api/nodes/{id}/heartbeats");
    let beats = app.get(&path).await.body["heartbeats"].as_array().unwrap().clone();
    assert_eq!(beats.len(), 600);
    let last = beats.last().unwrap();
    assert_eq!((&last["status"], &last["cpu_load"]), (&json!("online"), &json!(12.5)));
    assert_eq!((&last["mem_used_mb"], &last["latency_ms"]), (&json!(1e-6), &json!(null)));
    assert_eq!(last["meta"], json!({"seq": 650, "missing": {"latency_ms": "cannot_tell"}}));

    app.keeper
        .lock()
        .unwrap()
        .tick(&app.registry, Until::Step, Moment { at: now, ..Moment::now() })
        .unwrap();
    let opened = app.registry.host(&id).unwrap();
    // So much later that memory holds the last of them only.
    let later = Timestamp::from_unix_ms(now.unix_ms() + 590_000);
    let session = opened.session.as_ref().unwrap().id.clone();
    let moment = Moment { at: later, ..Moment::now() };
    let sample = crate::registry::testing::sample();
    app.registry.record_sample(&host_id(1), &session, sample, moment).unwrap();
    let beats = app.get(&format!("{path}?minutes=30&unknown=1")).await.body;
    let beats = beats["heartbeats"].as_array().unwrap();
    let n_minutes = beats.iter().filter(|beat| beat["meta"]["seq"].is_null()).count();
    assert!((9..=11).contains(&n_minutes), "{beats:?}");
    assert_eq!(beats[0]["meta"]["missing"]["seq"], "not_supported");
    let at: Vec<&str> = beats.iter().map(|beat| beat["at"].as_str().unwrap()).collect();
    assert!(at.is_sorted(), "{at:?}");
    assert_eq!(app.get(&format!("{path}?minutes=soon")).await.field(), "minutes");
}
