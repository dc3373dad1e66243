//! The list of services, as it is asked for.

use serde_json::{Value, json};

use crate::api::testing::{Answer, App};

fn services() -> App {
    let model = json!([{ "name": "m:latest", "capabilities": ["vision"] }]);
    App::over(&[
        ("a", json!({ "name": "one", "kind": "ollama", "models": model, "labels": {"zone": "x"} })),
        ("b", json!({ "name": "two", "kind": "vllm", "models": model, "drain": true })),
        ("c", json!({ "name": "two", "type": "tool", "role": "canary", "caps": ["web"] })),
    ])
}

fn ids(answer: &Value) -> String {
    let services = answer["services"].as_array().unwrap();
    let ids: Vec<&str> = services.iter().map(|service| service["id"].as_str().unwrap()).collect();
    ids.join(" ")
}

#[tokio::test]
async fn each_filter_is_a_parameter_and_they_combine() {
    let app = services();
    for (query, expected) in [
        ("", "a b c"),
        ("model=m:latest", "a b"),
        ("model=m%3Alatest&kind=vllm", "b"),
        ("model=m", "a"),
        ("model=M", ""),
        ("name=two", "b c"),
        ("type=tool", "c"),
        ("kind=ollama", "a"),
        ("status=draining", "b"),
        ("role=canary", "c"),
        ("cap=vision", "a b"),
        ("cap=web", "c"),
        ("label=zone", "a"),
        ("label=zone=x", "a"),
        ("label=zone=y", ""),
        ("healthy=true", "a c"),
        ("healthy=false", "b"),
        ("host=nowhere", ""),
        ("q=TW", "b c"),
        ("model=m:latest&healthy=true", "a"),
    ] {
        let Answer { status, body: answer, .. } =
            app.get(&format!("/api/v1/services?{query}")).await;
        assert_eq!((status, ids(&answer).as_str()), (200, expected), "{query}");
    }
}

#[tokio::test]
async fn a_word_that_is_none_is_refused_by_its_field() {
    let app = services();
    for field in ["type", "status", "role", "healthy", "view", "limit"] {
        let Answer { status, body: problem, .. } =
            app.get(&format!("/api/v1/services?{field}=none")).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        let with_model = format!("/api/v1/services?model=m&{field}=none");
        assert_eq!(app.get(&with_model).await.status, 422, "{field}");
    }
}

#[tokio::test]
async fn pages_of_a_model_follow_one_another() {
    let app = services();
    let cursor = app.registry.cursor();
    let Answer { body: first, .. } = app.get("/api/v1/services?model=m:latest&limit=1").await;
    assert_eq!((ids(&first).as_str(), first["next_cursor"].as_str()), ("a", Some("a")));
    assert_eq!(
        (first["epoch"].as_str(), first["seq"].as_u64()),
        (Some(&*cursor.0), Some(cursor.1))
    );
    let Answer { body: second, .. } =
        app.get("/api/v1/services?model=m:latest&limit=1&cursor=a").await;
    assert_eq!((ids(&second).as_str(), second["next_cursor"].as_str()), ("b", None));
}

#[tokio::test]
async fn many_services_of_a_model_are_listed_as_few_are() {
    let ids: Vec<String> = (0..100).map(|n| format!("s-{n:03}")).collect();
    let declared = json!({ "kind": "vllm", "models": [{"name": "m"}] });
    let services: Vec<_> = ids.iter().map(|id| (id.as_str(), declared.clone())).collect();
    let app = App::over(&services);
    let Answer { body: answer, .. } =
        app.get("/api/v1/services?model=m&view=summary&limit=99").await;
    assert_eq!(answer["services"].as_array().unwrap().len(), 99);
    assert_eq!(answer["next_cursor"], "s-098");
    assert_eq!(answer["services"][7]["id"], "s-007");
}
