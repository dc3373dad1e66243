//! Where can this model run now? A router asks, holds a lease for each request in flight, and dies.

use std::collections::BTreeSet;
use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeOllama, LoadedModel, Model, Story};
use herdbook_tests::harness::{Fleet, Rest, encoded, eventually, law, throughout};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(25);

/// Warm on every simulated host.
const WARM: &str = "llama:1b";
/// Cold, 28 to 30 GiB on disk: one of them fits into what is free of a GPU.
const LARGE: [&str; 3] = ["phi4:30b", "mistral:29b", "gemma3:28b"];

/// A host whose Ollama can be reached from the network.
fn gpu_host(seed: u64, n_models: u32) -> SimulatedHost {
    let host = SimulatedHost::from_seed(seed).having(1, n_models).named(&format!("gpu-{seed}"));
    host.listening_on(&format!("10.0.0.{seed}"))
}

/// A fleet of such hosts, all heard.
async fn fleet_of(hosts: &[SimulatedHost]) -> Fleet {
    let mut fleet = Fleet::start().await;
    for host in hosts {
        fleet.simulate(host.clone()).await;
    }
    for host in hosts {
        let has_samples = |host: &Value| host["status"] == "online" && host["gpus"][0].is_object();
        fleet.rest().host_is(&host.host_id, "heard", WITHIN, has_samples).await;
    }
    fleet
}

async fn pick(rest: &Rest, query: &str) -> (StatusCode, Value) {
    rest.try_get(&format!("/api/v1/pick?{query}")).await.expect("an answer")
}

async fn picked(rest: &Rest, query: &str) -> Value {
    let (status, answer) = pick(rest, query).await;
    assert_eq!(status, StatusCode::OK, "{query}: {answer}");
    answer
}

