//! Who is known by what: an agent gets in as itself and as nobody else, and nothing that the API tells
//! is a credential, neither of an agent nor of a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use herdbook_agent::link::End;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::hello::{Hello, RefusalCode};
use herdbook_tests::harness::eventually;
use herdbook_tests::hostile::member::say as say_on;
use herdbook_tests::hostile::{House, Member};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::soak::say;

const DESCRIPTION: &str = include_str!("../../docs/openapi.json");
/// Answered to anybody, whatever they show: how the collector does, what its API is, how to sign in,
/// where agents knock.
const OPEN: [&str; 9] = [
    "/health",
    "/healthz",
    "/readyz",
    "/docs",
    "/docs.css",
    "/openapi.json",
    "/api/v1/session",
    "/api/v1/first-admin",
    "/api/v1/agent",
];
/// These go on for ever once they are let in.
const ENDLESS: [&str; 2] = ["/api/v1/events/stream", "/api/v1/live"];
/// The shortest life of a join token, and a little.
const EXPIRES_WITHIN: Duration = Duration::from_secs(90);

async fn member(house: &House, seed: u64, line: &JoinLine) -> Member {
    let host = SimulatedHost::from_seed(seed).having(1, 2);
    Member::new(host, line, house.dir())
}

/// The line of a token that the API made.
fn line_of(house: &House, made: &Value) -> JoinLine {
    let (token, pin) = (made["token"].as_str(), made["pins"][0].as_str());
    let (token, pin) = (token.expect("a token"), pin.expect("a pin"));
    JoinLine::parse(&format!("https://{} {token} {pin}", house.tls())).expect("a join line")
}

/// Why it gets no session.
async fn refusal(member: &Member, hello: &Hello) -> RefusalCode {
    match member.connect_as(hello).await {
        Err(End::Refused(refused)) => refused.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_gets_in_as_itself_and_as_nobody_else() {
    let mut house = House::start().await;
    let (status, short) =
        house.ask(Method::POST, "/api/v1/join-tokens", Some(&json!({"expires_in_s": 60}))).await;
    assert_eq!(status, StatusCode::CREATED, "{short}");
    let line = house.join_line(2).await;
    let (a, b) = (member(&house, 1, &line).await, member(&house, 2, &line).await);
    for one in [&a, &b] {
        drop(one.connect().await.expect("it is enrolled"));
    }
    let as_other = |one: &Member, other: &Member| Hello {
        host_id: other.host.host_id.clone(),
        ..one.host.hello()
    };
    let third = member(&house, 3, &line).await;
    assert_eq!(refusal(&third, &third.host.hello()).await, RefusalCode::TokenRefused, "used up");
    let told = refusal(&third, &as_other(&third, &a)).await;
    assert_eq!(told, RefusalCode::TokenRefused, "and is not told whose a host is");
    assert_eq!(refusal(&a, &as_other(&a, &b)).await, RefusalCode::NotYours, "A as B");
    assert_eq!(refusal(&b, &as_other(&b, &a)).await, RefusalCode::NotYours, "B as A");
    drop(a.connect().await.expect("A as A"));

    let revoke = format!("/api/v1/agents/{}/revoke", b.key().fingerprint());
    let (status, told) = house.ask(Method::POST, &revoke, None).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(refusal(&b, &b.host.hello()).await, RefusalCode::Revoked, "B, revoked");
    assert_eq!(refusal(&b, &as_other(&b, &a)).await, RefusalCode::Revoked, "B as A, revoked");
    // A line that holds does not bring a revoked key back.
    let again = house.join_line(1).await;
    let third = member(&house, 3, &again).await;
    assert_eq!(refusal(&third, &as_other(&third, &a)).await, RefusalCode::NotYours, "A's host");
    let fourth = member(&house, 4, &again).await;
    drop(fourth.connect().await.expect("the line holds"));
    let (_, taken) = house.ask(Method::POST, "/api/v1/join-tokens", Some(&json!({}))).await;
    let path = format!("/api/v1/join-tokens/{}", taken["id"].as_str().expect("an id"));
    assert_eq!(house.ask(Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    let taken = line_of(&house, &taken);
    let fifth = member(&house, 5, &taken).await;
    assert_eq!(refusal(&fifth, &fifth.host.hello()).await, RefusalCode::TokenRefused, "taken back");

    let expired = line_of(&house, &short);
    eventually("the token has expired", EXPIRES_WITHIN, async || {
        let tokens = house.get("/api/v1/join-tokens?limit=100").await.to_string();
        if tokens.contains("expired") { Ok(()) } else { Err(tokens) }
    })
    .await;
    let sixth = member(&house, 6, &expired).await;
    assert_eq!(refusal(&sixth, &sixth.host.hello()).await, RefusalCode::TokenRefused, "expired");
    let names = house.hosts().await.len();
    assert_eq!(names, 3, "A, B and the fourth");
    house.is_sound();
}

/// Every route and method, with what stands in its path filled in.
fn routes(ids: &BTreeMap<&str, String>) -> Vec<(Method, String)> {
    let description: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, operations) in paths {
        let filled = ids
            .iter()
            .fold(path.clone(), |path, (key, id)| path.replace(&format!("{{{key}}}"), id));
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if operations.get(method.to_lowercase()).is_some() {
                all.push((method.parse().expect("a method"), filled.clone()));
            }
        }
    }
    all
}

fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(list) => list.iter().for_each(|one| texts(one, found)),
        Value::Object(fields) => fields.values().for_each(|one| texts(one, found)),
        _ => (),
    }
}

