//! What is really sent of alerts, silences, catalogs and skills is as the schemas say, and a full
//! disk is told of exactly where it may refuse.

use std::collections::BTreeSet;
use std::fs;

use axum::http::Method;
use herdbook_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::api::testing::App;
use crate::catalog::catalogs::Trigger;
use crate::journal::{
    AlertLine, AlertLineType, HeartbeatAction, HeartbeatAlert, HeartbeatAlertType,
};
use crate::notify::testing::alert;
use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::DOCUMENT;
use super::conform_tests::{answers_as_told, conforms, schema};

fn put(app: &App, path: &str, text: &str) {
    let path = app.dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// With a skill and a service in files, and an alert.
async fn app() -> App {
    let app = App::new();
    put(&app, "skills/r/SKILL.md", "---\nname: review\ndescription: Reviews\n---\n# How\n");
    put(&app, "skills/r/logo", "\0");
    put(&app, "skills/empty/readme", "no skill");
    let service = "[[service]]\nname = \"a\"\ntype = \"model\"\nurl = \"http://10.0.0.9:1\"\n";
    put(&app, "services.d/a.toml", service);
    for catalog in ["skills", "services"] {
        app.catalogs.reload(catalog, Trigger::Start).await.unwrap();
    }
    app.alerts.put_for_test(alert("a", "gpu_lost"));
    app
}

#[tokio::test]
async fn what_is_read_is_as_the_document_says() {
    let app = app().await;
    for (path, asked) in [
        ("/api/v1/alerts", "/api/v1/alerts?open=true"),
        ("/api/v1/alerts", "/api/v1/alerts?rule=none"),
        ("/alerts", "/alerts"),
        ("/api/v1/silences", "/api/v1/silences?limit=0"),
        ("/api/v1/catalogs", "/api/v1/catalogs"),
        ("/api/v1/catalogs/{name}", "/api/v1/catalogs/skills"),
        ("/api/v1/catalogs/{name}", "/api/v1/catalogs/services"),
        ("/api/v1/catalogs/{name}", "/api/v1/catalogs/none"),
        ("/api/v1/catalogs/{name}/{entry}", "/api/v1/catalogs/skills/review"),
        ("/api/v1/catalogs/{name}/{entry}", "/api/v1/catalogs/services/a"),
        ("/api/v1/catalogs/{name}/reload", "/api/v1/catalogs/skills/reload"),
        ("/api/v1/skills", "/api/v1/skills"),
        ("/api/v1/skills/{name}", "/api/v1/skills/review"),
        ("/api/v1/skills/{name}", "/api/v1/skills/none"),
        ("/api/v1/skills/{name}/files/{path}", "/api/v1/skills/review/files/none"),
    ] {
        answers_as_told("get", path, &app.get(asked).await);
    }
    let skills = app.get("/api/v1/catalogs/skills").await.body;
    assert_eq!(
        (&skills["n_entries"], skills["left_out"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    for (file, kind) in [("SKILL.md", "text/plain"), ("logo", "application/octet-stream")] {
        let of_file = &DOCUMENT["paths"]["/api/v1/skills/{name}/files/{path}"]["get"];
        assert!(of_file["responses"]["200"]["content"][kind].is_object(), "{kind}");
        let answer = app.get_raw(&format!("/api/v1/skills/review/files/{file}")).await;
        assert!(answer.header("content-type").starts_with(kind), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_changed_is_answered_as_the_document_says() {
    let app = app().await;
    let (silences, skills) = ("/api/v1/silences", "/api/v1/skills");
    let soon = Timestamp::from_unix_ms(Moment::now().at.unix_ms() + 60_000);
    let matcher = json!({ "rule": "gpu_lost", "subject": { "kind": "host" }, "label": "rack=b7" });
    let added = app.post(silences, json!({ "matcher": matcher, "until": soon })).await;
    assert_eq!(added.status, 201);
    answers_as_told("post", silences, &added);
    answers_as_told("get", silences, &app.get(silences).await);
    let own = format!("{silences}/{}", added.body["id"].as_str().unwrap());
    for status in [204, 404] {
        let removed = app.delete(&own).await;
        assert_eq!(removed.status, status);
        answers_as_told("delete", "/api/v1/silences/{id}", &removed);
    }
    let form = |name: &str| json!({ "name": name, "description": "does it", "body": "" });
    for (name, status) in [("own", 201), ("own", 200), ("review", 409), ("", 422)] {
        let registered = app.post(skills, form(name)).await;
        assert_eq!(registered.status, status);
        answers_as_told("post", skills, &registered);
    }
    for (name, status) in [("own", 200), ("own", 404), ("review", 409), ("review?a=b", 422)] {
        let removed = app.delete(&format!("{skills}/{name}")).await;
        assert_eq!(removed.status, status);
        answers_as_told("delete", "/api/v1/skills/{name}", &removed);
    }
    put(&app, "skills/bad/SKILL.md", "no front matter");
    for (name, status) in [("services", 200), ("skills", 422), ("none", 404)] {
        let path = format!("/api/v1/catalogs/{name}/reload");
        let reloaded = app.send(Method::POST, &path, &[], "").await;
        assert_eq!(reloaded.status, status);
        answers_as_told("post", "/api/v1/catalogs/{name}/reload", &reloaded);
    }
    answers_as_told("get", "/api/v1/catalogs", &app.get("/api/v1/catalogs").await);
}

#[tokio::test]
async fn what_becomes_of_catalogs_is_as_the_schema_of_changes_says() {
    let app = app().await;
    put(&app, "skills/bad/SKILL.md", "no front matter");
    app.catalogs.reload("services", Trigger::Asked).await.unwrap();
    app.catalogs.reload("skills", Trigger::Asked).await.unwrap_err();
    let of_change = schema("change");
    let mut kinds = BTreeSet::new();
    for change in app.registry.changes_since(0, usize::MAX).unwrap() {
        kinds.insert(change.kind.word());
        let told = serde_json::from_slice(&change.encoded(View::Full));
        conforms(&of_change, &told.unwrap());
    }
    assert!(kinds.contains("catalog.reloaded") && kinds.contains("catalog.rejected"), "{kinds:?}");
    // Neither is taken for the other.
    for (kind, other) in
        [("catalog.reloaded", "catalog.rejected"), ("catalog.rejected", "catalog.reloaded")]
    {
        let changes = app.registry.changes_since(0, usize::MAX).unwrap();
        let change = changes.iter().find(|change| change.kind.word() == kind).unwrap();
        let mut told: Value = serde_json::from_slice(&change.encoded(View::Full)).unwrap();
        told["type"] = json!(other);
        assert!(!of_change.is_valid(&told), "{told}");
    }
}

#[test]
fn the_lines_of_the_logs_are_as_their_schemas_say() {
    let alert = (*alert("a", "gpu_lost")).clone();
    let at = alert.raised_at;
    let line = AlertLine { r#type: AlertLineType::Raised, at, alert };
    conforms(&schema("alert_line"), &serde_json::to_value(line).unwrap());
    let mut line = HeartbeatAlert {
        alert_type: HeartbeatAlertType::ServiceDown,
        service_id: "10.0.0.9:1".to_owned(),
        service_name: "a".to_owned(),
        missed_beats: 2,
        last_seen: None,
        action: HeartbeatAction::MarkedDown,
        ts: at,
    };
    let of_heartbeat = schema("heartbeat_alert");
    conforms(&of_heartbeat, &serde_json::to_value(&line).unwrap());
    line.last_seen = Some(at);
    let mut told = serde_json::to_value(&line).unwrap();
    conforms(&of_heartbeat, &told);
    told["action"] = json!("other");
    assert!(!of_heartbeat.is_valid(&told));
}

#[test]
fn a_full_disk_is_told_of_where_something_is_kept_and_nowhere_else() {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(_, methods)| methods.as_object().unwrap().values());
    let (kept, others): (Vec<_>, Vec<_>) =
        operations.partition(|operation| operation["responses"]["507"].is_object());
    let id = |operation: &&Value| operation["operationId"].as_str().unwrap().to_owned();
    let kept: BTreeSet<String> = kept.iter().map(id).collect();
    let of_here = [
        "addSilence",
        "changeHost",
        "changeHosts",
        "changeService",
        "drainService",
        "promoteService",
        "registerService",
        "registerSkill",
        "reloadCatalog",
        "removeHost",
        "removeService",
        "removeSilence",
        "removeSkill",
    ];
    for id in of_here {
        assert!(kept.contains(id), "{id}");
    }
    for id in others.iter().map(id) {
        assert!(!of_here.contains(&&*id), "{id}");
    }
}
