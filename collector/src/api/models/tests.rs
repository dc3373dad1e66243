//! Models over the fleet, as they are asked for.

use serde_json::json;

use crate::api::testing::{Answer, App};

#[tokio::test]
async fn a_name_without_a_tag_is_itself_or_the_latest_of_ollamas() {
    let latest = json!([{ "name": "m:latest" }]);
    let app = App::over(&[
        ("a", json!({ "kind": "ollama", "models": latest })),
        ("b", json!({ "kind": "vllm", "models": latest })),
        ("c", json!({ "kind": "vllm", "models": [{ "name": "n" }] })),
        ("d", json!({ "kind": "ollama", "models": [{ "name": "n:latest" }] })),
        ("e", json!({ "kind": "vllm", "models": [{ "name": "v:latest" }] })),
    ]);
    for (name, found, services) in [
        ("m", "m:latest", json!(["a"])),
        ("m:latest", "m:latest", json!(["a", "b"])),
        ("n", "n", json!(["c"])),
        ("n%3Alatest", "n:latest", json!(["d"])),
    ] {
        let Answer { status, body: model, .. } = app.get(&format!("/api/v1/models/{name}")).await;
        assert_eq!((status, &model["name"], &model["services"]), (200, &json!(found), &services));
    }
    for nobody in ["v", "M", "m:8b"] {
        assert_eq!(app.get(&format!("/api/v1/models/{nobody}")).await.status, 404, "{nobody}");
    }
    let Answer { body: all, .. } = app.get("/api/v1/models?limit=2").await;
    assert_eq!((&all["models"][1]["name"], &all["next_cursor"]), (&json!("n"), &json!("n")));
}
