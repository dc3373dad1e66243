//! Services through the guarded routes: what is answered, and every refusal with its field.

use axum::http::Method;
use herdbook_shared::wire::inventory::{Service, ServiceState};
use serde_json::{Value, json};

use crate::api::testing::App;
use crate::registry::testing::*;

const ALL: &str = "/api/v1/services";

fn form() -> Value {
    json!({"name": "spare", "type": "model", "url": "http://gpu-9:8000"})
}

/// The form with some fields more, or otherwise.
fn with(more: Value) -> Value {
    let mut form = form();
    for (key, value) in more.as_object().unwrap() {
        form[key] = value.clone();
    }
    form
}

fn bot() -> Value {
    with(json!({"name": "bot", "type": "agent", "heartbeat_interval_s": 60, "ttl_s": 90}))
}

#[tokio::test]
async fn what_is_added_by_hand_is_new_once_and_read_back() {
    let app = App::new();
    let added = app.post(ALL, form()).await;
    assert_eq!((added.status, added.header("location")), (201, "/api/v1/services/gpu-9%3A8000"));
    assert_eq!(added.header("etag"), format!("\"{}\"", added.body["revision"]));
    assert_eq!(added.body["sources"], json!(["manual"]));
    assert_eq!((&added.body["check"], &added.body["status"]), (&json!("probe"), &json!("unknown")));
    let read = app.get(added.header("location")).await;
    assert_eq!((read.status, &read.body), (200, &added.body));
    assert_eq!(read.header("etag"), added.header("etag"));
    let again = app.post(ALL, with(json!({"url": "GPU-9:8000/"}))).await;
    assert_eq!((again.status, &again.body), (200, &added.body), "another spelling, no change");
    assert_eq!(again.header("location"), added.header("location"));
}

#[tokio::test]
async fn who_registers_itself_has_a_uuid_and_its_intervals() {
    let app = App::new();
    let first = app.post(ALL, bot()).await;
    assert_eq!((first.status, &first.body["sources"]), (201, &json!(["self"])));
    assert_eq!(
        (&first.body["check"], &first.body["status"]),
        (&json!("heartbeat"), &json!("healthy"))
    );
    assert!(uuid::Uuid::parse_str(first.body["id"].as_str().unwrap()).is_ok());
    assert!(first.body["last_heartbeat"].is_string());
    let again = app.post(ALL, bot()).await;
    assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]));
    let asked = app.post(ALL, with(json!({"name": "c", "check": "heartbeat"}))).await;
    assert_eq!(
        (&asked.body["sources"], &asked.body["heartbeat_interval_s"], &asked.body["ttl_s"]),
        (&json!(["self"]), &json!(60), &json!(90))
    );
    let probed = app.post(ALL, with(json!({"check": "probe"}))).await;
    assert_eq!(probed.body["sources"], json!(["manual"]));
}

