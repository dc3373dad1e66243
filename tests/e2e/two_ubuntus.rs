//! Two hosts have one name, as freshly installed machines do.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, Rest, law};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);

fn ubuntu(seed: u64, address: &str) -> SimulatedHost {
    SimulatedHost::from_seed(seed).having(0, 2).named("ubuntu").listening_on(address)
}

/// The id of the service that was found on a host.
async fn service_of(rest: &Rest, host_id: &str) -> String {
    let found = |host: &Value| host["services"].as_array().is_some_and(|ids| ids.len() == 1);
    let host = rest.host_is(host_id, "with its service", WITHIN, found).await;
    host["services"][0].as_str().expect("an id").to_owned()
}

fn sources(service: &Value) -> Vec<&str> {
    service["sources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn each_keeps_an_id_of_its_own_and_the_name_is_nobodys_until_one_is_renamed() {
    let mut fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let (one, other) = (ubuntu(1, "10.0.0.1"), ubuntu(2, "10.0.0.2"));
    fleet.simulate(one.clone()).await;
    let first = service_of(&rest, &one.host_id).await;
    let theirs = fleet.simulate(other.clone()).await;
    let second = service_of(&rest, &other.host_id).await;
    assert_eq!(first, "ubuntu:11434");
    let short = &other.host_id[other.host_id.len() - 6..];
    assert_eq!(second, format!("ubuntu-{short}:11434"));

    // Which of them a person means by the name cannot be told, so it is neither.
    let form = json!({"name": "which", "type": "model", "url": "http://ubuntu:11434"});
    let (status, added) = rest.post("/api/v1/services", &form).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    let third = added["id"].as_str().expect("an id").to_owned();
    assert!(third != first && third != second, "{third}");
    for id in [&first, &second] {
        assert_eq!(sources(&rest.service(id).await), ["agent"]);
    }
    assert_eq!(rest.services().await.len(), 3);
    law::holds(&viewer, &rest).await;

    // One of them gets a name of its own. Ids stay; the name is the other's now.
    theirs.abort();
    fleet.simulate(other.clone().restarted().named("gpu-2")).await;
    let renamed = |host: &Value| host["name"] == "gpu-2" && host["status"] == "online";
    rest.host_is(&other.host_id, "renamed", WITHIN, renamed).await;
    assert_eq!(service_of(&rest, &other.host_id).await, second);
    let joined = |service: &Value| sources(service) == ["agent", "manual"];
    rest.service_is(&first, "the one of this name", WITHIN, joined).await;
    assert_eq!(rest.service(&third).await["id"], json!(first), "the older id leads to it");
    assert_eq!(rest.service("gpu-2:11434").await["id"], json!(second), "its new name, too");
    assert_eq!(sources(&rest.service(&second).await), ["agent"]);
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.services.len(), 2);
}

#[tokio::test]
async fn ids_stay_after_a_crash_whoever_comes_back_first() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let (one, other) = (ubuntu(1, "10.0.0.1"), ubuntu(2, "10.0.0.2"));
    fleet.simulate(one.clone()).await;
    let first = service_of(&rest, &one.host_id).await;
    fleet.simulate(other.clone()).await;
    let second = service_of(&rest, &other.host_id).await;
    let settled = async || Ok(());
    herdbook_tests::harness::throughout("they settle", Duration::from_secs(1), settled).await;
    fleet.restart_collector().await;
    for host in [&other, &one] {
        let online = |host: &Value| host["status"] == "online";
        rest.host_is(&host.host_id, "back", Duration::from_secs(40), online).await;
    }
    assert_eq!(service_of(&rest, &one.host_id).await, first);
    assert_eq!(service_of(&rest, &other.host_id).await, second);
    assert_eq!(rest.services().await.len(), 2);
}
