//! A process registers itself and is found for as long as it beats.

use std::collections::BTreeSet;
use std::time::Duration;

use herdbook_tests::harness::{Fleet, Rest, encoded, law, throughout};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Beats are judged every second instead of every 30.
const QUICK: &str = "[checks]\njudge_every_s = 1\n";
const WITHIN: Duration = Duration::from_secs(20);

/// What a tool says of itself.
fn form(name: &str, interval_s: u64, ttl_s: u64) -> Value {
    json!({
        "name": name, "type": "tool", "url": "http://127.0.0.1:8888/search", "role": "canary",
        "caps": ["search", "summarise"], "labels": {"team": "a"}, "priority": 3,
        "ctx_limit": 32_768, "cost_hint_usd_per_1k": 0.1,
        "heartbeat_interval_s": interval_s, "ttl_s": ttl_s,
    })
}

async fn register(rest: &Rest, form: &Value) -> String {
    let (status, service) = rest.post("/api/v1/services", form).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    service["id"].as_str().expect("an id").to_owned()
}

/// The ids that a query finds.
async fn found(rest: &Rest, query: &str) -> Vec<String> {
    let answer = rest.get(&format!("/api/v1/services?{query}")).await;
    let services = answer["services"].as_array().cloned().unwrap_or_default();
    services.iter().map(|service| service["id"].as_str().unwrap_or("?").to_owned()).collect()
}

async fn beat(rest: &Rest, id: &str, body: Value) -> (StatusCode, Value) {
    rest.put(&format!("/api/v1/services/{}/heartbeat", encoded(id)), &body).await
}

async fn promote(rest: &Rest, id: &str, role: &str) -> (StatusCode, Value) {
    rest.post(&format!("/api/v1/services/{id}/promote"), &json!({"role": role})).await
}

#[tokio::test]
async fn a_process_that_registers_is_found_by_what_it_says() {
    let fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let (status, service) = rest.post("/api/v1/services", &form("finder", 60, 90)).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    let id = service["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 36, "a UUID: {id}");
    for (key, expected) in [
        ("name", json!("finder")),
        ("type", json!("tool")),
        ("role", json!("canary")),
        ("status", json!("healthy")),
        ("check", json!("heartbeat")),
        ("sources", json!(["self"])),
        ("labels", json!({"team": "a"})),
        ("priority", json!(3)),
        ("ctx_limit", json!(32_768)),
        ("cost_hint_usd_per_1k", json!(0.1)),
        ("heartbeat_interval_s", json!(60)),
        ("ttl_s", json!(90)),
        ("host_id", Value::Null),
    ] {
        assert_eq!(service[key], expected, "{key}: {service}");
    }
    assert!(service["last_heartbeat"].is_string(), "registering is the first beat: {service}");

    for query in ["cap=search", "role=canary", "label=team=a", "type=tool", "name=finder"] {
        assert_eq!(found(&rest, query).await, [id.as_str()], "{query}");
    }
    for query in ["cap=infer", "role=production", "label=team=b", "type=model", "name=find"] {
        assert_eq!(found(&rest, query).await, Vec::<String>::new(), "{query}");
    }

    // The same process again is the same service; another URL is another.
    let (status, again) = rest.post("/api/v1/services", &form("finder", 60, 90)).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &json!(id)));
    let only_new = [("if-none-match", "*")];
    let form = form("finder", 60, 90);
    let (status, problem) =
        rest.send(Method::POST, "/api/v1/services", &only_new, Some(&form)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let mut elsewhere = form.clone();
    elsewhere["url"] = json!("http://127.0.0.1:8889/search");
    assert_ne!(register(&rest, &elsewhere).await, id);
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.services.len(), 2);
}

