//! Hosts over HTTP, with all the routes and their guard in front.

use serde_json::{Value, json};

use crate::api::guard::BODY_BYTES;
use crate::api::testing::App;
use crate::history::session_row;
use crate::registry::arrive::Opened;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::store::{Entry, StatusRow, Whose};

use super::*;

struct World {
    app: App,
}

impl World {
    fn new() -> Self {
        Self { app: App::new() }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        if_match: Option<&str>,
        body: Option<&str>,
    ) -> (u16, Value) {
        let headers: Vec<_> = if_match.into_iter().map(|tag| ("if-match", tag)).collect();
        let (method, path) = (method.parse().unwrap(), format!("/api/v1/{path}"));
        let answer = self.app.send(method, &path, &headers, body.unwrap_or_default()).await;
        (answer.status, answer.body)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn patch(&self, path: &str, body: &str) -> (u16, Value) {
        self.ask("PATCH", path, None, Some(body)).await
    }

    /// A host that is online.
    fn connect(&self, n: u8) -> Opened {
        let opened = connect(&self.app.registry, n, Moment::now());
        self.app.registry.take_sample(&opened, sample(), Moment::now());
        opened
    }

    fn close(&self, opened: &Opened) {
        let (id, session) = (&opened.host_id, &opened.session.id);
        self.app.registry.close_session(id, session, CloseReason::Shutdown, Moment::now());
    }
}

fn path(opened: &Opened) -> String {
    format!("hosts/{}", opened.host_id)
}

#[tokio::test]
async fn one_host_is_changed_shown_and_taken_back() {
    let world = World::new();
    let path = path(&world.connect(1));
    let body = r#"{"role":"trainer","labels":{"rack":"7"},"notes":"n","drain":true,
        "expected_absent":true}"#;
    let (status, host) = world.patch(&path, body).await;
    assert_eq!(status, 200, "{host}");
    assert_eq!(
        (&host["role"], &host["labels"]),
        (&json!("trainer"), &json!({"rack": "7", "zone": "a"}))
    );
    assert_eq!((&host["notes"], &host["drain"]), (&json!("n"), &json!(true)));
    assert_eq!(host, world.get(&path).await);
    let summary = world.get("hosts?view=summary").await;
    assert_eq!(summary["hosts"][0]["expected_absent"], true);
    let body = r#"{"role":null,"labels":null,"notes":null,"drain":null,"expected_absent":null}"#;
    let (_, host) = world.patch(&path, body).await;
    assert_eq!((&host["role"], &host["labels"]), (&json!("worker"), &json!({"zone": "a"})));
    assert_eq!((&host["notes"], &host["drain"]), (&json!(""), &json!(false)));
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_by_its_field() {
    let world = World::new();
    let opened = world.connect(1);
    let path = path(&opened);
    let notes = format!(r#"{{"notes":"{}"}}"#, "n".repeat(5000));
    let cases = [
        (r#"{"rôle":"a"}"#, 422, "rôle"),
        (r#"{"name":"a"}"#, 422, "name"),
        (r#"{"role":7}"#, 422, "role"),
        (r#"{"role":""}"#, 422, "role"),
        (r#"{"drain":"yes"}"#, 422, "drain"),
        (r#"{"labels":{"a":1}}"#, 422, "labels.a"),
        (&notes, 422, "notes"),
        ("{", 400, "body"),
        ("", 400, "body"),
    ];
    for (body, status, field) in cases {
        let (told, problem) = world.patch(&path, body).await;
        assert_eq!((told, &problem["field"]), (status, &json!(field)), "{body}: {problem}");
    }
    assert_eq!(world.patch(&path, &" ".repeat(BODY_BYTES + 1)).await.0, 413);
    for (method, path) in [("PATCH", "hosts/x"), ("DELETE", "hosts/x")] {
        assert_eq!(world.ask(method, path, None, Some("{}")).await.0, 404);
    }
    for path in ["hosts/x/sessions", "hosts/x/history", "services/x/history"] {
        assert_eq!(world.ask("GET", path, None, None).await.0, 404);
    }
}

#[tokio::test]
async fn a_stale_revision_is_refused_with_the_present_one() {
    let world = World::new();
    let opened = world.connect(1);
    let path = path(&opened);
    let revision = world.get(&path).await["revision"].as_u64().unwrap();
    let (fresh, old) = (format!("\"{revision}\""), format!("\"{}\"", revision - 1));
    for method in ["PATCH", "DELETE"] {
        let (status, problem) = world.ask(method, &path, Some(&old), Some("{}")).await;
        assert_eq!((status, &problem["expected"]), (412, &json!(fresh)), "{problem}");
        assert_eq!(problem["type"], "urn:herdbook:precondition_failed");
        assert_eq!(problem["field"], "If-Match");
    }
    let body = Some(r#"{"drain":true}"#);
    assert_eq!(world.ask("PATCH", &path, Some(&fresh), body).await.0, 200);
    assert_eq!(world.ask("PATCH", &path, Some(&fresh), body).await.0, 412);
    assert_eq!(world.ask("PATCH", &path, Some("seven"), body).await.0, 422);
}

#[tokio::test]
async fn many_hosts_are_changed_by_what_they_have_in_common() {
    let world = World::new();
    let hosts: Vec<_> = (0..90).map(|n| world.connect(n)).collect();
    let (status, told) = world.patch("hosts?label=zone%3Da", r#"{"labels":{"zone":"b"}}"#).await;
    assert_eq!((status, &told["changed"]), (200, &json!(90)), "{told}");
    assert_eq!(told["hosts"].as_array().unwrap().len(), 90);
    assert_eq!(
        world.get("hosts?label=zone%3Db&view=summary").await["hosts"].as_array().unwrap().len(),
        90
    );
    world.close(&hosts[3]);
    let (_, told) = world.patch("hosts?status=offline&role=worker", r#"{"drain":true}"#).await;
    assert_eq!(told, json!({"changed": 1, "hosts": [hosts[3].host_id]}));
    let (_, told) = world.patch("hosts?name=gpu-3", r#"{"drain":true}"#).await;
    assert_eq!(told, json!({"changed": 0, "hosts": []}));
    let (_, told) = world.patch("hosts?all=true", r#"{"drain":true}"#).await;
    assert_eq!(told["changed"], 89);
}

#[tokio::test]
async fn what_selects_no_hosts_changes_none() {
    let world = World::new();
    let path = path(&world.connect(1));
    let body = r#"{"drain":true}"#;
    let cases = [
        ("hosts", "query"),
        ("hosts?lable=zone", "lable"),
        ("hosts?role=worker&lable=zone", "lable"),
        ("hosts?q=", "q"),
        ("hosts?all=yes", "all"),
        ("hosts?role=worker&role=other", "role"),
        ("hosts?status=well", "status"),
    ];
    for (selector, field) in cases {
        let (status, problem) = world.patch(selector, body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
    }
    let (status, problem) = world.ask("PATCH", "hosts?all=true", Some("\"1\""), Some(body)).await;
    assert_eq!((status, &problem["field"]), (422, &json!("If-Match")));
    assert_eq!(world.patch("hosts?all=true", r#"{"role":""}"#).await.0, 422);
    assert_eq!(world.get(&path).await["drain"], false);
}

#[tokio::test]
async fn a_host_is_removed_once_its_agent_is_gone() {
    let world = World::new();
    let opened = world.connect(1);
    let path = path(&opened);
    let (status, problem) = world.ask("DELETE", &path, None, None).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("stop the agent"), "{problem}");
    world.close(&opened);
    assert_eq!(world.ask("DELETE", &path, None, None).await, (204, Value::Null));
    assert_eq!(world.ask("GET", &path, None, None).await.0, 404);
}

/// The numbers in the ids of sessions, over all pages of one entry each.
async fn paged(world: &World, list: &str, name: &str, field: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{list}limit=1{cursor}")).await;
        assert!(page[name].as_array().unwrap().len() <= 1);
        found.extend(page[name].as_array().unwrap().iter().map(|row| row[field].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn sessions_are_told_newest_first_the_open_one_as_it_is_now() {
    let world = World::new();
    let opened = world.connect(1);
    let ended = |name: &str| {
        let closed = Some((Moment::now().at, CloseReason::Lost));
        let row = session_row(&opened.host_id, &opened.session, closed);
        Entry::Session(crate::store::SessionRow { id: name.to_owned(), ..row })
    };
    // The open one has a row too, until its end that of an open one.
    let open = Entry::Session(session_row(&opened.host_id, &opened.session, None));
    world.app.store.append(vec![ended("a"), ended("b"), open]).await.unwrap();
    opened.session.live.write_latency(9);
    let base = path(&opened);
    let all = world.get(&format!("{base}/sessions")).await;
    let now = &all["sessions"][0];
    assert_eq!((&now["latency_ms"], &now["samples"]), (&json!(9), &json!(1)));
    assert_eq!((&now["closed_at"], &now["transport"]), (&Value::Null, &json!("websocket")));
    assert_eq!(all["sessions"][1]["close_reason"], "lost");
    let id = json!(opened.session.id);
    let ids = paged(&world, &format!("{base}/sessions?"), "sessions", "id").await;
    assert_eq!(ids, [id.clone(), json!("b"), json!("a")]);
    let ids = paged(&world, &format!("{base}/sessions?active=true&"), "sessions", "id").await;
    assert_eq!(ids, [id]);
    let ids = paged(&world, &format!("{base}/sessions?active=false&"), "sessions", "id").await;
    assert_eq!(ids, [json!("b"), json!("a")]);
    for wrong in ["active=maybe", "cursor=x", "cursor=-1", "limit=0"] {
        let told = world.ask("GET", &format!("{base}/sessions?{wrong}"), None, None).await;
        assert_eq!(told.0, 422, "{wrong}");
    }
}

#[tokio::test]
async fn histories_are_told_newest_first_with_their_causes() {
    let world = World::new();
    let opened = world.connect(1);
    let services = vec![service("127.0.0.1", 11434, Vec::new())];
    world.app.registry.take_inventory(&opened, services, Moment::now());
    let row = |from: &str, to: &str| StatusRow {
        at: Moment::now().at,
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        cause: Some("why".to_owned()),
        n_more: 0,
    };
    let whose = Whose::Host(opened.host_id.to_string());
    let service = Whose::Service("gpu-1:11434".to_owned());
    let entries = vec![
        Entry::Status(whose.clone(), row("unknown", "online")),
        Entry::Status(service, row("healthy", "down")),
        Entry::Status(whose, row("online", "stale")),
    ];
    world.app.store.append(entries).await.unwrap();
    let base = path(&opened);
    let history = world.get(&format!("{base}/history")).await;
    let newest = &history["history"][0];
    assert_eq!((&newest["from"], &newest["to"]), (&json!("online"), &json!("stale")));
    assert_eq!((&newest["cause"], &newest["n_more"]), (&json!("why"), &json!(0)));
    let to = paged(&world, &format!("{base}/history?"), "history", "to").await;
    assert_eq!(to, [json!("stale"), json!("online")]);
    let to = paged(&world, "services/gpu-1%3A11434/history?", "history", "to").await;
    assert_eq!(to, [json!("down")]);
}
