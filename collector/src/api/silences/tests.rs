use serde_json::{Value, json};

use crate::api::testing::App;

use super::*;

fn until(ms: i64) -> Value {
    json!(Timestamp::from_unix_ms(Timestamp::now().unix_ms() + ms))
}

fn silence() -> Value {
    json!({"matcher": {"subject": {"kind": "host", "name": "gpu-1"}}, "until": until(60_000),
        "comment": "moving to rack 7"})
}

#[tokio::test]
async fn one_is_added_listed_kept_and_removed() {
    let app = App::new();
    let added = app.post("/api/v1/silences", silence()).await;
    assert_eq!(added.status, 201, "{:?}", added.body);
    assert_eq!(added.body["matcher"], json!({"subject": {"kind": "host", "name": "gpu-1"}}));
    let listed = app.get("/api/v1/silences").await.body;
    assert_eq!(listed, json!({"silences": [added.body], "next_cursor": null}));
    let path = format!("/api/v1/silences/{}", added.body["id"].as_str().unwrap());
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.delete(&path).await.status, 404);
    assert_eq!(app.get("/api/v1/silences").await.body["silences"], json!([]));
}

#[tokio::test]
async fn pages_follow_one_another() {
    let app = App::new();
    for _ in 0..3 {
        app.post("/api/v1/silences", silence()).await;
    }
    let first = app.get("/api/v1/silences?limit=2").await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/silences?limit=2&cursor={cursor}")).await.body;
    assert_eq!(first["silences"].as_array().unwrap().len(), 2);
    assert_eq!(second["silences"].as_array().unwrap().len(), 1);
    assert!(second["next_cursor"].is_null());
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_field() {
    let app = App::new();
    let (good, later) = (json!({"rule": "gpu_hot"}), until(60_000));
    for (body, field) in [
        (json!({"matcher": {}, "until": later}), "matcher"),
        (json!({"until": later}), "matcher"),
        (json!({"matcher": good}), "until"),
        (json!({"matcher": good, "until": until(-1000)}), "until"),
        (json!({"matcher": good, "until": "tomorrow"}), "until"),
        (json!({"matcher": good, "until": later, "comment": 7}), "comment"),
        (json!({"matcher": good, "until": later, "coment": ""}), "coment"),
        (json!({"matcher": {"rule": "gpu_cold"}, "until": later}), "matcher.rule"),
        (json!({"matcher": {"rules": "gpu_hot"}, "until": later}), "matcher.rules"),
        (json!({"matcher": {"subject": {"nam": "a"}}, "until": later}), "matcher.subject.nam"),
        (json!({"matcher": {"subject": {"kind": "gpu"}}, "until": later}), "matcher.subject.kind"),
    ] {
        let answer = app.post("/api/v1/silences", body.clone()).await;
        assert_eq!((answer.status, answer.field()), (422, field), "{body} {:?}", answer.body);
        assert!(!answer.body["expected"].as_str().unwrap().is_empty());
    }
}