#[tokio::test]
async fn what_a_beat_says_is_what_it_is_shown_as() {
    let fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let id = register(&rest, &form("finder", 60, 90)).await;
    let unwell = json!({"status": "degraded", "p95_ms": 123.4, "queue_depth": 2, "load": 0.35});
    let (status, _) = beat(&rest, &id, unwell).await;
    assert!(status.is_success(), "{status}");
    let service = rest.service(&id).await;
    assert_eq!(service["status"], "degraded", "{service}");
    let told = [&service["p95_ms"], &service["queue_depth"], &service["load"]];
    assert_eq!(told, [&json!(123.4), &json!(2), &json!(0.35)], "{service}");
    let (status, _) = beat(&rest, &id, json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}");
    assert_eq!(rest.service(&id).await["status"], "healthy");

    for role in ["production", "staging"] {
        let (status, service) = promote(&rest, &id, role).await;
        assert_eq!(status, StatusCode::OK, "{service}");
        assert_eq!(rest.service(&id).await["role"], role);
    }
    let drain = format!("/api/v1/services/{id}/drain");
    let (status, service) = rest.post(&drain, &json!({"drain": true})).await;
    assert_eq!(status, StatusCode::OK, "{service}");
    assert_eq!(rest.service(&id).await["status"], "draining");
    // It goes on beating while it empties.
    beat(&rest, &id, json!({"status": "ok"})).await;
    assert_eq!(rest.service(&id).await["status"], "draining");
    let (status, _) = rest.post(&drain, &json!({"drain": false})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(rest.service(&id).await["status"], "healthy");

    law::holds(&viewer, &rest).await;
    let expected = [
        "service.registered",
        "service.degraded",
        "service.healthy",
        "service.promoted",
        "service.promoted",
        "service.draining",
        "service.changed",
    ];
    let seen = viewer.changes_of_service(&id);
    assert_eq!(seen[..6], expected[..6], "{seen:?}");
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[tokio::test]
async fn who_falls_silent_is_down_then_deregistered_and_a_beat_brings_it_back() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let id = register(&rest, &form("finder", 1, 1)).await;
    let down = viewer.tells(&id, "service.down", WITHIN).await;
    assert!(down["cause"].as_str().is_some_and(|cause| cause.contains("missed")), "{down}");
    assert_eq!(down["data"]["status"], "down", "{down}");
    let gone = viewer.tells(&id, "service.deregistered", WITHIN).await;
    assert!(gone["data"].is_null(), "{gone}");
    assert_eq!(found(&rest, "cap=search").await, Vec::<String>::new());
    let seen = viewer.changes_of_service(&id);
    assert_eq!(seen, ["service.registered", "service.down", "service.deregistered"]);
    law::holds(&viewer, &rest).await;

    let (status, answer) = beat(&rest, &id, json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}: {answer}");
    let back = rest.service(&id).await;
    assert_eq!((&back["status"], &back["role"]), (&json!("healthy"), &json!("canary")), "{back}");
    assert_eq!(back["labels"], json!({"team": "a"}), "all that it said is back: {back}");
    assert_eq!(found(&rest, "cap=search").await, [id.as_str()]);
    let seen = viewer.changes_of_service(&id);
    assert!(seen.len() > 3 && seen[3].starts_with("service."), "{seen:?}");

    // Down alone needs one beat, too.
    let is_down = |service: &Value| service["status"] == "down";
    rest.service_is(&id, "down again", WITHIN, is_down).await;
    beat(&rest, &id, json!({"status": "ok"})).await;
    assert_eq!(rest.service(&id).await["status"], "healthy");
    law::holds(&viewer, &rest).await;

    let unknown = "6f1c2a1e-0000-4000-8000-000000000000";
    let (status, problem) = beat(&rest, unknown, json!({"status": "ok"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("register")), "{problem}");
}

#[tokio::test]
async fn who_takes_leave_is_gone() {
    let fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let id = register(&rest, &form("finder", 60, 90)).await;
    let (status, answer) = rest.delete(&format!("/api/v1/services/{id}")).await;
    assert!(status.is_success(), "{status}: {answer}");
    assert_eq!(rest.services().await, Vec::<Value>::new());
    // A person, or the process itself, took it out: no beat undoes that.
    let (status, _) = beat(&rest, &id, json!({"status": "ok"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    law::holds(&viewer, &rest).await;
    let seen = viewer.changes_of_service(&id);
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn a_crash_of_the_collector_forgets_no_registration() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let id = register(&rest, &form("finder", 60, 90)).await;
    promote(&rest, &id, "production").await;
    fleet.restart_collector().await;

    let viewer = fleet.viewer().await;
    let restored = rest.service(&id).await;
    assert_eq!((&restored["unconfirmed"], &restored["status"]), (&json!(true), &json!("healthy")));
    assert_eq!((&restored["role"], &restored["name"]), (&json!("production"), &json!("finder")));
    let (status, _) = beat(&rest, &id, json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}");
    let confirmed = rest.service(&id).await;
    assert_eq!(
        (&confirmed["unconfirmed"], &confirmed["status"]),
        (&json!(false), &json!("healthy"))
    );
    let (status, again) = rest.post("/api/v1/services", &form("finder", 60, 90)).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &json!(id)));
    // What a person decided outlasts what the process says of itself.
    assert_eq!(again["role"], "production", "{again}");
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn a_collector_that_was_away_deregisters_nobody() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let id = register(&rest, &form("finder", 5, 5)).await;
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    fleet.collector().kill9().await;
    // Longer than three of its beats.
    throughout("the collector is away", Duration::from_secs(16), async || Ok(())).await;
    fleet.restart_collector().await;
    let kept = async || match rest.service(&id).await {
        service if service["status"] == "healthy" => Ok(()),
        service => Err(service.to_string()),
    };
    throughout("the silence of before counts for nothing", Duration::from_secs(4), kept).await;
    let is_down = |service: &Value| service["status"] == "down";
    rest.service_is(&id, "judged anew", WITHIN, is_down).await;
}

#[tokio::test]
async fn who_was_deregistered_before_a_crash_is_back_with_its_next_beat() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let id = register(&rest, &form("finder", 1, 1)).await;
    viewer.tells(&id, "service.deregistered", WITHIN).await;
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    fleet.restart_collector().await;
    assert_eq!(rest.services().await, Vec::<Value>::new(), "it is not listed again by itself");
    let (status, answer) = beat(&rest, &id, json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}: {answer}");
    let back = rest.service(&id).await;
    assert_eq!((&back["name"], &back["status"]), (&json!("finder"), &json!("healthy")), "{back}");

    // Who registers again instead of beating is the same, once.
    let viewer = fleet.viewer().await;
    viewer.tells(&id, "service.deregistered", WITHIN).await;
    assert_eq!(register(&rest, &form("finder", 1, 1)).await, id);
    beat(&rest, &id, json!({"status": "ok"})).await;
    assert_eq!(rest.services().await.len(), 1);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn many_that_register_the_same_at_once_are_one() {
    let fleet = Fleet::start().await;
    let (rest, viewer, page) = (fleet.rest(), fleet.viewer().await, fleet.page().await);
    let mut processes = JoinSet::new();
    for n in 0..60 {
        let rest = rest.clone();
        let name = format!("finder-{}", n % 3);
        processes.spawn(async move {
            let (status, service) = rest.post("/api/v1/services", &form(&name, 60, 90)).await;
            let id = service["id"].as_str().expect("an id").to_owned();
            let well = if n % 2 == 0 { "ok" } else { "degraded" };
            beat(&rest, &id, json!({"status": well})).await;
            promote(&rest, &id, if n % 4 < 2 { "canary" } else { "staging" }).await;
            (status, id)
        });
    }
    let registered = processes.join_all().await;
    let n_new = registered.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
    let ids: BTreeSet<&String> = registered.iter().map(|(_, id)| id).collect();
    assert_eq!((n_new, ids.len()), (3, 3), "{registered:?}");
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.services.keys().collect::<BTreeSet<_>>(), ids);
    law::holds(&page, &rest).await;
}