/// Whether it may be an id: no sentence, no number, and something that a header can carry.
fn is_id(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"' | '\\');
    (6..200).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with("http")
}

/// Everything that the API tells its admin.
async fn told(house: &House, ids: &BTreeMap<&str, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let asked = routes(ids).into_iter().filter(|(method, path)| {
        *method == Method::GET
            && !ENDLESS.contains(&path.as_str())
            && path != "/api/v1/agent"
            && path != "/openapi.json"
    });
    for (method, path) in asked {
        texts(&house.ask(method, &path, None).await.1, &mut found);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_the_api_tells_is_a_credential() {
    let mut house = House::start().await;
    let line = house.join_line(2).await;
    let (a, b) = (member(&house, 1, &line).await, member(&house, 2, &line).await);
    let (mut a_socket, _) = a.connect().await.expect("A is enrolled");
    let inventory = AgentMessage::Inventory(Box::new(a.host.inventory()));
    say_on(&mut a_socket, &inventory).await.expect("an open session");
    drop(b.connect().await.expect("B is enrolled"));
    let revoke = format!("/api/v1/agents/{}/revoke", b.key().fingerprint());
    assert_eq!(house.ask(Method::POST, &revoke, None).await.0, StatusCode::OK);
    let service =
        json!({"name": "finder", "type": "tool", "url": "http://127.0.0.1:9", "ttl_s": 90});
    let (status, service) = house.ask(Method::POST, "/api/v1/services", Some(&service)).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");

    let host_id = a.host.host_id.clone();
    let fingerprint = a.key().fingerprint().to_string();
    let ids = BTreeMap::from([("id", host_id.clone()), ("fingerprint", fingerprint.clone())]);
    let mut shown: BTreeSet<String> =
        told(&house, &ids).await.into_iter().filter(|text| is_id(text)).collect();
    for one in [&a, &b] {
        shown.insert(one.host.host_id.clone());
        shown.insert(one.key().fingerprint().to_string());
        shown.insert(one.key().public_key().to_string());
    }
    shown.insert(line.token().to_owned());
    assert!(shown.contains(&host_id) && shown.contains(&fingerprint) && shown.len() > 20);

    let client = Client::builder().no_proxy().build().expect("a client");
    let base = format!("http://{}", house.plain());
    let all = routes(&ids);
    let mut n_asked = 0_usize;
    for text in &shown {
        let ways = [
            ("authorization", format!("Bearer {text}")),
            ("cookie", format!("herdbook={text}; __Host-herdbook={text}")),
        ];
        for ((header, value), (method, path)) in
            ways.iter().flat_map(|way| all.iter().map(move |route| (way, route)))
        {
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let request = client.request(method.clone(), format!("{base}{path}"));
            let request = request.header(*header, value).header("x-herdbook", "page");
            let status = request.send().await.expect("an answer").status();
            let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            assert!(is_refused, "{method} {path} with {header}: {value}: {status}");
            n_asked += 1;
        }
    }
    // Nobody was helped: all is as it was.
    drop(a_socket);
    drop(a.connect().await.expect("A is still enrolled"));
    house.is_sound();
    say(&format!(
        "hostile credentials: {} texts of the API as bearer and as cookie on {} operations, \
         {n_asked} requests, all refused",
        shown.len(),
        all.len()
    ));
}