async fn lease(rest: &Rest, body: Value) -> Value {
    let (status, answer) = rest.post("/api/v1/leases", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{body}: {answer}");
    answer
}

async fn give_back(rest: &Rest, lease: &Value) -> StatusCode {
    let id = lease["lease_id"].as_str().expect("an id");
    rest.delete(&format!("/api/v1/leases/{id}?latency_ms=812&outcome=ok")).await.0
}

fn service_id(answer: &Value) -> &str {
    answer["service"]["id"].as_str().expect("a service")
}

fn why_not(answer: &Value, id: &str) -> String {
    let rejected = answer["rejected"].as_array().into_iter().flatten();
    let why = rejected.filter(|rejected| rejected["id"] == id).map(|rejected| &rejected["why"]);
    why.map(Value::to_string).collect()
}

#[tokio::test]
async fn warm_comes_before_cold_and_what_drains_not_at_all() {
    let fleet = fleet_of(&[gpu_host(1, 2), gpu_host(2, 2)]).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    // A third has it on disk only.
    let cold = Story { models: vec![Model::named(WARM)], ..Story::default() };
    let cold = FakeOllama::start(cold).await.expect("a fake Ollama");
    let form = json!({"name": "spare", "type": "model", "url": cold.url(), "priority": 9});
    rest.post("/api/v1/services", &form).await;
    let cold_id = cold.addr().to_string();
    let has_model = |service: &Value| service["models"][0]["warm"] == false;
    rest.service_is(&cold_id, "asked", WITHIN, has_model).await;

    let answer = picked(&rest, &format!("model={WARM}")).await;
    let first = service_id(&answer).to_owned();
    assert!(first.starts_with("gpu-"), "{answer}");
    assert!(answer["service"]["url"].as_str().is_some_and(|url| url.contains("10.0.0.")));
    assert!(answer["why"].to_string().contains("warm"), "{answer}");
    assert_eq!(answer["considered"], 3, "{answer}");
    let alternatives = answer["alternatives"].as_array().expect("alternatives");
    assert_eq!(alternatives.len(), 2, "{answer}");
    assert!(alternatives[1].to_string().contains(&cold_id), "the cold one last: {answer}");

    // Priority decides between two warm ones, in either direction.
    for (preferred, other) in [("gpu-2:11434", "gpu-1:11434"), ("gpu-1:11434", "gpu-2:11434")] {
        for (id, priority) in [(preferred, 5), (other, 0)] {
            let path = format!("/api/v1/services/{}", encoded(id));
            rest.patch(&path, &json!({"priority": priority})).await;
        }
        assert_eq!(service_id(&picked(&rest, &format!("model={WARM}")).await), preferred);
    }

    for id in ["gpu-1:11434", "gpu-2:11434"] {
        let path = format!("/api/v1/services/{}/drain", encoded(id));
        let (status, answer) = rest.post(&path, &json!({"drain": true})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let answer = picked(&rest, &format!("model={WARM}")).await;
    assert_eq!(service_id(&answer), cold_id);
    assert!(why_not(&answer, "gpu-1:11434").contains("drain"), "{answer}");
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn who_cannot_be_picked_says_why() {
    let fleet = fleet_of(&[gpu_host(1, 2)]).await;
    let rest = fleet.rest();
    for (query, word) in [
        (format!("model={WARM}&role=production"), "role"),
        (format!("model={WARM}&cap=vision"), "vision"),
        (format!("model={WARM}&label=team%3Da"), "label"),
        (format!("model={WARM}&type=tool"), "type"),
        (format!("model={WARM}&min_ctx=1000000"), "tokens"),
    ] {
        let (status, problem) = pick(&rest, &query).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{query}: {problem}");
        assert!(why_not(&problem, "gpu-1:11434").contains(word), "{query}: {problem}");
    }
    let (status, problem) = pick(&rest, "model=nobody-has:this").await;
    assert_eq!((status, &problem["rejected"]), (StatusCode::NOT_FOUND, &json!([])), "{problem}");
    assert_eq!(problem["status"], 404);
    let ok = picked(&rest, &format!("model={WARM}&min_ctx=8192&cap=tools&type=model")).await;
    assert_eq!(service_id(&ok), "gpu-1:11434");
}

#[tokio::test]
async fn a_loopback_server_is_offered_on_its_own_host_alone() {
    let far = gpu_host(1, 2).listening_on("127.0.0.1");
    let fleet = fleet_of(std::slice::from_ref(&far)).await;
    let rest = fleet.rest();
    let (status, problem) = pick(&rest, &format!("model={WARM}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    let why = why_not(&problem, "gpu-1:11434");
    assert!(why.contains("OLLAMA_HOST"), "what can be done: {why}");
    for from in [far.host_id.as_str(), "gpu-1"] {
        let answer = picked(&rest, &format!("model={WARM}&from={from}")).await;
        assert_eq!(service_id(&answer), "gpu-1:11434", "from {from}");
    }
    let (status, problem) = pick(&rest, &format!("model={WARM}&from=nobody")).await;
    assert!(status.is_client_error(), "{problem}");
    assert_eq!(problem["field"], "from", "{problem}");

    // An agent of this machine: who asks here is there.
    let story = Story { loaded: vec![LoadedModel::named("own:1b")], ..Story::default() };
    let story = Story { models: vec![Model::named("own:1b")], ..story };
    let ollama = FakeOllama::start(story).await.expect("a fake Ollama");
    let _agent = fleet.agent("here").ollama(&ollama.url()).start();
    let id = format!("here:{}", ollama.addr().port());
    let has_model = |service: &Value| service["models"][0]["warm"] == true;
    rest.service_is(&id, "found", WITHIN, has_model).await;
    assert_eq!(service_id(&picked(&rest, "model=own:1b").await), id);
    let (status, problem) = pick(&rest, "model=own:1b&from=gpu-1").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
}

#[tokio::test]
async fn leases_are_what_is_in_flight() {
    let fleet = fleet_of(&[gpu_host(1, 2), gpu_host(2, 2)]).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(lease(&rest, json!({"model": WARM, "ttl_s": 300})).await);
    }
    // The one with fewer requests is the better one, turn by turn.
    for id in ["gpu-1:11434", "gpu-2:11434"] {
        assert_eq!(rest.service(id).await["pending"], 2, "{id}");
    }
    let third = lease(&rest, json!({"service_id": "gpu-2:11434", "ttl_s": 300})).await;
    assert_eq!(service_id(&third), "gpu-2:11434");
    assert!(third["expires_at"].is_string(), "{third}");
    let answer = picked(&rest, &format!("model={WARM}")).await;
    assert_eq!(service_id(&answer), "gpu-1:11434");
    assert!(answer["why"].to_string().contains("2 pending"), "{answer}");

    for lease in leases.iter().chain([&third]) {
        assert_eq!(give_back(&rest, lease).await, StatusCode::NO_CONTENT);
    }
    let service = rest.service("gpu-2:11434").await;
    assert_eq!((&service["pending"], &service["total"]), (&json!(0), &json!(3)), "{service}");
    assert_eq!(service["latency_ms_avg"], 812, "{service}");
    // Twice is once.
    assert_eq!(give_back(&rest, &third).await, StatusCode::NOT_FOUND);
    let foreign = json!({"lease_id": "6f1c2a1e-0000-4000-8000-000000000000"});
    assert_eq!(give_back(&rest, &foreign).await, StatusCode::NOT_FOUND);
    assert_eq!(rest.service("gpu-2:11434").await["pending"], 0);
    let (status, _) =
        rest.post("/api/v1/leases", &json!({"service_id": "nobody:1", "ttl_s": 300})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn a_lease_of_another_run_of_the_collector_is_unknown() {
    let mut fleet = fleet_of(&[gpu_host(1, 2)]).await;
    let rest = fleet.rest();
    let held = lease(&rest, json!({"model": WARM, "ttl_s": 300})).await;
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    fleet.restart_collector().await;
    let back = |service: &Value| service["unconfirmed"] == false && service["status"] == "healthy";
    rest.service_is("gpu-1:11434", "judged again", Duration::from_secs(40), back).await;
    assert_eq!(rest.service("gpu-1:11434").await["pending"], 0, "leases live in memory");
    let own = lease(&rest, json!({"model": WARM, "ttl_s": 300})).await;
    assert_eq!(give_back(&rest, &held).await, StatusCode::NOT_FOUND);
    assert_eq!(rest.service("gpu-1:11434").await["pending"], 1);
    assert_eq!(give_back(&rest, &own).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_router_that_dies_leaks_nothing() {
    let fleet = fleet_of(&[gpu_host(1, 2)]).await;
    let rest = fleet.rest();
    // It takes its leases and is never heard again.
    let ttl_s = 2;
    let mut leases = Vec::new();
    for _ in 0..10 {
        leases.push(lease(&rest, json!({"model": WARM, "ttl_s": ttl_s})).await);
    }
    let kept = lease(&rest, json!({"model": WARM, "ttl_s": 300})).await;
    assert!(rest.service("gpu-1:11434").await["pending"].as_u64() >= Some(1));
    let is_one = |service: &Value| service["pending"] == 1;
    rest.service_is("gpu-1:11434", "only the other's is left", WITHIN, is_one).await;
    for lease in &leases {
        assert_eq!(give_back(&rest, lease).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(rest.service("gpu-1:11434").await["pending"], 1);
    assert_eq!(give_back(&rest, &kept).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn two_routers_do_not_fill_one_gpu() {
    let fleet = fleet_of(&[gpu_host(1, 30), gpu_host(2, 30)]).await;
    let rest = fleet.rest();
    // Whoever looks at priority alone would send both here.
    rest.patch("/api/v1/services/gpu-1%3A11434", &json!({"priority": 100})).await;
    let why = async |model: &str| {
        let answer = picked(&rest, &format!("model={model}")).await;
        (service_id(&answer).to_owned(), answer["why"].to_string())
    };
    let fits = async || match why(LARGE[0]).await {
        (id, why) if why.contains("fits") => Ok(id),
        (id, why) => Err(format!("{id}: {why}")),
    };
    assert_eq!(eventually("room on a GPU", WITHIN, fits).await, "gpu-1:11434");

    let take = |model: &str| lease(&rest, json!({"model": model, "ttl_s": 60}));
    let (one, other) = tokio::join!(take(LARGE[0]), take(LARGE[1]));
    let taken: BTreeSet<&str> = [service_id(&one), service_id(&other)].into();
    assert_eq!(taken.len(), 2, "{one} {other}");
    // A third model finds no room, and one that is on its way is where it goes.
    let (_, third) = why(LARGE[2]).await;
    assert!(third.contains("needs") && !third.contains("fits"), "{third}");
    assert_eq!(service_id(&take(LARGE[1]).await), service_id(&other));

    for lease in [&one, &other] {
        assert_eq!(give_back(&rest, lease).await, StatusCode::NO_CONTENT);
    }
    eventually("room again", WITHIN, fits).await;
}
