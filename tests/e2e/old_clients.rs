//! Clients that know nothing of `/api/v1`, in the shapes that they know, with the real curl.
//! Time is shortened by configuration alone.

use std::path::Path;
use std::time::Duration;

use herdbook_tests::harness::{Curl, Fleet, encoded, eventually};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Beats are judged every second instead of every 30.
const QUICK: &str = "[checks]\njudge_every_s = 1\n";
/// How often the service of these stories beats, seconds: down after two of them, gone after three.
const INTERVAL_S: u64 = 3;
const WITHIN: Duration = Duration::from_secs(30);

fn form() -> Value {
    json!({
        "name": "test-service", "type": "model", "role": "experimental",
        "url": "http://127.0.0.1:8888", "caps": ["infer"], "labels": {}, "ctx_limit": 32768,
        "cost_hint_usd_per_1k": 0.1, "heartbeat_interval_s": INTERVAL_S, "ttl_s": INTERVAL_S + 1,
    })
}

async fn register(curl: &Curl) -> String {
    let (status, answer) = curl.send("POST", "/register", &form().to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer["registered_at"].is_string(), "{answer}");
    answer["service_id"].as_str().expect("an id").to_owned()
}

async fn beat(curl: &Curl, id: &str, mut figures: Value) -> (StatusCode, Value) {
    figures["service_id"] = json!(id);
    curl.send("PUT", "/heartbeat", &figures.to_string()).await
}

async fn discovered(curl: &Curl, query: &str) -> Vec<Value> {
    let answer = curl.get(&format!("/discover{query}")).await;
    answer["services"].as_array().expect("a list").clone()
}

/// Waits until `GET {path}` answers so.
async fn answers(
    curl: &Curl,
    path: &str,
    what: &str,
    is_so: impl Fn(StatusCode, &Value) -> bool,
) -> Value {
    let look = async || match curl.ask(path, &[]).await {
        (status, body) if is_so(status, &body) => Ok(body),
        (status, body) => Err(format!("{status}: {body}")),
    };
    eventually(&format!("{path}: {what}"), WITHIN, look).await
}

