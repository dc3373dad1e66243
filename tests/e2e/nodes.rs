//! What people say of hosts: labels, notes, drain, that one may be away; and how they remove one.

use std::time::Duration;

use herdbook_shared::wire::hello::GoodbyeReason;
use herdbook_tests::harness::{Fleet, Rest, Viewer, eventually, law, throughout};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(25);
/// A host that fell silent is offline after six seconds.
const QUICK: &str =
    "[liveness]\nstale_after_s = 4\nclosed_stale_after_s = 2\noffline_after_s = 6\n";

fn host(seed: u64) -> SimulatedHost {
    SimulatedHost::from_seed(seed).having(1, 2).named(&format!("gpu-{seed}"))
}

fn path(host: &SimulatedHost) -> String {
    format!("/api/v1/hosts/{}", host.host_id)
}

async fn online(rest: &Rest, host: &SimulatedHost) -> Value {
    let is_online = |host: &Value| host["status"] == "online" && host["services"][0].is_string();
    rest.host_is(&host.host_id, "online", WITHIN, is_online).await
}

/// What people said is written a moment later; a crash may cost that moment.
async fn settle() {
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
}

/// Joins, tells what it has, and leaves with these words.
async fn comes_and_goes(fleet: &Fleet, host: &SimulatedHost, reason: GoodbyeReason) {
    let joined = SimulatedAgent::join(fleet.address(), host.clone()).await;
    let mut agent = joined.expect("a welcome");
    agent.send_inventory().await.expect("an open session");
    agent.send_sample().await.expect("an open session");
    online(&fleet.rest(), host).await;
    agent.goodbye(reason).await.expect("an open session");
}

async fn list(rest: &Rest, path: &str, key: &str) -> Vec<Value> {
    let mut answer = rest.get(path).await;
    match answer[key].take() {
        Value::Array(entries) => entries,
        other => panic!("expected a list of {key} at {path}, got {other}"),
    }
}

