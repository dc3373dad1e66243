//! What a request to a service says beside its body, and what becomes of it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::testing::App;
use crate::registry::testing::*;

const ALL: &str = "/api/v1/services";

fn form() -> Value {
    json!({"name": "spare", "type": "model", "url": "http://gpu-9:8000"})
}

#[tokio::test]
async fn promoting_and_draining_keep_to_the_revision_that_was_read() {
    let app = App::new();
    let added = app.post(ALL, form()).await;
    let (path, tag) = (added.header("location").to_owned(), added.header("etag").to_owned());
    for (at, body) in [("promote", r#"{"role":"canary"}"#), ("drain", "")] {
        let path = format!("{path}/{at}");
        let stale = app.send(Method::POST, &path, &[("if-match", "\"77\"")], body).await;
        assert_eq!((stale.status, stale.field()), (412, "If-Match"), "{at}");
        assert_eq!(stale.body["expected"], tag);
    }
    assert_eq!(app.get(&path).await.header("etag"), tag, "nothing was changed");
    let promote = format!("{path}/promote");
    let fresh = [("if-match", &*tag)];
    let promoted = app.send(Method::POST, &promote, &fresh, r#"{"role":"canary"}"#).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("canary")));
}

#[tokio::test]
async fn a_service_whose_host_drains_cannot_end_that() {
    let (app, clock) = (App::new(), Clock::new());
    let opened = connect(&app.registry, 1, clock.moment());
    app.registry.take_inventory(&opened, vec![service("10.0.0.7", 8000, vec![])], clock.moment());
    let host = app.registry.services()[0].host_id().unwrap().to_string();
    let host = format!("/api/v1/hosts/{host}");
    let drain = format!("{ALL}/gpu-1%3A8000/drain");
    assert_eq!(app.patch(&host, json!({"drain": true})).await.status, 200);
    let refused = app.post(&drain, json!({"drain": false})).await;
    assert_eq!((refused.status, refused.field()), (409, "drain"), "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("its host drains"));
    let patched = app.patch(&format!("{ALL}/gpu-1%3A8000"), json!({"drain": false})).await;
    assert_eq!(patched.status, 409);
    app.patch(&host, json!({"drain": false})).await;
    assert_eq!(app.post(&drain, json!({"drain": false})).await.status, 200);
}