#[tokio::test]
async fn a_service_walks_from_its_registration_to_its_end() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let curl = fleet.curl();
    assert_eq!(curl.get("/health").await["status"], "ok");

    // Register: the same name, type and URL are the same service.
    let id = register(&curl).await;
    assert_eq!(id.len(), 36, "a UUID: {id}");
    assert_eq!(register(&curl).await, id);

    // Discover.
    for query in ["", "?name=test-service", "?type=model&role=experimental", "?cap=infer"] {
        let services = discovered(&curl, query).await;
        assert_eq!((services.len(), &services[0]["service_id"]), (1, &json!(id)), "{query}");
        assert_eq!(services[0]["status"], "ok", "{query}");
    }
    assert!(discovered(&curl, "?cap=embed").await.is_empty());

    // Beat.
    let figures = json!({"status": "degraded", "p95_ms": 123.4, "queue_depth": 2, "load": 0.35});
    let (status, answer) = beat(&curl, &id, figures.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let entry = curl.get(&format!("/services/{id}")).await;
    for (name, value) in figures.as_object().expect("an object") {
        assert_eq!(&entry[name], value, "{name}: {entry}");
    }
    assert!(entry["last_heartbeat_ts"].is_string() && entry["registered_at"].is_string());
    assert_eq!(discovered(&curl, "").await.len(), 1, "degraded ones, too");
    assert_eq!(curl.get("/stats").await["degraded_services"], 1);

    // Promote.
    let promotion = json!({"service_id": id, "role": "production"}).to_string();
    let (status, answer) = curl.send("POST", "/promote", &promotion).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(discovered(&curl, "?role=production").await.len(), 1);

    // A crash of the collector forgets none of it.
    fleet.restart_collector().await;
    let entry = curl.get(&format!("/services/{id}")).await;
    assert_eq!((&entry["role"], &entry["name"]), (&json!("production"), &json!("test-service")));
    let (status, answer) = beat(&curl, &id, json!({"status": "ok"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(discovered(&curl, "?role=production").await[0]["status"], "ok");
    assert_eq!(register(&curl).await, id);

    // Silence: first it is down, and everybody can see it.
    let path = format!("/services/{id}");
    answers(&curl, &path, "down", |_, entry| entry["status"] == "down").await;
    assert!(discovered(&curl, "").await.is_empty());
    let stats = curl.get("/stats").await;
    let counts = [&stats["total_services"], &stats["down_services"], &stats["healthy_services"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0)], "{stats}");
    assert!(stats["last_check"].is_string(), "{stats}");

    // Then it is gone.
    answers(&curl, &path, "gone", |status, _| status == StatusCode::NOT_FOUND).await;
    assert_eq!(curl.get("/services").await, json!({"services": []}));

    // A beat brings it back as it was; leave brings no beat back.
    let (status, answer) = beat(&curl, &id, json!({"status": "ok"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(discovered(&curl, "?role=production").await.len(), 1);
    told_of_silence(&curl, fleet.dir(), &id).await;
    let leave = json!({"service_id": id}).to_string();
    let (status, answer) = curl.send("POST", "/deregister", &leave).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(discovered(&curl, "").await.is_empty());
    let (status, answer) = beat(&curl, &id, json!({"status": "ok"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("register again"), "{answer}");
}

/// What `/alerts` and the log say of a service that fell silent, and came back.
async fn told_of_silence(curl: &Curl, dir: &Path, id: &str) {
    let expected = [
        ("service_down", Some(2), "marked_down"),
        ("service_deregistered", Some(3), "deregistered"),
        ("service_recovered", None, "restored"),
    ];
    let is_told = |answer: &Value| {
        let alerts = answer["alerts"].as_array().into_iter().flatten();
        alerts.filter(|alert| alert["service_id"] == id).count() == expected.len()
    };
    let answer = answers(curl, "/alerts", "all three", |_, answer| is_told(answer)).await;
    let alerts = answer["alerts"].as_array().expect("a list");
    for (alert, (alert_type, missed_beats, action)) in alerts.iter().zip(expected) {
        let (missed, seen, ts) = (&alert["missed_beats"], &alert["last_seen"], &alert["ts"]);
        assert!(seen.is_string() && ts.is_string(), "{alert}");
        let missed_beats = missed_beats.map_or_else(|| missed.clone(), |missed| json!(missed));
        let whole = json!({
            "alert_type": alert_type, "service_id": id, "service_name": "test-service",
            "missed_beats": missed_beats, "last_seen": seen, "action": action, "ts": ts,
        });
        assert_eq!(alert, &whole);
    }
    let look = async || match logged(&dir.join("data/events")) {
        lines if lines == *alerts => Ok(()),
        lines => Err(format!("{lines:?}")),
    };
    eventually("the same objects in the log", WITHIN, look).await;
}

/// The lines of the log of heartbeats, in order: a day's file at a time.
fn logged(dir: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(dir).map(|entries| entries.flatten().collect::<Vec<_>>());
    let mut files: Vec<_> = entries.unwrap_or_default().iter().map(|entry| entry.path()).collect();
    files.sort();
    let is_log = |path: &&std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let day = name.strip_prefix("heartbeat_alerts_").and_then(|n| n.strip_suffix(".jsonl"));
        day.is_some_and(|day| day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let texts = files.iter().filter(is_log).map(std::fs::read_to_string);
    let texts: Vec<String> = texts.map(|text| text.expect("a readable log")).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str(line).expect("JSON in each line")).collect()
}

#[tokio::test]
async fn a_registration_without_the_word_json_is_refused_clearly() {
    let fleet = Fleet::start().await;
    let curl = fleet.curl();
    let form = form().to_string();
    // What curl sends by itself is a web page's form, which any page may send.
    let (status, problem) = curl.ask("/register", &["--data", &form]).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{problem}");
    assert_eq!(
        (&problem["field"], &problem["expected"]),
        (&json!("Content-Type"), &json!("application/json"))
    );
    let (status, _) = curl.ask("/register", &["--json", &form]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn hosts_are_nodes_with_their_beats_and_a_graph() {
    let mut fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let host = SimulatedHost::from_seed(1).having(1, 2).named("gpu-1");
    fleet.simulate(host.clone()).await;
    let is_online = |host: &Value| host["status"] == "online" && host["services"][0].is_string();
    rest.host_is(&host.host_id, "online", WITHIN, is_online).await;

    let graph = curl.get("/api/graph").await;
    let of = |list: &str, kind: &str, word: &str| -> Vec<Value> {
        let entries = graph[list].as_array().into_iter().flatten();
        entries.filter(|entry| entry[kind] == word).cloned().collect()
    };
    let node = &of("nodes", "kind", "host")[0];
    let expected = json!({"id": host.host_id, "name": "gpu-1", "kind": "host", "role": "worker",
        "status": "online", "domain": null});
    assert_eq!(node, &expected);
    let session = &of("links", "type", "session")[0];
    assert_eq!(
        (&session["source"], &session["target"]),
        (&json!(host.host_id), &json!("collector"))
    );
    assert!(session["session_id"].is_string(), "{session}");
    let runs = &of("links", "type", "runs")[0];
    assert_eq!((&runs["source"], &runs["target"]), (&json!(host.host_id), &json!("gpu-1:11434")));
    assert_eq!(of("links", "type", "serves").len(), 2, "{graph}");
    let found = discovered(&curl, "?type=model").await;
    assert_eq!((found.len(), &found[0]["name"]), (1, &json!("gpu-1")));
    let service = curl.get(&format!("/services/{}", encoded("gpu-1:11434"))).await;
    assert_eq!((&service["status"], &service["service_id"]), (&json!("ok"), &json!("gpu-1:11434")));
    told_as_node(&curl, &host.host_id).await;
}

/// What `/api/nodes` says of one host that is online.
async fn told_as_node(curl: &Curl, id: &str) {
    let nodes = curl.get("/api/nodes").await;
    let node = &nodes["nodes"][0];
    let expected = json!({"id": id, "name": "gpu-1", "role": "worker", "status": "online",
        "domain": null, "last_seen": node["last_seen"]});
    assert_eq!(nodes, json!({ "nodes": [expected] }));
    assert!(node["last_seen"].is_string(), "{node}");
    for (query, n_nodes) in
        [("?status=online&role=worker", 1), ("?status=offline", 0), ("?role=x", 0)]
    {
        let nodes = curl.get(&format!("/api/nodes{query}")).await;
        assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(n_nodes), "{query}: {nodes}");
    }
    let one = curl.get(&format!("/api/nodes/{id}")).await;
    assert_eq!((&one["id"], &one["status"]), (&json!(id), &json!("online")), "{one}");
    let path = format!("/api/nodes/{id}/heartbeats?minutes=60");
    let has_some =
        |answer: &Value| answer["heartbeats"].as_array().is_some_and(|all| all.len() > 2);
    let answer = answers(curl, &path, "some beats", |_, answer| has_some(answer)).await;
    for beat in answer["heartbeats"].as_array().expect("a list") {
        assert!(beat["at"].is_string() && beat["status"].is_string(), "{beat}");
        assert!(beat["cpu_load"].is_number() && beat["mem_used_mb"].is_number(), "{beat}");
        assert!(beat["latency_ms"].is_number() || beat["latency_ms"].is_null(), "{beat}");
        let meta = beat["meta"].as_object().expect("an object");
        assert!(meta.contains_key("seq") && meta.contains_key("missing"), "{beat}");
    }
    let (status, _) = curl.ask("/api/nodes/nobody", &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