#[tokio::test]
async fn what_people_say_of_a_host_survives_a_crash() {
    let mut fleet = Fleet::start().await;
    let (rest, gpu) = (fleet.rest(), host(1));
    fleet.simulate(gpu.clone()).await;
    online(&rest, &gpu).await;
    let viewer = fleet.viewer().await;
    let said = json!({"labels": {"rack": "b7"}, "notes": "fan is loud", "drain": true,
        "expected_absent": true, "role": "spare"});
    let (status, patched) = rest.patch(&path(&gpu), &said).await;
    assert_eq!(status, StatusCode::OK, "{patched}");
    let says = |host: &Value| {
        host["labels"] == json!({"rack": "b7", "zone": "simulated"})
            && (&host["notes"], &host["role"]) == (&json!("fan is loud"), &json!("spare"))
            && host["drain"] == true
            && host["expected_absent"] == true
    };
    assert!(says(&patched), "{patched}");
    assert_eq!(rest.service("gpu-1:11434").await["status"], "draining", "its services with it");
    let found = list(&rest, "/api/v1/hosts?label=rack%3Db7&role=spare", "hosts").await;
    assert_eq!(found.len(), 1, "{found:?}");
    law::holds(&viewer, &rest).await;

    settle().await;
    fleet.restart_collector().await;
    let viewer = fleet.viewer().await;
    assert!(says(&rest.host(&gpu.host_id).await), "before it is heard");
    rest.host_is(&gpu.host_id, "heard again", Duration::from_secs(40), |host| {
        host["status"] == "online" && says(host)
    })
    .await;
    let draining = |service: &Value| service["status"] == "draining";
    rest.service_is("gpu-1:11434", "draining", WITHIN, draining).await;
    let (status, _) = rest.patch(&path(&gpu), &json!({"drain": false, "notes": null})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(rest.service("gpu-1:11434").await["status"], "healthy");
    assert_eq!(rest.host(&gpu.host_id).await["notes"], "");
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn what_appears_on_a_host_that_drains_drains_with_it() {
    let mut fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let empty = SimulatedHost::from_seed(1).named("gpu-1");
    let before = fleet.simulate(empty.clone()).await;
    rest.host_is(&empty.host_id, "online", WITHIN, |host| host["status"] == "online").await;
    let (status, _) = rest.patch(&path(&empty), &json!({"drain": true})).await;
    assert_eq!(status, StatusCode::OK);
    before.abort();
    fleet.simulate(empty.restarted().having(1, 2)).await;
    let draining = |service: &Value| service["status"] == "draining";
    let service = rest.service_is("gpu-1:11434", "draining from the first", WITHIN, draining).await;
    let registered = viewer.tells("gpu-1:11434", "service.registered", WITHIN).await;
    assert_eq!(registered["data"]["drain"], true, "{registered}");
    // Its own drain is another thing than its host's.
    let own = "/api/v1/services/gpu-1%3A11434/drain";
    rest.post(own, &json!({"drain": true})).await;
    let host = format!("/api/v1/hosts/{}", service["host_id"].as_str().expect("a host"));
    rest.patch(&host, &json!({"drain": false})).await;
    assert_eq!(rest.service("gpu-1:11434").await["status"], "draining");
    rest.post(own, &json!({"drain": false})).await;
    assert_eq!(rest.service("gpu-1:11434").await["status"], "healthy");
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn many_hosts_are_changed_at_once() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let hosts = [1, 2, 3].map(host);
    for host in &hosts {
        fleet.simulate(host.clone()).await;
        online(&rest, host).await;
    }
    let (viewer, page) = (fleet.viewer().await, fleet.page().await);
    rest.patch(&path(&hosts[0]), &json!({"labels": {"rack": "a"}})).await;
    rest.patch(&path(&hosts[1]), &json!({"labels": {"rack": "a"}})).await;
    let drain = json!({"drain": true});
    let (status, answer) = rest.patch("/api/v1/hosts?label=rack%3Da", &drain).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for (host, drains) in hosts.iter().zip([true, true, false]) {
        assert_eq!(rest.host(&host.host_id).await["drain"], drains, "{}", host.name);
    }
    assert_eq!(rest.service("gpu-2:11434").await["status"], "draining");
    assert_eq!(rest.service("gpu-3:11434").await["status"], "healthy");
    // Nobody drains a whole fleet by leaving the selector out.
    let (status, problem) = rest.patch("/api/v1/hosts", &drain).await;
    assert!(status.is_client_error(), "{status}: {problem}");
    assert_eq!(rest.host(&hosts[2].host_id).await["drain"], false);
    law::holds(&viewer, &rest).await;
    law::holds(&page, &rest).await;
}

#[tokio::test]
async fn two_people_do_not_overwrite_one_another() {
    let mut fleet = Fleet::start().await;
    let (rest, gpu) = (fleet.rest(), host(1));
    fleet.simulate(gpu.clone()).await;
    // The revision stands still once all is told.
    let mut before = Value::Null;
    let rests = async || {
        let now = rest.host(&gpu.host_id).await["revision"].clone();
        if before == now { Ok(()) } else { Err(std::mem::replace(&mut before, now).to_string()) }
    };
    online(&rest, &gpu).await;
    eventually("a revision that stays", WITHIN, rests).await;
    let tag = format!("\"{}\"", before.as_u64().expect("a revision"));
    let change = async |notes: &str| {
        let headers = [("if-match", tag.as_str())];
        rest.send(Method::PATCH, &path(&gpu), &headers, Some(&json!({"notes": notes}))).await
    };
    let (status, first) = change("mine").await;
    assert_eq!(status, StatusCode::OK, "{first}");
    let (status, problem) = change("yours").await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{problem}");
    assert_eq!(problem["field"], "If-Match", "{problem}");
    assert_eq!(rest.host(&gpu.host_id).await["notes"], "mine");
}

#[tokio::test]
async fn a_host_is_removed_once_its_agent_has_ended() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;
    let path = format!("/api/v1/hosts/{id}");
    let (status, problem) = rest.delete(&path).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|words| words.contains("stop")), "{problem}");
    agent.terminate();
    viewer.becomes(&id, "offline", WITHIN).await;
    let (status, answer) = rest.delete(&path).await;
    assert!(status.is_success(), "{status}: {answer}");
    viewer.becomes(&id, "gone", WITHIN).await;
    assert_eq!(viewer.changes_of(&id).last().map(String::as_str), Some("host.removed"));
    law::holds(&viewer, &rest).await;

    settle().await;
    fleet.restart_collector().await;
    assert_eq!(rest.hosts().await, Vec::<Value>::new(), "gone also after a crash");
    // Its agent is free to come back, as a host that nobody said anything of.
    let _again = fleet.agent("gpu-1").start();
    assert_eq!(fleet.id_of("gpu-1").await, id);
}

/// How often a host became this.
fn n_to(history: &[Value], status: &str) -> usize {
    history.iter().filter(|entry| entry["to"] == status).count()
}

