//! Targets over HTTP.

use serde_json::{Value, json};

use crate::api::testing::App;
use crate::registry::moment::Moment;
use crate::registry::testing::*;

use super::label_name;

fn app() -> App {
    let app = App::over(&[
        (
            "10.0.0.9:8000",
            json!({"name": "vllm", "kind": "vllm", "url": "http://10.0.0.9:8000",
            "labels": {"team-a": "x", "team.a": "y"}}),
        ),
        ("[fd00::7]:443", json!({"url": "https://[fd00::7]/v1"})),
        ("127.0.0.1:1234", json!({"url": "http://127.0.0.1:1234"})),
    ]);
    let opened = connect(&app.registry, 1, Moment::now());
    let servers = vec![service("10.0.0.7", 11434, vec![]), service("127.0.0.1", 11435, vec![])];
    app.registry.take_inventory(&opened, servers, Moment::now());
    app.registry.take_sample(&opened, sample(), Moment::now());
    app
}

async fn targets(app: &App, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/api/v1/sd/prometheus{query}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let groups = answer.body.as_array().unwrap();
    groups.iter().map(|group| group["targets"][0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_others_can_reach_is_told_in_the_order_of_ids() {
    let app = app();
    let reached = ["10.0.0.9:8000", "[fd00::7]:443", "10.0.0.7:11434"];
    assert_eq!(targets(&app, "").await, reached);
    assert_eq!(targets(&app, "?loopback=false").await, reached);
    assert_eq!(targets(&app, "?loopback=true").await.len(), 5);
    assert_eq!(targets(&app, "?kind=vllm").await, ["10.0.0.9:8000"]);
    assert_eq!(targets(&app, "?label=team-a=x").await, ["10.0.0.9:8000"]);
    assert_eq!(targets(&app, "?kind=ollama&status=healthy").await, ["10.0.0.7:11434"]);
    assert_eq!(targets(&app, "?type=tool").await, [""; 0]);
    for wrong in ["?type=none", "?status=good", "?loopback=maybe"] {
        let answer = app.get(&format!("/api/v1/sd/prometheus{wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert_eq!(answer.field(), wrong[1..].split('=').next().unwrap());
    }
}

#[tokio::test]
async fn labels_are_names_and_texts_that_prometheus_takes() {
    let groups = app().get("/api/v1/sd/prometheus").await.body;
    let meta = |group: &Value, name: &str| {
        group["labels"][format!("__meta_herdbook_service_{name}")].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (meta(&groups[0], "name"), meta(&groups[0], "kind")),
        ("vllm".into(), "vllm".into())
    );
    assert_eq!(meta(&groups[0], "label_team_a"), "x", "the first of two keys that become one");
    assert_eq!(groups[0]["labels"]["__scheme__"], "http");
    assert_eq!(groups[1]["labels"]["__scheme__"], "https");
    assert_eq!(
        (meta(&groups[2], "host"), meta(&groups[2], "status")),
        ("gpu-1".into(), "healthy".into())
    );
    assert_eq!(meta(&groups[2], "host_id"), host_id(1).to_string());
    for group in groups.as_array().unwrap() {
        for (name, value) in group["labels"].as_object().unwrap() {
            assert!(value.is_string(), "{name}: {value}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
        }
    }
    assert_eq!(label_name("a-b.c/dé"), "a_b_c_d_");
}
