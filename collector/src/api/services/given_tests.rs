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

#[tokio::test]
async fn a_parameter_that_is_not_known_does_nothing_but_be_named() {
    let app = App::new();
    let path = app.post(ALL, form()).await.header("location").to_owned();
    let (json, none) = ("{}", "");
    let role = r#"{"role":"canary"}"#;
    for (method, path, body, field) in [
        (Method::DELETE, format!("{path}?sorce=manual"), none, "sorce"),
        (Method::DELETE, format!("{path}?source=manual&all=1"), none, "all"),
        (Method::DELETE, format!("{path}?source=manual&source=self"), none, "source"),
        (Method::PATCH, format!("{path}?forse=1"), json, "forse"),
        (Method::POST, format!("{path}/promote?x=1"), role, "x"),
        (Method::POST, format!("{path}/drain?drain=false"), none, "drain"),
        (Method::PUT, format!("{path}/heartbeat?x=1"), json, "x"),
        (Method::POST, format!("{ALL}?upsert=1"), json, "upsert"),
        (Method::POST, "/api/v1/leases?x=1".to_owned(), json, "x"),
        (Method::DELETE, "/api/v1/leases/a?outcom=ok".to_owned(), none, "outcom"),
        (Method::DELETE, "/api/v1/hosts/a?x=1".to_owned(), none, "x"),
        (Method::PATCH, "/api/v1/hosts/a?x=1".to_owned(), json, "x"),
        (Method::GET, "/api/v1/pick?model=a&min_context=9".to_owned(), none, "min_context"),
        (Method::GET, format!("{ALL}?status=down&status=healthy"), none, "status"),
    ] {
        let refused = app.send(method.clone(), &path, &[], body).await;
        assert_eq!((refused.status, refused.field()), (422, field), "{method} {path} {refused:?}");
        assert!(refused.body["expected"].is_string() && refused.body["detail"].is_string());
    }
    assert_eq!(app.get(&format!("{ALL}?sorce=manual")).await.status, 200, "lists ignore it");
    assert_eq!(app.get(&path).await.body["revision"], 1, "nothing was done");
}

#[tokio::test]
async fn who_knows_the_revision_is_told_nothing_more() {
    let app = App::new();
    let added = app.post(ALL, form()).await;
    let (path, tag) = (added.header("location"), added.header("etag"));
    let get = |known: String| {
        let app = &app;
        async move { app.send(Method::GET, path, &[("if-none-match", &known)], "").await }
    };
    for known in [tag.to_owned(), format!("\"77\", W/{tag}"), "*".to_owned()] {
        let same = get(known.clone()).await;
        assert_eq!((same.status, &same.body, same.header("etag")), (304, &Value::Null, tag));
    }
    for known in ["\"77\"", "\"other\"", "what"] {
        assert_eq!(get(known.to_owned()).await.status, 200, "{known}");
    }
    app.patch(path, json!({"priority": 1})).await;
    assert_eq!(get(tag.to_owned()).await.status, 200, "it is another one now");
}

#[tokio::test]
async fn what_was_added_as_one_thing_does_not_become_another() {
    let app = App::new();
    let path = app.post(ALL, form()).await.header("location").to_owned();
    let mut tool = form();
    tool["type"] = json!("tool");
    let refused = app.post(ALL, tool.clone()).await;
    assert_eq!((refused.status, refused.field()), (409, "type"), "{refused:?}");
    assert_eq!(app.get(&path).await.body["type"], "model");
    app.delete(&path).await;
    assert_eq!(app.post(ALL, tool).await.status, 201);
}

#[tokio::test]
async fn names_of_hosts_are_asked_for_in_any_case_and_paths_as_they_are() {
    let app = App::new();
    let mut form = form();
    let path = app.post(ALL, form.clone()).await.header("location").to_owned();
    form["url"] = json!("http://gpu-9:1/Team");
    app.post(ALL, form).await;
    assert_eq!(app.get(&format!("{ALL}/GPU-9%3A8000")).await.body["id"], "gpu-9:8000");
    assert_eq!(app.get(&format!("{ALL}/Gpu-9%3A1%2FTeam")).await.body["id"], "gpu-9:1/Team");
    assert_eq!(app.get(&format!("{ALL}/gpu-9%3A1%2Fteam")).await.status, 404);
    assert_eq!(app.delete(&path.to_uppercase().replace("/API/V1/SERVICES", ALL)).await.status, 200);
}
