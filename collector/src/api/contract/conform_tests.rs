//! What is really sent is as the schemas say: answers, changes, frames.

use herdbook_shared::wire::codec::decode_agent;
use herdbook_shared::wire::{AgentMessage, fixtures};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::api::events::Notice;
use crate::api::live::frames;
use crate::api::testing::{Answer, App};
use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::arrive::Opened;
use crate::registry::change::ChangeKind;
use crate::registry::finding::Severity;
use crate::registry::moment::Moment;
use crate::registry::session::CloseReason;
use crate::registry::testing::{connect, model, sample, service};
use crate::registry::view::View;

use super::{DOCUMENT, files};

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

#[track_caller]
pub(super) fn conforms(validator: &Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

/// The file of that name in `docs/schemas`.
pub(super) fn schema(name: &str) -> Validator {
    let schemas = files::schemas();
    validator(&schemas.iter().find(|(file, _)| *file == name).unwrap().1)
}

/// A host that tells all there is to tell, two that tell little, and one that went.
fn populate(registry: &Registry) -> Vec<Opened> {
    let fixture = |text| decode_agent(text).unwrap();
    let deep = connect(registry, 1, Moment::now());
    let AgentMessage::Inventory(inventory) = fixture(fixtures::INVENTORY_DEPTH) else { panic!() };
    let AgentMessage::Sample(told) = fixture(fixtures::SAMPLE_DEPTH) else { panic!() };
    let session = &deep.session.id;
    registry.apply_inventory(&deep.host_id, session, *inventory, Moment::now()).unwrap();
    registry.take_sample(&deep, *told, Moment::now());
    let plain = connect(registry, 2, Moment::now());
    registry.take_sample(&plain, sample(), Moment::now());
    let models = vec![model("llama3.1:8b", true), model("qwen3:30b", false)];
    registry.take_inventory(&plain, vec![service("0.0.0.0", 11434, models)], Moment::now());
    let silent = connect(registry, 3, Moment::now());
    let gone = connect(registry, 4, Moment::now());
    registry.take_inventory(&gone, vec![service("0.0.0.0", 8000, vec![])], Moment::now());
    let reason = CloseReason::Shutdown;
    registry.close_session(&gone.host_id, &gone.session.id, reason, Moment::now());
    let subject = AlertSubject {
        kind: SubjectKind::Host,
        id: gone.host_id.as_str().into(),
        name: "gpu-4".into(),
    };
    let alert = Alert {
        id: "a".into(),
        rule: "host_offline".into(),
        severity: Severity::Warning,
        subject,
        part: None,
        message: "gone".to_owned(),
        cause: None,
        raised_at: Moment::now().at,
        resolved_at: None,
    };
    registry.raise_alert(Arc::new(alert), Moment::now()).unwrap();
    vec![deep, plain, silent, gone]
}

/// Holds an answer against what the document says of this operation and status.
#[track_caller]
pub(super) fn answers_as_told(method: &str, path: &str, answer: &Answer) {
    let operation = &DOCUMENT["paths"][path][method];
    let status = answer.status.to_string();
    let mut response = &operation["responses"][&status];
    assert!(response.is_object(), "{method} {path} answers {status}, which is not told");
    if let Some(reference) = response["$ref"].as_str() {
        response = DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap();
    }
    let Some(content) = response["content"].as_object() else {
        assert!(answer.body.is_null(), "{method} {path} {status}: {}", answer.body);
        return;
    };
    let (media_type, content) = content.iter().next().unwrap();
    assert_eq!(answer.header("content-type"), media_type, "{method} {path} {status}");
    let mut schema = content["schema"].clone();
    schema["components"] = DOCUMENT["components"].clone();
    conforms(&validator(&schema), &answer.body);
}

#[tokio::test]
async fn what_is_read_is_as_the_document_says() {
    let app = App::new();
    let hosts = populate(&app.registry);
    let _ = app
        .post(
            "/api/v1/services",
            json!({
                "name": "finder", "type": "tool", "url": "http://10.0.0.9:8888", "ttl_s": 90,
            }),
        )
        .await;
    let lease =
        app.post("/api/v1/leases", json!({ "model": "llama3.1:8b", "from": "gpu-2" })).await;
    answers_as_told("post", "/api/v1/leases", &lease);
    let (id, none) = (hosts[0].host_id.as_str(), "none");
    let service = "gpu-2%3A11434";
    for (path, asked) in [
        ("/api/v1/hosts", "/api/v1/hosts?limit=2".to_owned()),
        ("/api/v1/hosts", "/api/v1/hosts?view=summary".to_owned()),
        ("/api/v1/hosts", "/api/v1/hosts?status=gone".to_owned()),
        ("/api/v1/hosts/{id}", format!("/api/v1/hosts/{id}")),
        ("/api/v1/hosts/{id}", format!("/api/v1/hosts/{none}")),
        ("/api/v1/hosts/{id}/sessions", format!("/api/v1/hosts/{id}/sessions")),
        ("/api/v1/hosts/{id}/history", format!("/api/v1/hosts/{id}/history")),
        ("/api/v1/services", "/api/v1/services".to_owned()),
        ("/api/v1/services", "/api/v1/services?view=summary&healthy=true".to_owned()),
        ("/api/v1/services/{id}", format!("/api/v1/services/{service}")),
        ("/api/v1/services/{id}/history", format!("/api/v1/services/{service}/history")),
        ("/api/v1/models", "/api/v1/models".to_owned()),
        ("/api/v1/models/{name}", "/api/v1/models/llama3.1%3A8b".to_owned()),
        ("/api/v1/snapshot", "/api/v1/snapshot".to_owned()),
        ("/api/v1/snapshot", "/api/v1/snapshot?view=summary".to_owned()),
        ("/api/v1/graph", "/api/v1/graph".to_owned()),
        ("/api/v1/pick", "/api/v1/pick?model=llama3.1%3A8b&from=gpu-2".to_owned()),
        ("/api/v1/pick", "/api/v1/pick?model=none".to_owned()),
        ("/api/v1/pick", "/api/v1/pick".to_owned()),
        ("/api/v1/leases", "/api/v1/leases".to_owned()),
        ("/api/v1/live", "/api/v1/live".to_owned()),
    ] {
        answers_as_told("get", path, &app.get(&asked).await);
    }
}

#[tokio::test]
async fn what_is_measured_and_what_clients_of_old_read_is_as_the_document_says() {
    let app = App::new();
    let hosts = populate(&app.registry);
    let (id, (epoch, _)) = (hosts[0].host_id.as_str(), app.registry.cursor());
    for (path, asked) in [
        ("/api/v1/hosts/{id}/samples", format!("/api/v1/hosts/{id}/samples")),
        ("/api/v1/hosts/{id}/samples", "/api/v1/hosts/none/samples".to_owned()),
        ("/api/v1/hosts/{id}/samples", format!("/api/v1/hosts/{id}/samples?step=0")),
        ("/api/nodes", "/api/nodes".to_owned()),
        ("/api/nodes/{id}", format!("/api/nodes/{id}")),
        ("/api/nodes/{id}", "/api/nodes/none".to_owned()),
        ("/api/nodes/{id}/heartbeats", format!("/api/nodes/{id}/heartbeats")),
        ("/api/v1/stats", "/api/v1/stats".to_owned()),
        ("/api/v1/sd/prometheus", "/api/v1/sd/prometheus?loopback=true".to_owned()),
        ("/api/v1/events", format!("/api/v1/events?since={epoch}:0")),
        ("/api/v1/events", format!("/api/v1/events?since={epoch}:0&view=summary&types=host.")),
        ("/api/v1/events", "/api/v1/events?since=other:0".to_owned()),
        ("/api/v1/events", "/api/v1/events?wait=61".to_owned()),
        ("/discover", "/discover".to_owned()),
        ("/discover", "/discover?type=none".to_owned()),
        ("/services", "/services".to_owned()),
        ("/services/{id}", "/services/gpu-2%3A11434".to_owned()),
        ("/services/{id}", "/services/none".to_owned()),
        ("/stats", "/stats".to_owned()),
        ("/api/graph", "/api/graph".to_owned()),
    ] {
        answers_as_told("get", path, &app.get(&asked).await);
    }
    let samples = app.get(&format!("/api/v1/hosts/{id}/samples")).await;
    assert!(!samples.body["rows"].as_array().unwrap().is_empty(), "{}", samples.body);
}

#[tokio::test]
async fn what_clients_of_old_do_is_answered_as_the_document_says() {
    let app = App::new();
    populate(&app.registry);
    let form = json!({ "name": "a", "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90 });
    let new = app.post("/register", form).await;
    answers_as_told("post", "/register", &new);
    answers_as_told("post", "/register", &app.post("/register", json!({ "name": 1 })).await);
    for id in [&new.body["service_id"], &json!("none"), &json!("gpu-2:11434"), &json!(7)] {
        let told = json!({ "service_id": id, "load": 0.5, "role": "canary" });
        let put = "PUT".parse().unwrap();
        let beat = app.send(put, "/heartbeat", &[], &told.to_string()).await;
        answers_as_told("put", "/heartbeat", &beat);
        answers_as_told("post", "/promote", &app.post("/promote", told.clone()).await);
        answers_as_told("post", "/deregister", &app.post("/deregister", told).await);
    }
}

#[tokio::test]
async fn what_is_changed_is_answered_as_the_document_says() {
    let app = App::new();
    let hosts = populate(&app.registry);
    let host = format!("/api/v1/hosts/{}", hosts[1].host_id);
    let service = "/api/v1/services/gpu-2%3A11434";
    let form = json!({ "name": "a", "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90 });
    let new = app.post("/api/v1/services", form.clone()).await;
    answers_as_told("post", "/api/v1/services", &new);
    answers_as_told("post", "/api/v1/services", &app.post("/api/v1/services", form).await);
    answers_as_told("post", "/api/v1/services", &app.post("/api/v1/services", json!({})).await);
    let own = format!("/api/v1/services/{}", new.body["id"].as_str().unwrap());
    let beat = app.send("PUT".parse().unwrap(), &format!("{own}/heartbeat"), &[], "{}").await;
    answers_as_told("put", "/api/v1/services/{id}/heartbeat", &beat);
    let promoted = app.post(&format!("{service}/promote"), json!({ "role": "canary" })).await;
    answers_as_told("post", "/api/v1/services/{id}/promote", &promoted);
    let drained = app.post(&format!("{service}/drain"), json!({ "drain": true })).await;
    answers_as_told("post", "/api/v1/services/{id}/drain", &drained);
    let changed = app.patch(service, json!({ "priority": 5 })).await;
    answers_as_told("patch", "/api/v1/services/{id}", &changed);
    answers_as_told("delete", "/api/v1/services/{id}", &app.delete(service).await);
    answers_as_told("delete", "/api/v1/services/{id}", &app.delete(&own).await);
    let changed = app.patch(&host, json!({ "notes": "loud", "drain": true })).await;
    answers_as_told("patch", "/api/v1/hosts/{id}", &changed);
    let many = app.patch("/api/v1/hosts?all=true", json!({ "role": "spare" })).await;
    answers_as_told("patch", "/api/v1/hosts", &many);
    answers_as_told("delete", "/api/v1/hosts/{id}", &app.delete(&host).await);
    let gone = format!("/api/v1/hosts/{}", hosts[3].host_id);
    answers_as_told("delete", "/api/v1/hosts/{id}", &app.delete(&gone).await);
    answers_as_told("delete", "/api/v1/leases/{id}", &app.delete("/api/v1/leases/1-1").await);
}

#[test]
fn what_crosses_the_wire_is_as_its_schema_says() {
    for (name, frame) in [
        ("hello", fixtures::HELLO),
        ("inventory", fixtures::INVENTORY),
        ("inventory", fixtures::INVENTORY_DEPTH),
        ("sample", fixtures::SAMPLE),
        ("sample", fixtures::SAMPLE_DEPTH),
        ("goodbye", fixtures::GOODBYE),
        ("welcome", fixtures::WELCOME),
        ("refused", fixtures::REFUSED),
    ] {
        let schema = schema(name);
        conforms(&schema, &serde_json::from_str(frame).unwrap());
        for wrong in [json!({}), json!({ "type": "other" })] {
            assert!(!schema.is_valid(&wrong), "{name} takes {wrong}");
        }
    }
}

#[test]
fn every_change_is_as_its_schema_says() {
    let registry = Registry::new(Liveness::default());
    let hosts = populate(&registry);
    // A model goes, one comes into memory, its server goes down, and both hosts leave.
    let loaded = vec![model("qwen3:30b", true)];
    registry.take_inventory(&hosts[1], vec![service("0.0.0.0", 11434, loaded)], Moment::now());
    registry.take_inventory(&hosts[1], vec![], Moment::now());
    registry.resolve_alert("a", "it is back", Moment::now()).unwrap();
    let (kind, n) = (ChangeKind::FleetMassOffline, json!({ "n_hosts": 3 }));
    registry.tell_mass(kind, n, "a test".to_owned(), Moment::now());
    let rejected = json!({
        "name": "a", "kind": "skills", "n_entries": 0, "error": {
            "file": "/a", "line": null, "key": null, "why": "it is", "expected": null,
            "other_file": null,
        },
    });
    registry.tell_catalog(ChangeKind::CatalogRejected, rejected, None, Moment::now());
    registry.forget_host(4, Moment::now());

    let (of_change, live) = (schema("change"), schema("live"));
    let mut kinds = std::collections::BTreeSet::new();
    for change in registry.changes_since(0, usize::MAX).unwrap() {
        kinds.insert(change.kind.word().split('.').next().unwrap());
        for view in [View::Summary, View::Full] {
            let encoded = change.encoded(view);
            conforms(&of_change, &serde_json::from_slice(&encoded).unwrap());
            conforms(&live, &serde_json::from_str(&frames::change(&encoded)).unwrap());
        }
    }
    let all = ["alert", "catalog", "fleet", "host", "model", "service", "session"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
    let mut wrong: Value =
        serde_json::from_slice(&registry.changes_since(0, 1).unwrap()[0].encoded(View::Full))
            .unwrap();
    wrong["data"] = json!(7);
    assert!(!of_change.is_valid(&wrong));
}

#[test]
fn every_frame_of_the_feed_is_as_its_schema_says() {
    let registry = Registry::new(Liveness::default());
    populate(&registry);
    let (live, alert) = (schema("live"), schema("alert"));
    let snapshot = registry.snapshot(Moment::now());
    for view in [View::Summary, View::Full] {
        let (word, fields) = (view.word(), snapshot.fields(view));
        let text = format!("{{\"type\":\"snapshot\",\"view\":\"{word}\",{fields}}}");
        conforms(&live, &serde_json::from_str(&text).unwrap());
    }
    for text in [
        snapshot.fleet_frame(),
        frames::samples(snapshot.seq, &snapshot.hosts, &snapshot.services),
        frames::error("what was that"),
    ] {
        conforms(&live, &serde_json::from_str(&text).unwrap());
    }
    assert!(!live.is_valid(&json!({ "type": "fleet" })));
    for open in &snapshot.alerts {
        conforms(&alert, &serde_json::to_value(open.as_ref()).unwrap());
    }
    let watch = json!({ "type": "watch", "hosts": ["a"], "samples_per_second": 2 });
    assert!(frames::ViewerMessage::read(&watch.to_string()).is_ok());
    conforms(&schema("watch"), &watch);
}

#[test]
fn every_frame_of_the_stream_is_as_its_schema_says() {
    let registry = Registry::new(Liveness::default());
    populate(&registry);
    let stream = schema("stream");
    for change in registry.changes_since(0, usize::MAX).unwrap() {
        let text = frames::change(&change.encoded(View::Summary));
        conforms(&stream, &serde_json::from_str(&text).unwrap());
    }
    let (epoch, next) = (registry.cursor().0, "a:7".to_owned());
    let cause = "too far behind".to_owned();
    for notice in [
        Notice::Cursor { epoch: epoch.clone(), seq: 7, next: next.clone() },
        Notice::Reset { epoch, seq: 7, next, cause },
    ] {
        conforms(&stream, &serde_json::to_value(notice).unwrap());
    }
    conforms(&stream, &serde_json::from_str(&frames::error("nothing is read here")).unwrap());
    assert!(!stream.is_valid(&json!({ "type": "cursor", "seq": 7 })));
}
