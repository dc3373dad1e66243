//! Whose right ends, and when: streams end with it, and every route asks for it.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::*;
use crate::api::testing::App;
use crate::auth::{Action, Role, authorize};

const PASSWORD: &str = "correct horse battery";
const SECOND: Duration = Duration::from_secs(1);
/// Less than the longest that a poll waits by itself.
const PATIENCE: Duration = Duration::from_secs(30);

fn operator() -> Caller {
    Caller::of(Principal::Known { role: Role::Admin, who: Who::Control })
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn token(app: &App, role: Role, expires_in_s: Option<u64>) -> (String, String) {
    let made = app.access.make_token(&operator(), "ci", role, expires_in_s).await.unwrap();
    (made.0.id.to_string(), format!("Bearer {}", made.1.expose()))
}

async fn cookie(app: &App, name: &str) -> String {
    let caller = Caller::nobody(crate::auth::Unknown::NoCredentials);
    let signed_in = app.access.sign_in(&caller, name, secret(PASSWORD)).await.unwrap();
    signed_in.cookie.expose().split(';').next().unwrap().to_owned()
}

/// The stream of events, and the poll that waits for one, of whoever shows this.
async fn open(app: &App, header: (&'static str, &str)) -> Response {
    let answer = app.respond(Method::GET, "/api/v1/events/stream", &[header], "").await;
    assert_eq!(answer.status(), 200);
    answer
}

async fn ends(stream: Response) {
    timeout(PATIENCE, stream.into_body().collect()).await.expect("the stream goes on").unwrap();
}

/// By the clock of the wall: what a revocation waits for is a disk, which no paused clock knows.
#[tokio::test]
async fn a_stream_and_a_poll_end_with_the_token() {
    let app = App::demanding();
    let (id, bearer) = token(&app, Role::Viewer, None).await;
    let header = ("authorization", bearer.as_str());
    let (stream, other) = (open(&app, header).await, token(&app, Role::Viewer, None).await.1);
    let goes_on = open(&app, ("authorization", &other)).await;
    let headers = [header];
    let poll = app.respond(Method::GET, "/api/v1/events?wait=60", &headers, "");
    let mut poll = std::pin::pin!(poll);
    assert!(poll.as_mut().now_or_never().is_none());
    assert!(app.access.revoke_token(&operator(), &id).await.unwrap());
    ends(stream).await;
    assert_eq!(timeout(PATIENCE, poll).await.unwrap().status(), 401);
    let goes_on = goes_on.into_body().collect();
    assert!(timeout(SECOND, goes_on).await.is_err(), "that of another token goes on");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_time_of_its_token_is_over() {
    let app = App::demanding();
    let (_, bearer) = token(&app, Role::Viewer, Some(60)).await;
    let stream = open(&app, ("authorization", &bearer)).await;
    let later = Timestamp::from_unix_ms(Timestamp::now().unix_ms() + 60_000);
    app.access.lapse_at(later);
    ends(stream).await;
}

#[tokio::test]
async fn a_stream_ends_with_the_sign_in_the_role_and_the_person() {
    let app = App::demanding();
    for (name, role) in [("anna", Role::Admin), ("otto", Role::Admin)] {
        app.access.add_person(&operator(), name, secret(PASSWORD), role).await.unwrap();
    }
    let first = cookie(&app, "otto").await;
    let stream = open(&app, ("cookie", &first)).await;
    let value = first.split_once('=').unwrap().1;
    let caller = app.access.by_sign_in(&crate::auth::digest(value)).unwrap();
    app.access.sign_out(&caller).await.unwrap();
    ends(stream).await;

    let second = cookie(&app, "otto").await;
    let stream = open(&app, ("cookie", &second)).await;
    app.access.change_person(&operator(), "otto", Some(Role::Viewer), None).await.unwrap();
    ends(stream).await;
    let tokens = app.send(Method::GET, "/api/v1/tokens", &[("cookie", &second)], "").await;
    assert_eq!(tokens.status, 403, "signed in still, as a viewer");

    let stream = open(&app, ("cookie", &second)).await;
    app.access.remove_person(&operator(), "otto").await.unwrap();
    ends(stream).await;
    assert!(app.access.by_sign_in(&crate::auth::digest(value)).is_none());
}

#[tokio::test]
async fn a_person_has_so_many_sign_ins_and_the_oldest_ends() {
    let app = App::demanding();
    app.access.add_person(&operator(), "anna", secret(PASSWORD), Role::Viewer).await.unwrap();
    let person = app.access.person("anna").unwrap();
    let caller = Caller::nobody(crate::auth::Unknown::NoCredentials);
    for _ in 0..40 {
        app.access.begin(&caller, person.clone(), "signIn").await.unwrap();
    }
    assert_eq!(app.access.book().sign_ins.len(), 32);
}

#[tokio::test]
async fn strangers_cannot_lock_out_whoever_signed_in_from_there_before() {
    let app = App::demanding();
    app.access.add_person(&operator(), "anna", secret(PASSWORD), Role::Viewer).await.unwrap();
    let at = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
    let from = |n: u8| Caller::nobody(crate::auth::Unknown::NoCredentials).at(at(n));
    app.access.sign_in(&from(200), "anna", secret(PASSWORD)).await.unwrap();
    for n in 0..20 {
        let _ = app.access.rates.try_sign_in(Some(at(n)), "anna");
    }
    let stranger = app.access.sign_in(&from(100), "anna", secret(PASSWORD)).await;
    assert!(matches!(stranger, Err(AccessError::Limited(_))), "{stranger:?}");
    app.access.sign_in(&from(200), "anna", secret(PASSWORD)).await.unwrap();
}

/// Everybody who asks, and what they show. `None` for what they may: nothing that needs
/// credentials.
async fn everybody(app: &App) -> Vec<(&'static str, Option<Role>, Option<(&'static str, String)>)> {
    app.access.add_person(&operator(), "anna", secret(PASSWORD), Role::Admin).await.unwrap();
    let mut all = vec![("nobody", None, None)];
    for role in Role::ALL {
        all.push((
            role.word(),
            Some(role),
            Some(("authorization", token(app, role, None).await.1)),
        ));
    }
    let (id, revoked) = token(app, Role::Admin, None).await;
    app.access.revoke_token(&operator(), &id).await.unwrap();
    all.push(("revoked", None, Some(("authorization", revoked))));
    let (id, expired) = token(app, Role::Admin, Some(3_600)).await;
    if let Some(token) = app.access.book().tokens.get_mut(id.as_str()) {
        token.expires_at = Some(Timestamp::from_unix_ms(Timestamp::now().unix_ms() - 1));
    }
    all.push(("expired", None, Some(("authorization", expired))));
    let out = cookie(app, "anna").await;
    let digest = crate::auth::digest(out.split_once('=').unwrap().1);
    app.access.sign_out(&app.access.by_sign_in(&digest).unwrap()).await.unwrap();
    all.push(("signed out", None, Some(("cookie", out))));
    all
}

#[tokio::test]
async fn every_route_lets_in_whom_its_action_allows_and_nobody_else() {
    let app = App::demanding();
    let everybody = everybody(&app).await;
    let mut n_asked = 0;
    for route in &app.declared {
        let path = route.path.replace(['{', '}', '*'], "");
        let actions = app.declared.iter().filter(|other| other.path == route.path);
        let actions: Vec<Action> = actions.map(|other| other.action).collect();
        for (who, role, shown) in &everybody {
            let principal = match role {
                Some(role) => Principal::Known { role: *role, who: Who::Person("x".into()) },
                None => Principal::Anonymous(crate::auth::Unknown::NoCredentials),
            };
            let is_allowed = |action: &Action| authorize(&principal, *action).is_ok();
            let (all, any) = (actions.iter().all(is_allowed), actions.iter().any(is_allowed));
            let mut n_answered = 0;
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let method: Method = method.parse().unwrap();
                let shown = shown.as_ref().map(|(name, value)| (*name, value.as_str()));
                let headers: Vec<_> = shown.into_iter().chain([("x-herdbook", "page")]).collect();
                // A poll that waits has been let in.
                let asking = app.respond(method.clone(), &path, &headers, "");
                let answer = timeout(SECOND / 5, asking).await;
                let status = answer.map_or(200, |answer| answer.status().as_u16());
                let words = format!("{who} {method} {path}: {status}");
                match status {
                    405 => continue,
                    401 if role.is_none() => assert!(!all, "{words}"),
                    403 if role.is_some() => assert!(!all, "{words}"),
                    // No person is called so, and nobody gave a code.
                    401 | 403 => panic!("{words}"),
                    _ => assert!(any, "{words}"),
                }
                n_answered += 1;
            }
            assert!(n_answered > 0, "{path} answers no method");
            n_asked += n_answered;
        }
    }
    assert!(n_asked > 7 * app.declared.len() / 2, "{n_asked}");
}

/// All texts in a document.
fn texts(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) => drop(found.insert(text.clone())),
        serde_json::Value::Array(list) => list.iter().for_each(|one| texts(one, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|one| texts(one, found)),
        _ => (),
    }
}