#[tokio::test]
async fn sessions_and_what_became_of_a_host_are_kept() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let (rest, gpu) = (fleet.rest(), host(1));
    let viewer = fleet.viewer().await;
    comes_and_goes(&fleet, &gpu, GoodbyeReason::Shutdown).await;
    viewer.becomes(&gpu.host_id, "offline", WITHIN).await;
    let crashed = fleet.simulate(gpu.clone().rebooted()).await;
    online(&rest, &gpu).await;
    crashed.abort();
    // The feed may still be at the offline before.
    rest.host_is(&gpu.host_id, "offline", WITHIN, |host| host["status"] == "offline").await;
    fleet.simulate(gpu.clone().restarted()).await;
    online(&rest, &gpu).await;

    let told = async |fleet: &Fleet| {
        let rest = fleet.rest();
        let sessions = list(&rest, &format!("{}/sessions", path(&gpu)), "sessions").await;
        let history = list(&rest, &format!("{}/history", path(&gpu)), "history").await;
        (sessions, history)
    };
    // Written a moment after it happened.
    let all = async || match told(&fleet).await {
        (sessions, history) if n_to(&history, "online") == 3 => Ok((sessions, history)),
        (_, history) => Err(format!("{history:?}")),
    };
    let (sessions, history) = eventually("three times online", WITHIN, all).await;
    assert_eq!(sessions.len(), 3, "{sessions:?}");
    let open = list(&rest, &format!("{}/sessions?active=true", path(&gpu)), "sessions").await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0]["closed_at"].is_null(), "{open:?}");
    for key in ["id", "host_id", "instance_id", "boot_id", "remote_address", "opened_at"] {
        assert!(open[0][key].is_string(), "{key}: {open:?}");
    }
    let reasons: Vec<String> =
        sessions.iter().map(|session| session["close_reason"].to_string()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("shutdown")), "{reasons:?}");
    assert_eq!(n_to(&history, "offline"), 2, "{history:?}");
    assert_eq!(n_to(&history, "stale"), 1, "only who left without a word: {history:?}");
    let has_cause = |entry: &&Value| entry["cause"].is_string();
    assert!(history.iter().filter(has_cause).count() >= 3, "{history:?}");

    settle().await;
    fleet.restart_collector().await;
    let (later_sessions, later_history) = told(&fleet).await;
    assert!(later_sessions.len() >= 3, "{later_sessions:?}");
    let lost = history.iter().filter(|entry| !later_history.contains(entry));
    assert_eq!(lost.count(), 0, "before {history:?}, after {later_history:?}");
    let open: Vec<&Value> =
        later_sessions.iter().filter(|session| session["closed_at"].is_null()).collect();
    assert!(open.len() <= 1, "{open:?}");
}

/// Whether the feed told of many hosts at once.
fn n_mass(viewer: &Viewer) -> usize {
    viewer.n_changes("fleet.mass_offline")
}

#[tokio::test]
async fn laptops_that_sleep_are_no_news() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let laptops = [1, 2, 3, 4].map(host);
    for laptop in &laptops {
        comes_and_goes(&fleet, laptop, GoodbyeReason::Suspend).await;
        let (status, _) = rest.patch(&path(laptop), &json!({"expected_absent": true})).await;
        assert_eq!(status, StatusCode::OK);
    }
    for laptop in &laptops {
        viewer.becomes(&laptop.host_id, "offline", WITHIN).await;
    }
    let n_before = n_mass(&viewer);
    // All of them come back, and go to sleep at once.
    for laptop in &laptops {
        comes_and_goes(&fleet, &laptop.clone().restarted(), GoodbyeReason::Suspend).await;
    }
    for laptop in &laptops {
        viewer.becomes(&laptop.host_id, "offline", WITHIN).await;
    }
    let quiet = async || match n_mass(&viewer) - n_before {
        0 => Ok(()),
        n => Err(format!("{n} mass events")),
    };
    throughout("no mass event", Duration::from_secs(4), quiet).await;
    assert_eq!(rest.hosts().await.len(), 4);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn what_people_say_of_a_found_service_survives_a_crash() {
    let mut fleet = Fleet::start().await;
    let (rest, gpu) = (fleet.rest(), host(1));
    fleet.simulate(gpu.clone()).await;
    online(&rest, &gpu).await;
    let service = "/api/v1/services/gpu-1%3A11434";
    let said = json!({"name": "the fast one", "labels": {"team": "a"}, "priority": 7,
        "caps": ["vision"], "ctx_limit": 4096, "cost_hint_usd_per_1k": 0.5});
    let (status, patched) = rest.patch(service, &said).await;
    assert_eq!(status, StatusCode::OK, "{patched}");
    rest.post(&format!("{service}/promote"), &json!({"role": "production"})).await;
    let says = |service: &Value| {
        let of_models = ["completion", "tools", "vision"];
        service["role"] == "production"
            && service["caps"] == json!(of_models)
            && said.as_object().is_some_and(|said| {
                said.iter().all(|(key, value)| key == "caps" || service[key] == *value)
            })
    };
    assert!(says(&rest.service("gpu-1:11434").await));
    settle().await;
    fleet.restart_collector().await;
    assert!(says(&rest.service("gpu-1:11434").await), "before it is heard");
    let heard = |service: &Value| service["unconfirmed"] == false && says(service);
    rest.service_is("gpu-1:11434", "heard again", Duration::from_secs(40), heard).await;
    // What nobody says by hand any more is what its agent says.
    let viewer = fleet.viewer().await;
    let (_, back) = rest.patch(service, &json!({"name": null, "priority": null})).await;
    assert_eq!((&back["name"], &back["priority"]), (&json!("gpu-1"), &json!(0)), "{back}");
    law::holds(&viewer, &rest).await;
}
