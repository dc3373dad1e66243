//! Pick, leases and the graph as programs ask for them, over the guarded routes.

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::testing::{Answer, App};
use crate::registry::pick::fleet::{Fleet, id};
use crate::registry::service::ServiceStatus;
use crate::registry::testing::host_id;

use super::*;

impl App {
    async fn lease(&self, body: &Value) -> Answer {
        self.post("/api/v1/leases", body.clone()).await
    }

    async fn give_back(&self, lease: &str, query: &str) -> Answer {
        self.delete(&format!("/api/v1/leases/{lease}{query}")).await
    }
}

fn assert_field(answer: &Answer, field: &str) {
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["field"], field, "{answer:?}");
    assert!(answer.body["expected"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn a_pick_tells_where_why_what_else_and_why_not() {
    let fleet = Fleet::with_cold(&[1, 2, 3]);
    fleet.edit(3, |entry| entry.status = ServiceStatus::Unhealthy);
    fleet.entry(2).live.begin_request();
    let app = App::of(fleet.registry);
    let answer = app.get("/api/v1/pick?model=m").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let why = json!(["cold", "fits in 0.0 GB of free VRAM", "0 pending"]);
    let other = json!(["cold", "fits in 0.0 GB of free VRAM", "1 pending"]);
    let expected = json!({
        "model": "m",
        "service": {"id": id(1), "url": "http://10.0.0.1:11434", "host_id": host_id(1),
                    "model": "m"},
        "why": why,
        "alternatives": [{"id": id(2), "url": "http://10.0.0.2:11434", "host_id": host_id(2),
                          "model": "m", "why": other}],
        "rejected": [{"id": id(3), "why": "unhealthy"}],
        "considered": 3,
    });
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn where_nothing_can_be_used_it_is_told_why_and_what_to_do() {
    let fleet = Fleet::with_cold(&[1]);
    fleet.edit_facts(1, |facts| facts.drain = true);
    let app = App::of(fleet.registry);
    let by_lease = app.lease(&json!({"model": "m"})).await;
    for answer in [app.get("/api/v1/pick?model=m").await, by_lease] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["type"], "urn:herdbook:not_found");
        assert_eq!(answer.body["rejected"][0]["id"], id(1));
        assert!(answer.body["rejected"][0]["why"].as_str().unwrap().starts_with("draining"));
        assert_eq!(answer.body["considered"], 1);
    }
    let none = app.get("/api/v1/pick?model=nothing").await;
    assert_eq!((none.status, &none.body["rejected"]), (404, &json!([])));
    assert!(none.body["detail"].as_str().unwrap().contains("/api/v1/models"), "{none:?}");
}

#[tokio::test]
async fn a_parameter_of_a_pick_that_is_wrong_is_named() {
    let app = App::of(Fleet::with_cold(&[1]).registry);
    for (query, field) in [
        ("", "model"),
        ("role=production", "model"),
        ("model=", "model"),
        ("model=m&from=nowhere", "from"),
        ("model=m&role=boss", "role"),
        ("model=m&type=car", "type"),
        ("model=m&cap=", "cap"),
        ("model=m&min_ctx=-1", "min_ctx"),
    ] {
        assert_field(&app.get(&format!("/api/v1/pick?{query}")).await, field);
    }
    let from = app.get("/api/v1/pick?model=m&from=gpu-1").await;
    assert_eq!(from.status, 200);
}

#[tokio::test]
async fn a_lease_is_taken_listed_and_given_back() {
    let app = App::of(Fleet::with_cold(&[1, 2]).registry);
    let taken = app.lease(&json!({"model": "m", "ttl_s": 60, "vram_bytes": 50})).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(taken.body["service"]["id"], id(1));
    assert_eq!(taken.body["service"]["url"], "http://10.0.0.1:11434");
    assert_eq!(taken.body["why"][0], "cold");
    assert_eq!(taken.body["vram_bytes"], 50);
    let named = app.lease(&json!({"service_id": id(2)})).await;
    assert_eq!((named.status, &named.body["model"]), (201, &Value::Null));
    let list = app.get("/api/v1/leases?limit=1").await;
    let lease = taken.body["lease_id"].as_str().unwrap();
    assert_eq!(list.body["leases"][0]["id"], lease);
    assert_eq!(list.body["leases"][0]["expires_at"], taken.body["expires_at"]);
    assert_eq!(list.body["next_cursor"], lease);
    let rest = app.get(&format!("/api/v1/leases?cursor={lease}")).await;
    assert_eq!(rest.body["leases"][0]["id"], named.body["lease_id"]);
    assert_eq!(rest.body["leases"].as_array().unwrap().len(), 1);
    let back = app.give_back(lease, "?latency_ms=812&outcome=ok").await;
    assert_eq!(back.status, 204);
    let service = app.get(&format!("/api/v1/services/{}", id(1))).await;
    assert_eq!((&service.body["pending"], &service.body["total"]), (&json!(0), &json!(1)));
    assert_eq!(service.body["latency_ms_avg"], 812);
    let again = app.give_back(lease, "").await;
    assert_eq!((again.status, &again.body["type"]), (404, &json!("urn:herdbook:not_found")));
}

#[tokio::test]
async fn leases_are_listed_of_one_service() {
    let app = App::of(Fleet::with_cold(&[1, 2]).registry);
    let mut of_second = Vec::new();
    for number in [1, 2, 2, 1, 2] {
        let taken = app.lease(&json!({"service_id": id(number)})).await;
        if number == 2 {
            of_second.push(taken.body["lease_id"].clone());
        }
    }
    let ask = format!("/api/v1/leases?service={}", id(2));
    let ids = |body: &Value| -> Vec<Value> {
        let leases = body["leases"].as_array().unwrap();
        leases.iter().map(|lease| lease["id"].clone()).collect()
    };
    let all = app.get(&ask).await.body;
    assert_eq!((ids(&all), &all["next_cursor"]), (of_second.clone(), &Value::Null));
    let first = app.get(&format!("{ask}&limit=2")).await.body;
    assert_eq!((&ids(&first)[..], &first["next_cursor"]), (&of_second[..2], &of_second[1]));
    let cursor = of_second[1].as_str().unwrap();
    let rest = app.get(&format!("{ask}&limit=2&cursor={cursor}")).await.body;
    assert_eq!((&ids(&rest)[..], &rest["next_cursor"]), (&of_second[2..], &Value::Null));
    assert_eq!(ids(&app.get("/api/v1/leases?service=none").await.body), Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_wrong_with_a_lease_is_named_and_takes_nothing() {
    let app = App::of(Fleet::with_cold(&[1]).registry);
    for (body, field) in [
        (json!({}), "model"),
        (json!({"model": "m", "service_id": id(1)}), "service_id"),
        (json!({"model": "m", "ttl_s": 0}), "ttl_s"),
        (json!({"model": "m", "ttl_s": 86_401}), "ttl_s"),
        (json!({"model": "m", "ttl_s": "60"}), "ttl_s"),
        (json!({"model": "m", "ttl": 60}), "ttl"),
        (json!({"model": "m", "vram_bytes": -1}), "vram_bytes"),
        (json!({"model": "m", "role": "boss"}), "role"),
        (json!({"model": "m", "from": "nowhere"}), "from"),
        (json!({"model": ""}), "model"),
    ] {
        assert_field(&app.lease(&body).await, field);
    }
    let unknown = app.lease(&json!({"service_id": "nothing"})).await;
    assert_eq!((unknown.status, &unknown.body["field"]), (404, &json!("service_id")));
    let unusable = json!({"service_id": id(1), "role": "production"});
    let unusable = app.lease(&unusable).await;
    assert_eq!((unusable.status, &unusable.body["type"]), (409, &json!("urn:herdbook:conflict")));
    assert!(unusable.body["detail"].as_str().unwrap().contains("experimental"), "{unusable:?}");
    assert_eq!(app.registry.n_leases(), 0);
    let taken = app.lease(&json!({"model": "m"})).await;
    let lease = taken.body["lease_id"].as_str().unwrap();
    for (query, field) in [
        ("?outcome=fine", "outcome"),
        ("?latency_ms=-1", "latency_ms"),
        ("?latency_ms=1e9", "latency_ms"),
    ] {
        assert_field(&app.give_back(lease, query).await, field);
    }
    assert_eq!(app.registry.n_leases(), 1);
    assert_eq!(app.give_back(lease, "?latency_ms=7&outcome=timeout").await.status, 204);
    let service = app.get(&format!("/api/v1/services/{}", id(1))).await;
    assert_eq!(service.body["latency_ms_avg"], Value::Null);
}

#[tokio::test]
async fn the_graph_is_not_sent_again_to_whoever_has_it() {
    let fleet = Fleet::with_cold(&[1]);
    let app = App::of(fleet.registry);
    let first = app.get("/api/v1/graph").await;
    assert_eq!(
        (first.status, &first.headers["content-type"]),
        (200, &HeaderValue::from_static("application/json"))
    );
    let tag = first.headers["etag"].to_str().unwrap();
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = app.send(Method::GET, "/api/v1/graph", &[("if-none-match", &known)], "").await;
        assert_eq!((again.status, &again.headers["etag"]), (304, &first.headers["etag"]));
        assert!(again.body.is_null());
    }
    let link = crate::registry::testing::link();
    let id = host_id(2);
    let hello =
        crate::registry::testing::hello(&id, herdbook_shared::ids::InstanceId::random(), "new");
    let moment = crate::registry::moment::Moment::now();
    app.registry.open_session(&id, &hello, link, moment).unwrap();
    let other = app.send(Method::GET, "/api/v1/graph", &[("if-none-match", tag)], "").await;
    assert_eq!(other.status, 200);
    assert_ne!(other.headers["etag"], first.headers["etag"]);
    assert_eq!(other.body["nodes"].as_array().unwrap().len(), 5);
}
