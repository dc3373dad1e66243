//! The graph of hosts, services and models, which is written anew only when something in it moves.

use std::collections::BTreeSet;
use std::time::Duration;

use herdbook_tests::harness::{Fleet, Rest};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);

async fn graph(rest: &Rest) -> Value {
    rest.get("/api/v1/graph").await
}

fn ids_of(graph: &Value, kind: &str) -> BTreeSet<String> {
    let nodes = graph["nodes"].as_array().into_iter().flatten();
    let of_kind = nodes.filter(|node| node["kind"] == kind);
    of_kind.filter_map(|node| node["id"].as_str().map(str::to_owned)).collect()
}

fn links<'a>(graph: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let links = graph["links"].as_array().into_iter().flatten();
    let of_kind = links.filter(move |link| link["type"] == kind);
    of_kind.filter_map(|link| Some((link["source"].as_str()?, link["target"].as_str()?)))
}

#[tokio::test]
async fn who_is_connected_runs_what_and_serves_which() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let hosts = [1, 2, 3].map(|seed| {
        let host = SimulatedHost::from_seed(seed).having(1, if seed == 3 { 0 } else { 2 });
        host.named(&format!("gpu-{seed}"))
    });
    for host in &hosts {
        fleet.simulate(host.clone()).await;
    }
    for host in &hosts {
        let online = |host: &Value| host["status"] == "online";
        rest.host_is(&host.host_id, "online", WITHIN, online).await;
    }
    let form = json!({"name": "finder", "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 60, "ttl_s": 90});
    let (_, tool) = rest.post("/api/v1/services", &form).await;
    let tool = tool["id"].as_str().expect("an id").to_owned();

    let graph = graph(&rest).await;
    let host_ids: BTreeSet<String> = hosts.iter().map(|host| host.host_id.clone()).collect();
    assert_eq!(ids_of(&graph, "host"), host_ids, "{graph}");
    let services = ["gpu-1:11434".to_owned(), "gpu-2:11434".to_owned(), tool];
    assert_eq!(ids_of(&graph, "service"), BTreeSet::from(services), "{graph}");
    assert_eq!(ids_of(&graph, "model").len(), 2, "a model is one node: {graph}");
    assert_eq!(ids_of(&graph, "collector").len(), 1, "{graph}");
    let collector = ids_of(&graph, "collector").into_iter().next().expect("one");
    let sessions: BTreeSet<String> = links(&graph, "session")
        .map(|(host, to)| {
            assert_eq!(to, collector);
            host.to_owned()
        })
        .collect();
    assert_eq!(sessions, host_ids, "{graph}");
    let runs: BTreeSet<(&str, &str)> = links(&graph, "runs").collect();
    let expected =
        [(hosts[0].host_id.as_str(), "gpu-1:11434"), (hosts[1].host_id.as_str(), "gpu-2:11434")];
    assert_eq!(runs, BTreeSet::from(expected), "{graph}");
    assert_eq!(links(&graph, "serves").count(), 4, "{graph}");

    // Every link leads from a node to a node, and no node is there twice.
    let nodes = graph["nodes"].as_array().expect("nodes");
    let ids: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    assert_eq!(ids.len(), nodes.len(), "{graph}");
    for kind in ["session", "runs", "serves"] {
        for (source, target) in links(&graph, kind) {
            assert!(ids.contains(source) && ids.contains(target), "{source} → {target}");
        }
    }
}

#[tokio::test]
async fn a_graph_that_has_not_changed_is_not_sent_again() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let host = SimulatedHost::from_seed(1).having(1, 2).named("gpu-1");
    fleet.simulate(host.clone()).await;
    let online = |host: &Value| host["status"] == "online";
    rest.host_is(&host.host_id, "online", WITHIN, online).await;

    let url = format!("{}/api/v1/graph", fleet.url());
    let tag = async || {
        let answer = reqwest::get(&url).await.expect("an answer");
        let tag = answer.headers()["etag"].to_str().expect("a tag").to_owned();
        let body: Value = answer.json().await.expect("JSON");
        (tag, body)
    };
    let unless = async |tag: &str| {
        let headers = [("if-none-match", tag)];
        rest.send(Method::GET, "/api/v1/graph", &headers, None).await
    };
    let (first, body) = tag().await;
    let (status, nothing) = unless(&first).await;
    assert_eq!((status, nothing), (StatusCode::NOT_MODIFIED, Value::Null));

    let form = json!({"name": "finder", "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 60, "ttl_s": 90});
    rest.post("/api/v1/services", &form).await;
    let (status, anew) = unless(&first).await;
    assert_eq!(status, StatusCode::OK);
    let n_nodes = |graph: &Value| graph["nodes"].as_array().map(Vec::len);
    assert_eq!(n_nodes(&anew), n_nodes(&body).map(|n| n + 1), "{anew}");
    let (second, _) = tag().await;
    assert_ne!(first, second);
    assert_eq!(unless(&second).await.0, StatusCode::NOT_MODIFIED);
}