#[tokio::test]
async fn nothing_that_the_api_tells_lets_anybody_in() {
    let app = App::demanding();
    let (_, bearer) = token(&app, Role::Admin, None).await;
    app.access.add_person(&operator(), "anna", secret(PASSWORD), Role::Admin).await.unwrap();
    cookie(&app, "anna").await;
    let form = serde_json::json!({
        "name": "finder", "type": "tool", "url": "http://10.0.0.9:8888", "ttl_s": 90,
    });
    let shown = [("authorization", bearer.as_str())];
    let added = app.send(Method::POST, "/api/v1/services", &shown, &form.to_string()).await;
    assert_eq!(added.status, 201, "{added:?}");
    let mut told = std::collections::BTreeSet::new();
    for path in ["people", "tokens", "audit", "audit/verify", "session", "services", "hosts"] {
        let answer = app.send(Method::GET, &format!("/api/v1/{path}"), &shown, "").await;
        assert_eq!(answer.status, 200, "{path}");
        texts(&answer.body, &mut told);
    }
    assert!(told.len() > 20, "{told:?}");
    for text in told.into_iter().filter(|text| text.is_ascii()) {
        for shown in [
            ("authorization", format!("Bearer {text}")),
            ("authorization", format!("Bearer hbt_{text}")),
            ("cookie", format!("herdbook={text}")),
        ] {
            let headers = [(shown.0, shown.1.as_str())];
            let status = app.send(Method::GET, "/api/v1/hosts", &headers, "").await.status;
            assert_eq!(status, 401, "{text}");
        }
    }
}
