//! A server that a person added and that an agent finds is one entry, whoever came first.

use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeOllama, Story};
use herdbook_tests::harness::{Agent, Fleet, Rest, encoded, law, throughout};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Hosts are offline after six seconds, and servers are asked every other second.
const QUICK: &str = "[checks]\ninterval_s = 2\ndeadline_s = 1\n\
                     [liveness]\nstale_after_s = 4\nclosed_stale_after_s = 2\noffline_after_s = 6\n";
const WITHIN: Duration = Duration::from_secs(30);

async fn ollama() -> FakeOllama {
    FakeOllama::start(Story::with_models(3)).await.expect("a fake Ollama")
}

fn agent(fleet: &Fleet, ollama: &FakeOllama) -> Agent {
    fleet.agent("gpu-1").ollama(&ollama.url()).start()
}

async fn add(rest: &Rest, url: &str) -> (StatusCode, Value) {
    rest.post("/api/v1/services", &json!({"name": "spare", "type": "model", "url": url})).await
}

fn sources(service: &Value) -> Vec<&str> {
    service["sources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_of(sources_: &'static [&'static str], check: &'static str) -> impl Fn(&Value) -> bool {
    move |service: &Value| {
        sources(service) == sources_
            && service["check"] == check
            && service["status"] == "healthy"
            && service["models"].as_array().is_some_and(|models| models.len() == 3)
    }
}

/// The entries for this port.
async fn at_port(rest: &Rest, port: u16) -> Vec<String> {
    let services = rest.services().await;
    let ids = services.iter().filter_map(|service| service["id"].as_str());
    ids.filter(|id| id.contains(&format!(":{port}"))).map(str::to_owned).collect()
}

#[tokio::test]
async fn an_agent_that_finds_what_was_added_by_address_joins_it() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = ollama().await;
    let port = ollama.addr().port();
    let (by_address, by_name) = (format!("127.0.0.1:{port}"), format!("gpu-1:{port}"));
    let (status, added) = add(&rest, &ollama.url()).await;
    assert_eq!((status, &added["id"]), (StatusCode::CREATED, &json!(by_address)));
    rest.service_is(&by_address, "asked", WITHIN, is_of(&["manual"], "probe")).await;

    let _agent = agent(&fleet, &ollama);
    let joined = is_of(&["agent", "manual"], "agent");
    let service = rest.service_is(&by_address, "joined by its agent", WITHIN, joined).await;
    assert_eq!(at_port(&rest, port).await, [by_address.as_str()]);
    assert_eq!(service["host_id"], json!(fleet.id_of("gpu-1").await), "{service}");
    assert_eq!(rest.service(&by_name).await["id"], json!(by_address), "the other name");
    // What a person says of it counts more than what its agent says.
    assert_eq!(service["name"], "spare", "{service}");
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.services.len(), 1);
}

#[tokio::test]
async fn an_agent_that_finds_what_was_added_by_host_name_joins_it() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = ollama().await;
    let port = ollama.addr().port();
    let by_name = format!("gpu-1:{port}");
    let (status, added) = add(&rest, &format!("HTTP://GPU-1:{port}/")).await;
    assert_eq!((status, &added["id"]), (StatusCode::CREATED, &json!(by_name)));
    let _agent = agent(&fleet, &ollama);
    let joined = is_of(&["agent", "manual"], "agent");
    rest.service_is(&by_name, "joined by its agent", WITHIN, joined).await;
    assert_eq!(at_port(&rest, port).await, [by_name]);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn what_was_added_to_a_found_one_stands_in_while_its_agent_is_away() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = ollama().await;
    let port = ollama.addr().port();
    let id = format!("gpu-1:{port}");
    let mut first = agent(&fleet, &ollama);
    rest.service_is(&id, "found", WITHIN, is_of(&["agent"], "agent")).await;
    let (status, added) = add(&rest, &ollama.url()).await;
    assert_eq!((status, &added["id"]), (StatusCode::OK, &json!(id)), "{added}");
    assert_eq!(sources(&added), ["agent", "manual"]);
    assert_eq!(rest.service(&format!("127.0.0.1:{port}")).await["id"], json!(id));
    assert_eq!(at_port(&rest, port).await, [id.as_str()]);

    // What an agent reports is not deleted, but what a person added to it is.
    let path = format!("/api/v1/services/{}", encoded(&id));
    let (status, problem) = rest.delete(&path).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let words = problem["detail"].as_str().unwrap_or_default();
    assert!(words.contains("drain") || words.contains("source=manual"), "{problem}");
    assert_eq!(sources(&rest.service(&id).await), ["agent", "manual"]);

    first.kill9().await;
    let host_id = rest.service(&id).await["host_id"].as_str().expect("a host").to_owned();
    viewer.becomes(&host_id, "offline", WITHIN).await;
    rest.service_is(&id, "asked by the collector", WITHIN, is_of(&["agent", "manual"], "probe"))
        .await;
    let _second = agent(&fleet, &ollama);
    rest.service_is(&id, "its agent is back", WITHIN, is_of(&["agent", "manual"], "agent")).await;

    let (status, answer) = rest.delete(&format!("{path}?source=manual")).await;
    assert!(status.is_success(), "{status}: {answer}");
    rest.service_is(&id, "only found", WITHIN, is_of(&["agent"], "agent")).await;
    assert_eq!(at_port(&rest, port).await, [id.as_str()]);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn an_agent_that_goes_for_good_leaves_what_a_person_added() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = ollama().await;
    let id = ollama.addr().to_string();
    add(&rest, &ollama.url()).await;
    let agent = agent(&fleet, &ollama);
    let joined = is_of(&["agent", "manual"], "agent");
    let service = rest.service_is(&id, "joined by its agent", WITHIN, joined).await;
    let host_id = service["host_id"].as_str().expect("a host").to_owned();
    agent.terminate();
    viewer.becomes(&host_id, "offline", WITHIN).await;
    let (status, answer) = rest.delete(&format!("/api/v1/hosts/{host_id}")).await;
    assert!(status.is_success(), "{status}: {answer}");
    let left = rest.service_is(&id, "asked alone", WITHIN, is_of(&["manual"], "probe")).await;
    assert!(left["host_id"].is_null(), "{left}");
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!((folded.hosts.len(), folded.services.len()), (0, 1));
}

