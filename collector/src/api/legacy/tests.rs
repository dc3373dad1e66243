//! Old clients against the whole API: their shapes, word for word.

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::testing::{Answer, App};
use crate::registry::moment::Moment;
use crate::registry::testing::*;

fn form() -> Value {
    json!({
        "name": "test-service", "type": "model", "role": "experimental",
        "url": "http://127.0.0.1:8888", "caps": ["infer"], "labels": {}, "ctx_limit": 32768,
        "cost_hint_usd_per_1k": 0.1, "heartbeat_interval_s": 60, "ttl_s": 90,
    })
}

async fn register(app: &App, form: &Value) -> String {
    let answer = app.post("/register", form.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body["registered_at"].is_string());
    assert_eq!(answer.body.as_object().unwrap().len(), 2);
    answer.body["service_id"].as_str().unwrap().to_owned()
}

async fn put(app: &App, body: Value) -> Answer {
    app.send(Method::PUT, "/heartbeat", &[], &body.to_string()).await
}

async fn discovered(app: &App, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/discover{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let services = answer.body["services"].as_array().unwrap();
    services.iter().map(|service| service["service_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_same_name_type_and_url_are_the_same_service() {
    let app = App::new();
    let id = register(&app, &form()).await;
    assert_eq!(id.len(), 36, "a UUID");
    let mut same = form();
    same["caps"] = json!(["infer", "embed"]);
    same["what_nobody_knows"] = json!({"deep": [1, 2]});
    assert_eq!(register(&app, &same).await, id);
    let mut other = form();
    other["url"] = json!("http://127.0.0.1:8889");
    assert_ne!(register(&app, &other).await, id);
    // It is the one that the new paths list.
    let service = app.get(&format!("/api/v1/services/{id}")).await.body;
    assert_eq!((&service["sources"], &service["check"]), (&json!(["self"]), &json!("heartbeat")));
    assert_eq!(service["caps"], json!(["embed", "infer"]));
}

#[tokio::test]
async fn an_entry_has_the_old_names_beside_the_new_ones() {
    let app = App::new();
    let id = register(&app, &form()).await;
    let entry = app.get(&format!("/services/{id}")).await.body;
    for (name, value) in form().as_object().unwrap() {
        assert_eq!(&entry[name], value, "{name}");
    }
    assert_eq!((&entry["service_id"], &entry["id"]), (&json!(id), &json!(id)));
    assert_eq!(entry["status"], "ok");
    assert!(entry["last_heartbeat_ts"].is_string());
    assert_eq!(entry["last_heartbeat_ts"], entry["last_heartbeat"]);
    assert!(entry["registered_at"].is_string());
    assert_eq!([&entry["p95_ms"], &entry["queue_depth"], &entry["load"]], [&Value::Null; 3]);
    let told = json!({"service_id": id, "status": "degraded", "p95_ms": 123.4, "queue_depth": 2,
                      "load": 0.35, "uptime": 3});
    let taken = put(&app, told).await;
    assert_eq!((taken.status, &taken.body["status"]), (200, &json!("degraded")));
    let all = app.get("/services").await.body;
    let entry = &all["services"][0];
    assert_eq!(entry["status"], "degraded");
    let told = [&entry["p95_ms"], &entry["queue_depth"], &entry["load"]];
    assert_eq!(told, [&json!(123.4), &json!(2), &json!(0.35)]);
    let new = app.get(&format!("/api/v1/services/{id}")).await.body;
    let names = new.as_object().unwrap().keys();
    assert!(names.into_iter().all(|name| entry.as_object().unwrap().contains_key(name)));
}

#[tokio::test]
async fn only_what_can_be_used_is_discovered() {
    let app = App::new();
    let (well, mut other) = (register(&app, &form()).await, form());
    other["name"] = json!("other");
    other["role"] = json!("canary");
    let unwell = register(&app, &other).await;
    put(&app, json!({"service_id": unwell, "status": "degraded"})).await;
    let mut both = [well.clone(), unwell.clone()];
    both.sort();
    assert_eq!(discovered(&app, "").await, both);
    assert_eq!(
        discovered(&app, "?name=&type=&role=&cap=").await,
        both,
        "what is empty is not said"
    );
    assert_eq!(discovered(&app, "?name=other").await, [unwell.as_str()]);
    assert_eq!(
        discovered(&app, "?role=canary&type=model&cap=infer&zone=a").await,
        [unwell.as_str()]
    );
    assert!(discovered(&app, "?cap=embed").await.is_empty());
    let refused = app.get("/discover?role=boss").await;
    assert_eq!((refused.status, refused.field()), (422, "role"));
    for id in [&well, &unwell] {
        app.post(&format!("/api/v1/services/{id}/drain"), json!({})).await;
    }
    assert!(discovered(&app, "").await.is_empty(), "who drains is left alone, however it does");
    let entry = app.get(&format!("/services/{well}")).await.body;
    assert_eq!(entry["status"], "degraded", "draining reads degraded");
}

#[tokio::test]
async fn statuses_that_old_clients_do_not_know_read_down() {
    let app = App::new();
    let probed = json!({"name": "probed", "type": "model", "url": "http://127.0.0.1:1"});
    app.post("/api/v1/services", probed).await;
    let id = register(&app, &form()).await;
    let entry = app.get("/services/127.0.0.1%3A1").await.body;
    assert_eq!(entry["status"], "down", "unknown");
    assert_eq!(discovered(&app, "").await, [id]);
    let stats = app.get("/stats").await.body;
    let expected = json!({
        "total_services": 2, "healthy_services": 1, "degraded_services": 0, "down_services": 0,
        "unknown_services": 1, "unhealthy_services": 0, "draining_services": 0,
        "last_check": stats["last_check"],
    });
    assert_eq!(stats, expected);
    assert!(stats["last_check"].is_string());
    assert!(App::new().get("/stats").await.body["last_check"].is_null());
}

#[tokio::test]
async fn who_is_promoted_or_takes_leave_is_so_everywhere() {
    let app = App::new();
    let id = register(&app, &form()).await;
    let promotion = json!({"service_id": id, "role": "production", "by": "me"});
    let promoted = app.post("/promote", promotion).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("production")));
    assert_eq!(promoted.body["service_id"], id);
    assert_eq!(discovered(&app, "?role=production").await, [id.as_str()]);
    // What a person decided outlasts what it says of itself.
    register(&app, &form()).await;
    assert_eq!(discovered(&app, "?role=production").await, [id.as_str()]);
    let left = app.post("/deregister", json!({"service_id": id, "why": "done"})).await;
    assert_eq!((left.status, &left.body["service_id"]), (200, &json!(id)));
    assert!(left.body["deregistered_at"].is_string());
    assert_eq!(app.get("/services").await.body, json!({"services": []}));
    assert_eq!(app.get(&format!("/services/{id}")).await.status, 404);
    let beat = put(&app, json!({"service_id": id})).await;
    assert_eq!(beat.status, 404);
    assert!(beat.body["detail"].as_str().unwrap().contains("register again"));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = App::new();
    let id = register(&app, &form()).await;
    let without = |field: &str| {
        let mut form = form();
        form.as_object_mut().unwrap().remove(field);
        form
    };
    for field in ["name", "type", "url"] {
        let refused = app.post("/register", without(field)).await;
        assert_eq!((refused.status, refused.field()), (422, field));
    }
    let mut late = form();
    late["ttl_s"] = json!(30);
    for (path, body, field) in [
        ("/register", late, "ttl_s"),
        ("/promote", json!({"service_id": id, "role": "boss"}), "role"),
        ("/promote", json!({"role": "canary"}), "service_id"),
        ("/deregister", json!({}), "service_id"),
    ] {
        let refused = app.post(path, body).await;
        assert_eq!((refused.status, refused.field()), (422, field), "{path}");
    }
    let refused = put(&app, json!({"service_id": id, "status": "down"})).await;
    assert_eq!((refused.status, refused.field()), (422, "status"));
    let unknown = json!({"service_id": "nobody", "role": "canary"});
    for path in ["/promote", "/deregister"] {
        assert_eq!(app.post(path, unknown.clone()).await.status, 404, "{path}");
    }
}

/// Old clients that say nothing of what they send would be taken for a web page's form.
#[tokio::test]
async fn a_body_says_that_it_is_json_here_too() {
    let app = App::new();
    let body = form().to_string();
    let length = body.len().to_string();
    let none = [("content-length", length.as_str())];
    for kind in [None, Some("application/x-www-form-urlencoded"), Some("text/plain")] {
        let kind = kind.map(|kind| ("content-type", kind));
        let headers: Vec<_> = none.into_iter().chain(kind).collect();
        let refused = app.send_as(Method::POST, "/register", &headers, &body).await;
        assert_eq!((refused.status, refused.field()), (415, "Content-Type"), "{kind:?}");
        assert_eq!(refused.body["expected"], "application/json");
    }
}

#[tokio::test]
async fn what_an_agent_reports_is_listed_and_stays() {
    let app = App::new();
    let opened = connect(&app.registry, 1, Moment::now());
    app.registry.take_sample(&opened, sample(), Moment::now());
    let found = service("127.0.0.1", 11_434, vec![model("llama3:latest", false)]);
    app.registry.take_inventory(&opened, vec![found], Moment::now());
    let entry = app.get("/services/gpu-1%3A11434").await.body;
    assert_eq!((&entry["status"], &entry["type"]), (&json!("ok"), &json!("model")));
    assert_eq!(discovered(&app, "?type=model").await, ["gpu-1:11434"]);
    let refused = app.post("/deregister", json!({"service_id": "gpu-1:11434"})).await;
    assert_eq!(refused.status, 409);
    let refused = put(&app, json!({"service_id": "gpu-1:11434"})).await;
    assert_eq!(refused.status, 409);
    let graph = app.get("/api/graph").await;
    assert_eq!(graph.body, app.get("/api/v1/graph").await.body);
    let links = graph.body["links"].as_array().unwrap();
    let types: Vec<_> = links.iter().map(|link| link["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["session", "runs", "serves"]);
    assert!(links[0]["session_id"].is_string());
}
