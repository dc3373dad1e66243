use serde_json::json;

use crate::api::testing::App;
use crate::registry::alert::{AlertSubject, SubjectKind};

use super::*;

fn alert(id: &str, rule: &str, host: &str, raised_ms: i64, resolved_ms: Option<i64>) -> Alert {
    Alert {
        id: id.into(),
        rule: rule.into(),
        severity: Severity::Critical,
        subject: AlertSubject { kind: SubjectKind::Host, id: host.into(), name: "gpu-1".into() },
        part: None,
        message: "host gpu-1 is offline".to_owned(),
        cause: None,
        raised_at: Timestamp::from_unix_ms(raised_ms),
        resolved_at: resolved_ms.map(Timestamp::from_unix_ms),
    }
}

fn app() -> App {
    let app = App::new();
    for one in [
        alert("a", "host_offline", "h1", 1_000, Some(5_000)),
        alert("b", "host_offline", "h2", 2_000, None),
        alert("c", "gpu_lost", "h1", 3_000, None),
    ] {
        app.alerts.put_for_test(Arc::new(one));
    }
    app
}

async fn ids(app: &App, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/api/v1/alerts{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {:?}", answer.body);
    let alerts = answer.body["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_newest_come_first_and_filters_hold() {
    let app = app();
    for (query, expected) in [
        ("", &["c", "b", "a"][..]),
        ("?open=true", &["c", "b"]),
        ("?open=false", &["a"]),
        ("?rule=host_offline", &["b", "a"]),
        ("?severity=critical", &["c", "b", "a"]),
        ("?severity=info", &[]),
        ("?subject=h1", &["c", "a"]),
        ("?subject=gpu-1&open=true", &["c", "b"]),
        ("?since=1970-01-01T00:00:03Z", &["c", "a"]),
        ("?since=1970-01-01T00:00:05.001Z", &[]),
    ] {
        assert_eq!(ids(&app, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_one_another() {
    let app = app();
    let first = app.get("/api/v1/alerts?limit=2").await.body;
    assert_eq!(first["alerts"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/alerts?limit=2&cursor={cursor}")).await.body;
    assert_eq!((&second["alerts"][0]["id"], &second["next_cursor"]), (&json!("a"), &json!(null)));
}

#[tokio::test]
async fn an_open_alert_names_the_silence_for_which_nobody_is_told() {
    let app = app();
    let silence = json!({"matcher": {"rule": "host_offline"}, "until": Timestamp::from_unix_ms(
        Timestamp::now().unix_ms() + 60_000), "comment": "moving"});
    let added = app.post("/api/v1/silences", silence).await;
    assert_eq!(added.status, 201);
    let alerts = app.get("/api/v1/alerts").await.body["alerts"].take();
    let by: Vec<_> = (0..3).map(|n| alerts[n]["silenced_by"].clone()).collect();
    assert_eq!(by, [json!(null), added.body["id"].clone(), json!(null)]);
    let expected = json!({
        "id": "b", "rule": "host_offline", "severity": "critical",
        "subject": {"kind": "host", "id": "h2", "name": "gpu-1"},
        "part": null, "message": "host gpu-1 is offline", "cause": null,
        "raised_at": "1970-01-01T00:00:02.000Z", "resolved_at": null,
        "silenced_by": added.body["id"],
    });
    assert_eq!(alerts[1], expected);
}

#[tokio::test]
async fn what_is_no_value_of_a_parameter_is_named() {
    let app = app();
    for (query, field) in [
        ("open=maybe", "open"),
        ("rule=gpu_cold", "rule"),
        ("severity=bad", "severity"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let answer = app.get(&format!("/api/v1/alerts?{query}")).await;
        assert_eq!((answer.status, answer.field()), (422, field), "{query}");
    }
}
