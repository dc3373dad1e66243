//! What is wrong with a request is told by the name of its field, and nothing that anybody sends
//! is a fault of the collector.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, Rest, encoded, law};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);
const SERVICES: &str = "/api/v1/services";

/// A form that is taken, with one field another.
fn with(key: &str, value: Value) -> Value {
    let mut form = json!({"name": "finder", "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 60, "ttl_s": 90});
    form[key] = value;
    form
}

fn without(key: &str) -> Value {
    let mut form = with("role", json!("canary"));
    form.as_object_mut().expect("a form").remove(key);
    form
}

/// A host and its service, `gpu-1:11434`, and one that registered itself.
async fn fleet() -> (Fleet, String, String) {
    let mut fleet = Fleet::start().await;
    let host = SimulatedHost::from_seed(1).having(1, 2).named("gpu-1");
    fleet.simulate(host.clone()).await;
    let rest = fleet.rest();
    let online = |host: &Value| host["status"] == "online" && host["services"][0].is_string();
    rest.host_is(&host.host_id, "online", WITHIN, online).await;
    let (status, service) = rest.post(SERVICES, &with("role", json!("canary"))).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    let id = service["id"].as_str().expect("an id").to_owned();
    (fleet, host.host_id, id)
}

#[track_caller]
fn is_problem(what: &str, (status, problem): &(StatusCode, Value), expected: u16, field: &str) {
    assert_eq!(status.as_u16(), expected, "{what}: {problem}");
    assert_eq!(problem["status"], expected, "{what}: {problem}");
    for key in ["type", "title", "detail"] {
        assert!(problem[key].is_string(), "{what}: {key} in {problem}");
    }
    if field.is_empty() {
        return;
    }
    assert_eq!(problem["field"], field, "{what}: {problem}");
    assert!(problem["expected"].is_string(), "{what}: {problem}");
}

#[tokio::test]
async fn a_form_that_is_wrong_is_told_by_its_field() {
    let (fleet, _, _) = fleet().await;
    let rest = fleet.rest();
    let n_before = rest.services().await.len();
    let table = [
        (without("name"), "name"),
        (without("type"), "type"),
        (without("url"), "url"),
        (with("name", json!(7)), "name"),
        (with("name", json!("")), "name"),
        (with("type", json!("robot")), "type"),
        (with("type", json!(1)), "type"),
        (with("type", json!({"tool": null})), "type"),
        (with("role", json!("boss")), "role"),
        (with("check", json!("hope")), "check"),
        (with("check", json!("agent")), "check"),
        (with("caps", json!("search")), "caps"),
        (with("labels", json!(["a"])), "labels"),
        (with("priority", json!("high")), "priority"),
        (with("ttl_s", json!(30)), "ttl_s"),
        (with("ttl_s", json!(-1)), "ttl_s"),
        (with("heartbeat_interval_s", json!(0)), "heartbeat_interval_s"),
        (with("cost_hint_usd_per_1k", json!(-0.1)), "cost_hint_usd_per_1k"),
        (with("ulr", json!("http://gpu-1")), "ulr"),
        (with("url", json!("ftp://gpu-1")), "url"),
        (with("url", json!("http://user:secret@gpu-1")), "url"),
        (with("url", json!("http://gpu-1/?q=1")), "url"),
        (with("url", json!("http://0.0.0.0:1")), "url"),
        (with("url", json!("http://gpu-1:99999")), "url"),
        (with("url", json!("http://-gpu..1\\a")), "url"),
        (with("credential", json!({"header": "A\r\nB", "value": "x"})), "credential.header"),
        (with("credential", json!({"header": "A"})), "credential.value"),
    ];
    for (form, field) in table {
        is_problem(&form.to_string(), &rest.post(SERVICES, &form).await, 422, field);
    }
    assert_eq!(rest.services().await.len(), n_before, "nothing of it was taken in");
}

#[tokio::test]
async fn a_change_that_is_wrong_is_told_by_its_field() {
    let (fleet, host, own) = fleet().await;
    let rest = fleet.rest();
    let (host, own) = (format!("/api/v1/hosts/{host}"), format!("{SERVICES}/{own}"));
    let put = Method::PUT;
    let post = Method::POST;
    let table = [
        (Method::PATCH, host.clone(), json!({"notes": 7}), "notes"),
        (Method::PATCH, host.clone(), json!({"drain": "yes"}), "drain"),
        (Method::PATCH, host.clone(), json!({"status": "online"}), "status"),
        (Method::PATCH, host.clone(), json!({"notes": "x".repeat(5000)}), "notes"),
        (Method::PATCH, own.clone(), json!({"role": "boss"}), "role"),
        (Method::PATCH, own.clone(), json!({"id": "other"}), "id"),
        (Method::PATCH, own.clone(), json!({"priority": 1.5}), "priority"),
        (put.clone(), format!("{own}/heartbeat"), json!({"status": "dead"}), "status"),
        (put.clone(), format!("{own}/heartbeat"), json!({"status": "ok", "laod": 1}), "laod"),
        (put, format!("{own}/heartbeat"), json!({"status": "ok", "load": "much"}), "load"),
        (post.clone(), format!("{own}/promote"), json!({"role": "boss"}), "role"),
        (post.clone(), format!("{own}/promote"), json!({}), "role"),
        (post.clone(), format!("{own}/drain"), json!({"drain": "yes"}), "drain"),
        (post.clone(), "/api/v1/leases".to_owned(), json!({"model": 7}), "model"),
        (post.clone(), "/api/v1/leases".to_owned(), json!({"model": "a", "ttl_s": 0}), "ttl_s"),
        (post, "/api/v1/leases".to_owned(), json!({"model": "a", "ttl": 1}), "ttl"),
    ];
    for (method, path, body, field) in table {
        let what = format!("{method} {path} {body}");
        is_problem(&what, &rest.send(method, &path, &[], Some(&body)).await, 422, field);
    }
    for (query, field) in [
        ("services?status=fine", "status"),
        ("services?role=boss", "role"),
        ("services?limit=0", "limit"),
        ("hosts?status=fine", "status"),
        ("hosts?view=some", "view"),
        ("pick?model=a&min_ctx=many", "min_ctx"),
        ("pick?model=a&role=boss", "role"),
        ("pick?modle=a", "modle"),
    ] {
        let answer = rest.try_get(&format!("/api/v1/{query}")).await.expect("an answer");
        is_problem(query, &answer, 422, field);
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_as_thought_is_said() {
    let (fleet, host, own) = fleet().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let nobody = encoded("nobody/at [::1]:80%");
    let own = format!("{SERVICES}/{own}");
    let table = [
        (Method::GET, format!("{SERVICES}/{nobody}"), None, 404),
        (Method::PATCH, format!("{SERVICES}/{nobody}"), Some(json!({"role": "canary"})), 404),
        (Method::DELETE, format!("{SERVICES}/{nobody}"), None, 404),
        (Method::PUT, format!("{SERVICES}/{nobody}/heartbeat"), Some(json!({"status": "ok"})), 404),
        (
            Method::POST,
            format!("{SERVICES}/{nobody}/promote"),
            Some(json!({"role": "canary"})),
            404,
        ),
        (Method::POST, format!("{SERVICES}/{nobody}/drain"), Some(json!({"drain": true})), 404),
        (Method::GET, "/api/v1/hosts/nobody".to_owned(), None, 404),
        (Method::PATCH, "/api/v1/hosts/nobody".to_owned(), Some(json!({"notes": ""})), 404),
        (Method::DELETE, "/api/v1/hosts/nobody".to_owned(), None, 404),
        (Method::GET, "/api/v1/hosts/nobody/history".to_owned(), None, 404),
        (Method::GET, "/api/v1/hosts/nobody/sessions".to_owned(), None, 404),
        (Method::DELETE, "/api/v1/leases/nobody".to_owned(), None, 404),
        (Method::GET, "/api/v1/nothing".to_owned(), None, 404),
        (Method::DELETE, "/api/v1/models/a".to_owned(), None, 405),
        (Method::DELETE, format!("{SERVICES}/gpu-1%3A11434"), None, 409),
        (Method::DELETE, format!("{SERVICES}/gpu-1%3A11434?source=manual"), None, 409),
        (Method::PUT, format!("{SERVICES}/gpu-1%3A11434/heartbeat"), Some(json!({})), 409),
        (Method::POST, "/api/v1/leases".to_owned(), Some(json!({"model": "nobody-has"})), 404),
        (Method::POST, "/api/v1/leases".to_owned(), Some(json!({"service_id": "nobody"})), 404),
        (Method::DELETE, format!("/api/v1/hosts/{host}"), None, 409),
    ];
    for (method, path, body, expected) in table {
        let what = format!("{method} {path}");
        let answer = rest.send(method, &path, &[], body.as_ref()).await;
        is_problem(&what, &answer, expected, "");
    }

    // The revision that a change was meant for.
    let stale = [("if-match", "\"999999\"")];
    let change = json!({"priority": 1});
    let answer = rest.send(Method::PATCH, &own, &stale, Some(&change)).await;
    is_problem("a stale If-Match", &answer, 412, "If-Match");
    let answer = rest.send(Method::DELETE, &own, &stale, None).await;
    is_problem("a stale If-Match of DELETE", &answer, 412, "If-Match");
    let revision = rest.get(&own).await["revision"].clone();
    let fresh = format!("\"{revision}\"");
    let (status, answer) =
        rest.send(Method::PATCH, &own, &[("if-match", &fresh)], Some(&change)).await;
    assert_eq!((status, &answer["priority"]), (StatusCode::OK, &json!(1)), "{answer}");
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn an_id_with_signs_in_it_is_asked_for_in_percents() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    for (url, id) in [
        ("http://[FD00:0::7]:8000/", "[fd00::7]:8000"),
        ("https://models.example/team-a/", "models.example:443/team-a"),
        ("http://gpu-9:11434/%C3%A4%20b", "gpu-9:11434/%C3%A4%20b"),
    ] {
        let form = json!({"name": "spare", "type": "model", "url": url});
        let (status, service) = rest.post(SERVICES, &form).await;
        assert_eq!((status, &service["id"]), (StatusCode::CREATED, &json!(id)), "{service}");
        let path = format!("{SERVICES}/{}", encoded(id));
        assert_eq!(rest.service(id).await["id"], id);
        let (status, changed) = rest.patch(&path, &json!({"labels": {"a": "b"}})).await;
        assert_eq!((status, &changed["id"]), (StatusCode::OK, &json!(id)), "{changed}");
        let (status, answer) = rest.delete(&path).await;
        assert!(status.is_success(), "{answer}");
    }
    assert_eq!(rest.services().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_too_large_or_no_json_is_refused() {
    let (fleet, _, _) = fleet().await;
    let rest = fleet.rest();
    let large = with("name", json!("x".repeat(300 * 1024)));
    let answer = rest.post(SERVICES, &large).await;
    is_problem("over the limit", &answer, 413, "body");
    let two = format!("{form} {form}", form = with("role", json!("canary")));
    for text in ["", "{", "name=finder", "\u{feff}{}", &two] {
        let body = Some(text.as_bytes().to_vec());
        let answer = rest.send_bytes(Method::POST, SERVICES, &[], body).await;
        is_problem(text, &answer, 400, "body");
    }
}

/// Bytes that begin like a form and are broken somewhere.
fn garbage(random: &mut fastrand::Rng, form: &str) -> Vec<u8> {
    let mut bytes = form.as_bytes().to_vec();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(0..bytes.len());
        match random.u8(0..4) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, *random.choice(b"{}[]\",:0").expect("one")),
            _ => {
                let piece: Vec<u8> = bytes[at..].iter().take(12).copied().collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// A value that no form expects there.
fn odd(random: &mut fastrand::Rng) -> Value {
    let odd = [
        Value::Null,
        json!(-1),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("\u{0}\u{7f}\r\n"),
        json!("ü".repeat(3000)),
        json!([[[]]]),
        json!({"a": {"b": {}}}),
        json!(vec!["x"; 2000]),
        json!(true),
    ];
    odd[random.usize(0..odd.len())].clone()
}

async fn shower(rest: &Rest, routes: &[(Method, String, Value)], random: &mut fastrand::Rng) {
    for _ in 0..1500 {
        let (method, path, form) = &routes[random.usize(0..routes.len())];
        let body = if random.bool() {
            garbage(random, &form.to_string())
        } else {
            let mut form = form.clone();
            let keys: Vec<String> = form.as_object().expect("a form").keys().cloned().collect();
            form[&keys[random.usize(0..keys.len())]] = odd(random);
            form.to_string().into_bytes()
        };
        let said = String::from_utf8_lossy(&body).into_owned();
        let (status, answer) = rest.send_bytes(method.clone(), path, &[], Some(body)).await;
        assert!(!status.is_server_error(), "{method} {path} {said}: {status} {answer}");
        if status.is_client_error() {
            assert_eq!(answer["status"], status.as_u16(), "{method} {path} {said}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_shower_of_garbage_is_no_fault_of_the_collector() {
    let (mut fleet, host, own) = fleet().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let own = format!("{SERVICES}/{own}");
    let full = json!({"name": "finder", "type": "model", "kind": "ollama",
        "url": "http://127.0.0.1:9", "check": "heartbeat", "role": "canary", "caps": ["a"],
        "labels": {"a": "b"}, "priority": 1, "ctx_limit": 1, "cost_hint_usd_per_1k": 0.1,
        "heartbeat_interval_s": 60, "ttl_s": 90, "models": [{"name": "a:1b"}],
        "credential": {"header": "X-Key", "value": "v"}});
    let said = json!({"labels": {"a": "b"}, "role": "r", "notes": "n", "drain": false,
        "expected_absent": false});
    let changed = json!({"labels": {"a": "b"}, "role": "canary", "caps": ["a"], "priority": 2,
        "ctx_limit": 1, "drain": false, "name": "n"});
    let beat = json!({"status": "ok", "p95_ms": 1.5, "queue_depth": 1, "load": 0.5});
    let routes = [
        (Method::POST, SERVICES.to_owned(), full),
        (Method::PATCH, own.clone(), changed),
        (Method::PUT, format!("{own}/heartbeat"), beat),
        (Method::POST, format!("{own}/promote"), json!({"role": "canary"})),
        (Method::POST, format!("{own}/drain"), json!({"drain": false})),
        (Method::PATCH, format!("/api/v1/hosts/{host}"), said),
        (
            Method::POST,
            "/api/v1/leases".to_owned(),
            json!({"model": "llama:1b", "service_id": own, "ttl_s": 1, "vram_bytes": 1}),
        ),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    shower(&rest, &routes, &mut random).await;
    assert!(fleet.collector().is_running());
    let log = fleet.collector().log();
    assert!(!log.contains("panicked"), "{}", fleet.collector().log_tail());
    // What of it was taken in is told like all else.
    law::holds(&viewer, &rest).await;
}