#[tokio::test]
async fn everything_that_may_be_declared_is_told() {
    let app = App::new();
    let given = json!({
        "kind": "vllm", "role": "canary", "caps": ["tools"], "labels": {"zone": "a"},
        "priority": 5, "ctx_limit": 4096, "cost_hint_usd_per_1k": 0.25,
        "models": ["llama3.1:8b", {"name": "a", "digest": "46e0", "warm": null, "expires_at": null}],
    });
    let told = app.post(ALL, with(given.clone())).await;
    assert_eq!(told.status, 201, "{told:?}");
    for field in ["kind", "role", "caps", "labels", "priority", "ctx_limit", "cost_hint_usd_per_1k"]
    {
        assert_eq!(told.body[field], given[field], "{field}");
    }
    let models = told.body["models"].as_array().unwrap();
    assert_eq!((&models[0]["name"], &models[0]["digest"]), (&json!("a"), &json!("46e0")));
    assert_eq!(models[1]["name"], "llama3.1:8b");
    // What was read of a model can be declared.
    assert_eq!(app.post(ALL, with(json!({"models": models}))).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_told_by_its_field() {
    let app = App::new();
    let mut cases: Vec<(Value, &str)> = ["name", "type", "url"]
        .map(|missing| {
            let mut form = form();
            form.as_object_mut().unwrap().remove(missing);
            (form, missing)
        })
        .into();
    let wrong = [
        (json!({"name": 7}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "n".repeat(257)}), "name"),
        (json!({"type": "robot"}), "type"),
        (json!({"type": 1}), "type"),
        (json!({"type": {"model": null}}), "type"),
        (json!({"role": true}), "role"),
        (json!({"check": 1.5}), "check"),
        (json!({"credential": ["x-key", "a"]}), "credential"),
        (json!({"models": [["a"]]}), "models[0]"),
        (json!({"ctx_limit": 1_u64 << 53}), "ctx_limit"),
        (json!({"check": "agent"}), "check"),
        (json!({"role": "boss"}), "role"),
        (json!({"nmae": "a"}), "nmae"),
        (json!({"status": "healthy"}), "status"),
        (json!({"url": "ftp://gpu-9"}), "url"),
        (json!({"url": "http://"}), "url"),
        (json!({"url": "http://gpu-9:99999"}), "url"),
        (json!({"url": "http://user:secret@gpu-9"}), "url"),
        (json!({"url": "http://gpu-9/?key=1"}), "url"),
        (json!({"url": "http://0.0.0.0:1"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"check": "probe", "ttl_s": 90}), "ttl_s"),
        (json!({"url": ""}), "url"),
        (json!({"caps": "tools"}), "caps"),
        (json!({"caps": [""]}), "caps[0]"),
        (json!({"labels": {"zone": 1}}), "labels.zone"),
        (json!({"priority": 1001}), "priority"),
        (json!({"priority": 1.5}), "priority"),
        (json!({"ctx_limit": 0}), "ctx_limit"),
        (json!({"cost_hint_usd_per_1k": -1}), "cost_hint_usd_per_1k"),
        (json!({"heartbeat_interval_s": 0}), "heartbeat_interval_s"),
        (json!({"heartbeat_interval_s": 86_401}), "heartbeat_interval_s"),
        (json!({"ttl_s": 604_801}), "ttl_s"),
        (json!({"heartbeat_interval_s": 60, "ttl_s": 59}), "ttl_s"),
        (json!({"models": [7]}), "models[0]"),
        (json!({"models": [{"digest": "46e0"}]}), "models[0].name"),
        (json!({"models": [{"name": "a", "szie": 1}]}), "models[0].szie"),
        (json!({"credential": {"header": "Host", "value": "a"}}), "credential.header"),
        (json!({"credential": {"header": "x-key"}}), "credential.value"),
        (json!({"credential": {"header": "x-key", "value": "a\nb"}}), "credential.value"),
    ];
    cases.extend(wrong.map(|(more, field)| (with(more), field)));
    for (body, field) in cases {
        let refused = app.post(ALL, body.clone()).await;
        assert_eq!((refused.status, refused.field()), (422, field), "{body} {refused:?}");
        assert!(refused.body["expected"].is_string(), "{refused:?}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    assert!(app.registry.services().is_empty());
}

#[tokio::test]
async fn a_body_that_is_none_or_too_large_is_refused() {
    let app = App::new();
    for body in ["", "{", &format!("{} {{}}", form()), "name=a"] {
        assert_eq!(app.send(Method::POST, ALL, &[], body).await.status, 400, "{body}");
    }
    let large = with(json!({"labels": {"a": "x".repeat(300 * 1024)}}));
    assert_eq!(app.post(ALL, large).await.status, 413);
}

#[tokio::test]
async fn a_registration_that_must_be_new_is_not_one_that_is_there() {
    let app = App::new();
    let new = [("if-none-match", "*")];
    let post = |body: Value| {
        let app = &app;
        async move { app.send(Method::POST, ALL, &new, &body.to_string()).await }
    };
    for body in [form(), bot()] {
        assert_eq!(post(body.clone()).await.status, 201);
        let seq = app.registry.cursor();
        let there = post(body).await;
        assert_eq!((there.status, there.field()), (409, "If-None-Match"));
        assert_eq!(app.registry.cursor(), seq);
    }
    assert_eq!(post(with(json!({"url": "GPU-9:8000/"}))).await.status, 409);
    let tag = app.send(Method::POST, ALL, &[("if-none-match", "\"1\"")], &form().to_string()).await;
    assert_eq!((tag.status, tag.field()), (422, "If-None-Match"));
}

#[tokio::test]
async fn ids_with_brackets_and_paths_are_one_segment() {
    let app = App::new();
    for (url, id, segment) in [
        ("http://[FD00::7]:8000", "[fd00::7]:8000", "%5Bfd00%3A%3A7%5D%3A8000"),
        (
            "https://models.example/team-a",
            "models.example:443/team-a",
            "models.example%3A443%2Fteam-a",
        ),
    ] {
        let added = app.post(ALL, with(json!({"url": url}))).await;
        assert_eq!((added.status, &added.body["id"]), (201, &json!(id)));
        let path = format!("{ALL}/{segment}");
        assert_eq!(added.header("location"), path);
        assert_eq!(app.get(&path).await.body["id"], id);
        let patched = app.patch(&path, json!({"priority": 3})).await;
        assert_eq!((patched.status, &patched.body["priority"]), (200, &json!(3)));
        assert_eq!(app.post(&format!("{path}/drain"), json!({})).await.body["drain"], true);
        assert_eq!(app.delete(&path).await.status, 200);
        assert_eq!(app.get(&path).await.status, 404);
    }
}

#[tokio::test]
async fn a_patch_names_the_revision_that_it_knows() {
    let app = App::new();
    let added = app.post(ALL, form()).await;
    let path = added.header("location").to_owned();
    let patch = |tag: String| {
        let (app, path) = (&app, &path);
        async move { app.send(Method::PATCH, path, &[("if-match", &tag)], r#"{"name":"b"}"#).await }
    };
    let changed = patch(added.header("etag").to_owned()).await;
    assert_eq!((changed.status, &changed.body["name"]), (200, &json!("b")));
    assert_ne!(changed.header("etag"), added.header("etag"));
    let stale = patch(added.header("etag").to_owned()).await;
    assert_eq!((stale.status, stale.field()), (412, "If-Match"));
    assert_eq!(stale.body["type"], "urn:herdbook:precondition_failed");
    assert_eq!(stale.body["expected"], changed.header("etag"));
    assert_eq!(patch("\"never\"".to_owned()).await.status, 412);
    assert_eq!(patch("*".to_owned()).await.status, 200);
    assert_eq!(patch("\"1\", \"2\"".to_owned()).await.field(), "If-Match");
    let stale = app.send(Method::DELETE, &path, &[("if-match", "\"77\"")], "").await;
    assert_eq!(stale.status, 412);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_by_its_field() {
    let app = App::new();
    let path = app.post(ALL, form()).await.header("location").to_owned();
    for (body, field) in [
        (json!({"url": "http://gpu-8:1"}), "url"),
        (json!({"type": "tool"}), "type"),
        (json!({"id": "x"}), "id"),
        (json!({"check": "probe"}), "check"),
        (json!({"models": []}), "models"),
        (json!({"nmae": "x"}), "nmae"),
        (json!({"name": 7}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"role": "boss"}), "role"),
        (json!({"drain": "yes"}), "drain"),
        (json!({"labels": {"a": 7}}), "labels.a"),
        (json!({"ttl_s": 9}), "ttl_s"),
    ] {
        let refused = app.patch(&path, body.clone()).await;
        assert_eq!((refused.status, refused.field()), (422, field), "{body} {refused:?}");
    }
    for (at, body, field) in [
        ("promote", json!({"role": "boss"}), "role"),
        ("promote", json!(["canary"]), "body"),
        ("promote", json!({}), "role"),
        ("promote", json!({"role": "canary", "why": "x"}), "why"),
        ("drain", json!({"drain": 1}), "drain"),
        ("drain", json!({"drian": true}), "drian"),
    ] {
        let refused = app.post(&format!("{path}/{at}"), body.clone()).await;
        assert_eq!((refused.status, refused.field()), (422, field), "{at} {body}");
    }
    let why = app.patch(&path, json!({"url": "http://gpu-8:1"})).await;
    assert!(why.body["detail"].as_str().unwrap().contains("told from others"), "{why:?}");
    assert_eq!(app.get(&path).await.body["revision"], 1, "nothing was changed");
}

#[tokio::test]
async fn promoting_draining_and_taking_back() {
    let app = App::new();
    let path = app.post(ALL, bot()).await.header("location").to_owned();
    let promoted = app.post(&format!("{path}/promote"), json!({"role": "production"})).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("production")));
    let drain = format!("{path}/drain");
    let drained = app.send(Method::POST, &drain, &[], "").await;
    assert_eq!(
        (&drained.body["drain"], &drained.body["status"]),
        (&json!(true), &json!("draining"))
    );
    let back = app.post(&drain, json!({"drain": false})).await;
    assert_eq!((&back.body["drain"], &back.body["status"]), (&json!(false), &json!("healthy")));
    assert_eq!(app.patch(&path, json!({"role": null})).await.body["role"], "experimental");
    let told = app.registry.kinds_since(1);
    let expected = ["service.promoted", "service.draining", "service.draining", "service.promoted"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_not_there_is_said_so_by_every_method() {
    let app = App::new();
    let path = format!("{ALL}/nowhere%3A1");
    assert_eq!(app.get(&path).await.status, 404);
    assert_eq!(app.patch(&path, json!({})).await.status, 404);
    assert_eq!(app.delete(&path).await.status, 404);
    assert_eq!(app.post(&format!("{path}/promote"), json!({"role": "canary"})).await.status, 404);
    assert_eq!(app.post(&format!("{path}/drain"), json!({})).await.status, 404);
    let added = app.post(ALL, form()).await;
    let head = app.send(Method::HEAD, added.header("location"), &[], "").await;
    assert_eq!((head.status, head.header("etag")), (200, added.header("etag")));
    for (method, path) in [(Method::PUT, ALL), (Method::POST, added.header("location"))] {
        let wrong = app.send(method, path, &[], "").await;
        assert_eq!(wrong.status, 405);
        assert!(wrong.header("allow").contains("GET"), "{wrong:?}");
    }
}

#[tokio::test]
async fn every_route_takes_the_other_names_of_a_service() {
    let (app, clock) = (App::new(), Clock::new());
    let arrival = Arrival { name: "gpu-1", peer: "10.0.0.7", boot_id: "b" };
    let opened = arrive(&app.registry, 1, arrival, clock.moment());
    app.registry.take_inventory(&opened, vec![service("0.0.0.0", 8000, vec![])], clock.moment());
    let other = format!("{ALL}/10.0.0.7%3A8000");
    let id = json!("gpu-1:8000");
    assert_eq!(app.get(&other).await.body["id"], id);
    assert_eq!(app.patch(&other, json!({"priority": 3})).await.body["id"], id);
    assert_eq!(app.post(&format!("{other}/drain"), json!({})).await.body["id"], id);
    let role = json!({"role": "canary"});
    assert_eq!(app.post(&format!("{other}/promote"), role).await.body["id"], id);
    let added = app.post(ALL, with(json!({"url": "10.0.0.7:8000"}))).await;
    assert_eq!((added.status, &added.body["id"]), (200, &id), "it joins what is there");
    assert_eq!(added.body["sources"], json!(["agent", "manual"]));
    let stays = app.delete(&format!("{other}?source=manual")).await;
    assert_eq!((stays.status, &stays.body["sources"]), (200, &json!(["agent"])));
}

#[tokio::test]
async fn removing_what_would_come_back_is_a_conflict_that_says_what_to_do() {
    let (app, clock) = (App::new(), Clock::new());
    let opened = connect(&app.registry, 1, clock.moment());
    let found = |state| vec![Service { state, ..service("10.0.0.7", 8000, vec![]) }];
    app.registry.take_inventory(&opened, found(ServiceState::Idle), clock.moment());
    let path = format!("{ALL}/gpu-1%3A8000");
    let reported = app.delete(&path).await;
    assert_eq!(reported.status, 409);
    assert!(reported.body["detail"].as_str().unwrap().contains("?source=manual"));
    let by_hand = app.delete(&format!("{path}?source=manual")).await;
    assert_eq!((by_hand.status, by_hand.field()), (409, "source"));
    assert_eq!(app.delete(&format!("{path}?source=agent")).await.status, 409);
    let word = app.delete(&format!("{path}?source=me")).await;
    assert_eq!((word.status, word.field()), (422, "source"));
    app.registry.take_inventory(&opened, found(ServiceState::Down), clock.moment());
    let gone = app.delete(&path).await;
    assert_eq!((gone.status, &gone.body["id"]), (200, &json!("gpu-1:8000")));

    let source = crate::registry::service::Source::File;
    let file = declared("from a file", "gpu-9:8000");
    app.registry.upsert_service(source, file, clock.moment()).unwrap();
    let path = app.post(ALL, form()).await.header("location").to_owned();
    assert_eq!(app.get(&path).await.body["sources"], json!(["manual", "file"]));
    assert_eq!(app.delete(&path).await.status, 409);
    assert_eq!(app.delete(&format!("{path}?source=file")).await.status, 409);
    let stays = app.delete(&format!("{path}?source=manual")).await;
    assert_eq!((stays.status, &stays.body["sources"]), (200, &json!(["file"])));
    assert!(!stays.header("etag").is_empty(), "what stays can be changed further");
}
