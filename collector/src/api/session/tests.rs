//! Signing in as a browser does, and what programs may: over the whole application.

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::testing::{Answer, App};
use crate::auth::{Caller, Principal, Role, Who};
use crate::secret::Secret;

const SESSION: &str = "/api/v1/session";
const PASSWORD: &str = "correct horse battery";
const PAGE: (&str, &str) = ("x-herdbook", "page");

fn operator() -> Caller {
    Caller::of(Principal::Known { role: Role::Admin, who: Who::Control })
}

async fn add(app: &App, name: &str, role: Role) {
    let password = Secret::new(PASSWORD.to_owned());
    app.access.add_person(&operator(), name, password, role).await.unwrap();
}

async fn token(app: &App, role: Role) -> (String, String) {
    let (view, text) = app.access.make_token(&operator(), "ci", role, None).await.unwrap();
    (view.id.to_string(), format!("Bearer {}", text.expose()))
}

/// Signs in, and returns the cookie.
async fn sign_in(app: &App, name: &str, password: &str, more: &[(&'static str, &str)]) -> Answer {
    let form = json!({ "name": name, "password": password }).to_string();
    app.send(Method::POST, SESSION, more, &form).await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn get(app: &App, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    app.send(Method::GET, path, headers, "").await
}

/// What the audit log tells, the oldest first: who, what, to what.
fn audit(app: &App) -> Vec<(String, String, String)> {
    let entries = app.audit.audit(None, 1_000).unwrap().into_iter().rev();
    entries.map(|one| (one.actor, one.action, one.subject.unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let app = App::demanding();
    add(&app, "anna", Role::Admin).await;
    let nobody = get(&app, SESSION, &[]).await;
    assert_eq!(nobody.body["principal"], json!({"kind": "nobody", "name": null, "role": null}));
    assert_eq!(nobody.body["credentials_demanded"], true);

    let signed_in = sign_in(&app, "Anna", PASSWORD, &[]).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(signed_in.body["principal"]["name"], "anna");
    let set = signed_in.header("set-cookie");
    assert!(set.starts_with("herdbook=") && set.contains("HttpOnly; SameSite=Strict"), "{set}");
    assert!(!set.contains("Secure"), "{set}");
    let cookie = cookie(&signed_in);
    let with = [("cookie", cookie.as_str())];
    assert_eq!(get(&app, "/api/v1/hosts", &with).await.status, 200);

    let without_header = app.send(Method::DELETE, SESSION, &with, "").await;
    assert_eq!((without_header.status, without_header.field()), (403, "X-Herdbook"));
    let gone = app.send(Method::DELETE, SESSION, &[with[0], PAGE], "").await;
    assert_eq!(gone.status, 204);
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    let after = get(&app, "/api/v1/hosts", &with).await;
    assert_eq!((after.status, after.header("www-authenticate")), (401, "Bearer"));
    let told = audit(&app);
    assert_eq!(told[1], ("person anna".to_owned(), "signIn".to_owned(), "anna".to_owned()));
    assert_eq!(told[2].1, "signOut");
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_are_told_alike() {
    let app = App::demanding();
    add(&app, "anna", Role::Viewer).await;
    let wrong = sign_in(&app, "anna", "wrong horse battery", &[]).await;
    let unknown = sign_in(&app, "otto", PASSWORD, &[]).await;
    let no_name = sign_in(&app, "no name!", PASSWORD, &[]).await;
    assert_eq!((wrong.status, &wrong.body), (401, &unknown.body));
    assert_eq!(wrong.body, no_name.body);
    assert!(wrong.header("set-cookie").is_empty());
    // A hash takes a while, in which another try becomes free.
    let mut limited = wrong;
    for _ in 0..30 {
        limited = sign_in(&app, "anna", PASSWORD, &[]).await;
        if limited.status == 429 {
            break;
        }
        assert_eq!(limited.status, 200);
    }
    assert_eq!(limited.status, 429, "also when right");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() <= 13);
    let failed: Vec<_> = audit(&app).into_iter().filter(|row| row.1 == "signInFailed").collect();
    let named: Vec<_> = failed.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(named, ["anna", "?", "?", "anna"], "names that nobody has may be passwords");
}

#[tokio::test]
async fn a_sign_in_gets_an_id_that_nobody_knew_before() {
    let app = App::demanding();
    add(&app, "anna", Role::Viewer).await;
    let planted = "herdbook=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let first = sign_in(&app, "anna", PASSWORD, &[("cookie", planted), PAGE]).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_ne!(cookie(&first), planted);
    let old = cookie(&first);
    let second = sign_in(&app, "anna", PASSWORD, &[("cookie", &old), PAGE]).await;
    assert_ne!(cookie(&second), old);
    assert_eq!(get(&app, "/api/v1/hosts", &[("cookie", &old)]).await.status, 401);
    assert_eq!(get(&app, "/api/v1/hosts", &[("cookie", planted)]).await.status, 401);
    assert_eq!(get(&app, "/api/v1/hosts", &[("cookie", &cookie(&second))]).await.status, 200);
}

#[tokio::test]
async fn what_a_cookie_does_must_come_from_the_page() {
    let app = App::demanding();
    add(&app, "anna", Role::Admin).await;
    let cookie = cookie(&sign_in(&app, "anna", PASSWORD, &[]).await);
    let with = ("cookie", cookie.as_str());
    let form = r#"{"name":"ci","role":"viewer"}"#;
    let tokens = "/api/v1/tokens";
    for (headers, status) in [
        (vec![with], 403),
        (vec![with, ("x-herdbook", "other")], 403),
        (vec![with, PAGE, ("origin", "http://evil.example")], 403),
        (vec![with, PAGE, ("origin", "null")], 403),
        (vec![with, PAGE, ("origin", "http://localhost")], 201),
        (vec![with, PAGE], 201),
        (vec![PAGE], 401),
    ] {
        let answer = app.send(Method::POST, tokens, &headers, form).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let upgrade =
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    for (origin, refused) in [
        (None, true),
        (Some("http://evil.example"), true),
        (Some("null"), true),
        (Some("https://localhost"), true),
        (Some("http://localhost"), false),
    ] {
        let origin = origin.map(|origin| ("origin", origin));
        let headers: Vec<_> = upgrade.into_iter().chain([with]).chain(origin).collect();
        let answer = app.respond(Method::GET, "/api/v1/live", &headers, "").await;
        assert_eq!(answer.status() == 403, refused, "{origin:?}: {}", answer.status());
    }
}

#[tokio::test]
async fn the_first_admin_signs_up_by_the_code_once() {
    let app = App::demanding();
    let code = app.access.first_admin_code().unwrap();
    assert_eq!(get(&app, SESSION, &[]).await.body["first_admin_needed"], true);
    let ask = async |code: &str| {
        let form = json!({ "code": code, "name": "anna", "password": PASSWORD }).to_string();
        app.send(Method::POST, "/api/v1/first-admin", &[], &form).await
    };
    assert_eq!(ask("AAAAA-AAAAA-AAAAA-AAAAA").await.status, 403);
    let made = ask(code.expose()).await;
    assert_eq!((made.status, &made.body["principal"]["role"]), (201, &json!("admin")));
    let people = get(&app, "/api/v1/people", &[("cookie", &cookie(&made))]).await;
    assert_eq!(people.body["people"][0]["created_by"], "first admin");
    assert_eq!(ask(code.expose()).await.status, 409);
    assert!(app.access.first_admin_code().is_none());
    assert_eq!(get(&app, SESSION, &[]).await.body["first_admin_needed"], false);
}

#[tokio::test]
async fn no_number_of_wrong_codes_keeps_the_first_admin_out() {
    let app = App::demanding();
    let code = app.access.first_admin_code().unwrap();
    let from = |n: u8| {
        let nobody = Caller::nobody(crate::auth::Unknown::NoCredentials);
        nobody.at(std::net::IpAddr::from([192, 0, 2, n]))
    };
    let password = || Secret::new(PASSWORD.to_owned());
    let wrong = Secret::new("AAAAA-AAAAA-AAAAA-AAAAA".to_owned());
    for n in 0..30 {
        let refused = app.access.make_first_admin(&from(n), &wrong, "eve", password()).await;
        assert!(matches!(refused, Err(crate::auth::AccessError::BadCode)), "{n}: {refused:?}");
    }
    for n in 0..10 {
        let refused = app.access.make_first_admin(&from(99), &wrong, "eve", password()).await;
        let is_limited = matches!(refused, Err(crate::auth::AccessError::Limited(_)));
        assert_eq!(is_limited, n >= 5, "{n}: {refused:?}");
    }
    app.access.make_first_admin(&from(100), &code, "anna", password()).await.unwrap();
}

#[tokio::test]
async fn what_an_admin_registers_is_told_and_not_what_a_client_does_nor_a_beat() {
    let form = json!({
        "name": "finder", "type": "tool", "url": "http://10.0.0.9:8888", "ttl_s": 90,
    });
    let app = App::demanding();
    for (role, url) in [(Role::Admin, "http://10.0.0.9:1"), (Role::Client, "http://10.0.0.9:2")] {
        let (_, bearer) = token(&app, role).await;
        let with = [("authorization", bearer.as_str())];
        let mut form = form.clone();
        form["url"] = url.into();
        let form = form.to_string();
        let added = app.send(Method::POST, "/api/v1/services", &with, &form).await;
        assert_eq!(added.status, 201, "{added:?}");
        let id = added.body["service"]["id"].as_str().or(added.body["id"].as_str()).unwrap();
        let path = format!("/api/v1/services/{}/heartbeat", id.replace(':', "%3A"));
        let beat = app.send(Method::PUT, &path, &with, "{}").await;
        assert_eq!(beat.status / 100, 2, "{beat:?}");
    }
    let told: Vec<_> = audit(&app).into_iter().filter(|row| row.1 != "makeToken").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let local = App::new();
    local.post("/api/v1/services", form).await;
    assert!(audit(&local).is_empty(), "where everybody is admin, registering is no act of one");
}

#[tokio::test]
async fn another_password_ends_the_other_sign_ins() {
    let app = App::demanding();
    add(&app, "anna", Role::Viewer).await;
    let mine = cookie(&sign_in(&app, "anna", PASSWORD, &[]).await);
    let other = cookie(&sign_in(&app, "anna", PASSWORD, &[]).await);
    let change = async |current: &str, new: &str| {
        let form = json!({ "current": current, "new": new }).to_string();
        app.send(Method::POST, "/api/v1/password", &[("cookie", &mine), PAGE], &form).await
    };
    assert_eq!(change("wrong horse battery", "another password").await.status, 401);
    assert_eq!(change(PASSWORD, "short").await.field(), "new");
    assert_eq!(change(PASSWORD, "another password").await.status, 204);
    assert_eq!(get(&app, "/api/v1/hosts", &[("cookie", &mine)]).await.status, 200);
    assert_eq!(get(&app, "/api/v1/hosts", &[("cookie", &other)]).await.status, 401);
}

#[tokio::test]
async fn the_last_admin_stays_and_others_may_be_changed_and_removed() {
    let app = App::demanding();
    let (_, admin) = token(&app, Role::Admin).await;
    let with = [("authorization", admin.as_str())];
    let send = async |method: Method, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        app.send(method, &format!("/api/v1/people{path}"), &with, &body).await
    };
    let anna = json!({ "name": "Anna", "password": PASSWORD, "role": "admin" });
    assert_eq!(send(Method::POST, "", anna.clone()).await.status, 201);
    assert_eq!(send(Method::POST, "", anna).await.status, 409);
    let bad = json!({ "name": "-", "password": PASSWORD, "role": "admin" });
    assert_eq!(send(Method::POST, "", bad).await.field(), "name");
    let short = json!({ "name": "otto", "password": "short", "role": "viewer" });
    assert_eq!(send(Method::POST, "", short).await.field(), "password");
    assert_eq!(send(Method::DELETE, "/anna", Value::Null).await.status, 409);
    assert_eq!(send(Method::PATCH, "/anna", json!({ "role": "viewer" })).await.status, 409);
    let otto = json!({ "name": "otto", "password": PASSWORD, "role": "admin" });
    assert_eq!(send(Method::POST, "", otto).await.status, 201);
    let lowered = send(Method::PATCH, "/anna", json!({ "role": "viewer" })).await;
    assert_eq!((lowered.status, &lowered.body["role"]), (200, &json!("viewer")));
    assert_eq!(send(Method::DELETE, "/anna", Value::Null).await.status, 204);
    assert_eq!(send(Method::DELETE, "/anna", Value::Null).await.status, 404);
    let list = get(&app, "/api/v1/people", &with).await;
    assert_eq!(list.body["people"].as_array().unwrap().len(), 1);
    let actions: Vec<_> = audit(&app).into_iter().map(|row| row.1).collect();
    let expected = ["makeToken", "addPerson", "addPerson", "changePerson", "removePerson"];
    assert_eq!(actions, expected, "one row each, and none of what was refused");
}

#[tokio::test]
async fn a_token_is_told_once_and_ends_when_it_is_revoked() {
    let app = App::demanding();
    let (_, admin) = token(&app, Role::Admin).await;
    let with = [("authorization", admin.as_str())];
    let form = json!({ "name": "ci", "role": "viewer", "expires_in_s": 60 }).to_string();
    let made = app.send(Method::POST, "/api/v1/tokens", &with, &form).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = made.body["token"].as_str().unwrap();
    let bearer = format!("Bearer {text}");
    let own = [("authorization", bearer.as_str())];
    assert_eq!(get(&app, "/api/v1/hosts", &own).await.status, 200);
    let list = get(&app, "/api/v1/tokens", &with).await.body;
    assert!(!list.to_string().contains(text));
    assert!(list["tokens"].as_array().unwrap().iter().all(|one| one["state"] == "active"));
    let path = format!("/api/v1/tokens/{}", made.body["id"].as_str().unwrap());
    assert_eq!(app.send(Method::DELETE, &path, &own, "").await.status, 403);
    assert_eq!(app.send(Method::DELETE, &path, &with, "").await.status, 204);
    assert_eq!(app.send(Method::DELETE, &path, &with, "").await.status, 404);
    assert_eq!(get(&app, "/api/v1/hosts", &own).await.status, 401);
    let bytes = std::fs::read(app.dir.path().join("state.db-wal")).unwrap_or_default();
    let text = text.as_bytes();
    assert!(!bytes.windows(text.len()).any(|window| window == text), "only its hash is kept");
}

#[tokio::test]
async fn what_an_admin_changes_is_told_with_the_names_of_its_fields() {
    let app = App::demanding();
    let (id, admin) = token(&app, Role::Admin).await;
    let with = [("authorization", admin.as_str())];
    let form = json!({
        "matcher": { "rule": "host_offline" }, "until": "2026-12-24T00:00:00Z",
        "comment": "the rack is moved",
    });
    let made = app.send(Method::POST, "/api/v1/silences", &with, &form.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/api/v1/silences/{}", made.body["id"].as_str().unwrap());
    assert_eq!(app.send(Method::DELETE, &path, &with, "").await.status, 204);
    assert_eq!(app.send(Method::DELETE, &path, &with, "").await.status, 404);
    let page = get(&app, "/api/v1/audit?limit=2", &with).await.body;
    let rows = page["audit"].as_array().unwrap();
    assert_eq!([&rows[0]["action"], &rows[1]["action"]], ["removeSilence", "addSilence"]);
    assert_eq!(rows[0]["subject"], made.body["id"]);
    assert_eq!(rows[1]["detail"], "comment, matcher, until");
    assert_eq!(rows[1]["actor"], format!("token ci ({id})"));
    assert_eq!(rows[1]["from_address"], "127.0.0.1");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(&app, &format!("/api/v1/audit?cursor={cursor}"), &with).await.body;
    assert_eq!(rest["audit"][0]["action"], "makeToken");
    assert_eq!(rest["next_cursor"], Value::Null);
    let verdict = get(&app, "/api/v1/audit/verify", &with).await.body;
    assert_eq!((&verdict["intact"], &verdict["n"]), (&json!(true), &json!(3)));
}

#[tokio::test]
async fn where_the_log_cannot_be_written_nothing_is_answered_as_done() {
    let app = App::demanding();
    let (_, admin) = token(&app, Role::Admin).await;
    let with = [("authorization", admin.as_str())];
    let direct = rusqlite::Connection::open(app.dir.path().join("state.db")).unwrap();
    direct.execute("ALTER TABLE audit RENAME TO away", []).unwrap();
    let form = json!({ "matcher": { "rule": "host_offline" }, "until": "2026-12-24T00:00:00Z" });
    let made = app.send(Method::POST, "/api/v1/silences", &with, &form.to_string()).await;
    assert_eq!(made.status, 503, "{made:?}");
    assert!(made.body["detail"].as_str().unwrap().contains("audit log"), "{made:?}");
    let person = json!({ "name": "anna", "password": PASSWORD, "role": "viewer" }).to_string();
    let person = app.send(Method::POST, "/api/v1/people", &with, &person).await;
    assert_eq!(person.status, 503);
    assert!(app.access.people().is_empty(), "kept together with its row, or not at all");
}