#[tokio::test]
async fn two_that_turn_out_to_be_one_server_become_one_entry() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer, page) = (fleet.rest(), fleet.viewer().await, fleet.page().await);
    let ollama = ollama().await;
    let port = ollama.addr().port();
    let (older, younger) = (format!("127.0.0.1:{port}"), format!("gpu-1:{port}"));
    add(&rest, &ollama.url()).await;
    let (status, _) = add(&rest, &format!("http://gpu-1:{port}")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(at_port(&rest, port).await.len(), 2, "nobody can know yet");

    // Only its agent tells that both names are of one server.
    let _agent = agent(&fleet, &ollama);
    let joined = is_of(&["agent", "manual"], "agent");
    rest.service_is(&older, "one entry", WITHIN, &joined).await;
    assert_eq!(at_port(&rest, port).await, [older.as_str()]);
    assert_eq!(rest.service(&younger).await["id"], json!(older));
    let gone = viewer.tells(&younger, "service.removed", WITHIN).await;
    assert!(gone["cause"].as_str().is_some_and(|cause| cause.contains(&older)), "{gone}");
    law::holds(&viewer, &rest).await;
    law::holds(&page, &rest).await;

    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    fleet.restart_collector().await;
    for name in [&older, &younger] {
        assert_eq!(rest.service(name).await["id"], json!(older), "{name} after a crash");
    }
    rest.service_is(&older, "one entry again", Duration::from_secs(40), joined).await;
    assert_eq!(at_port(&rest, port).await, [older.as_str()]);
}

#[tokio::test]
async fn who_registers_itself_stays_alone() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = ollama().await;
    let id = format!("gpu-1:{}", ollama.addr().port());
    let _agent = agent(&fleet, &ollama);
    rest.service_is(&id, "found", WITHIN, is_of(&["agent"], "agent")).await;
    let form = json!({"name": "wrapper", "type": "model", "url": ollama.url(),
        "heartbeat_interval_s": 60, "ttl_s": 90});
    let (status, own) = rest.post("/api/v1/services", &form).await;
    assert_eq!((status, sources(&own)), (StatusCode::CREATED, vec!["self"]), "{own}");
    // Nor does one that stands at a path behind the same port.
    let (status, behind) = add(&rest, &format!("{}/team-a", ollama.url())).await;
    assert_eq!((status, sources(&behind)), (StatusCode::CREATED, vec!["manual"]), "{behind}");
    assert_eq!(sources(&rest.service(&id).await), ["agent"]);
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.services.len(), 3);
    // And where it goes, the others stay.
    let own = own["id"].as_str().expect("an id");
    let (status, _) = rest.delete(&format!("/api/v1/services/{own}")).await;
    assert!(status.is_success(), "{status}");
    assert_eq!(rest.services().await.len(), 2);
}

#[tokio::test]
async fn an_agent_that_died_with_the_collector_is_stood_in_for_too() {
    let settings = format!("{QUICK}grace_s = 3\n");
    let mut fleet = Fleet::start_with(&settings).await;
    let rest = fleet.rest();
    let ollama = ollama().await;
    let id = format!("gpu-1:{}", ollama.addr().port());
    let mut first = agent(&fleet, &ollama);
    rest.service_is(&id, "found", WITHIN, is_of(&["agent"], "agent")).await;
    add(&rest, &ollama.url()).await;
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    first.kill9().await;
    fleet.restart_collector().await;
    let viewer = fleet.viewer().await;
    let alone = is_of(&["agent", "manual"], "probe");
    let is_judged = |service: &Value| alone(service) && service["unconfirmed"] == false;
    rest.service_is(&id, "asked by the collector", WITHIN, is_judged).await;
    law::holds(&viewer, &rest).await;
    let _second = agent(&fleet, &ollama);
    rest.service_is(&id, "its agent is back", WITHIN, is_of(&["agent", "manual"], "agent")).await;
    law::holds(&viewer, &rest).await;
}
