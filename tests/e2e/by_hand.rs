//! A server that no agent has: a person adds it by its URL, and the collector asks it itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use herdbook_tests::fake_ollama::{
    FakeKin, FakeOllama, Fault, Kin, KinStory, LoadedModel, Model, Story,
};
use herdbook_tests::harness::{Fleet, Rest, law, throughout};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Servers are asked every other second, few at once, and what was unhealthy for three is down.
const QUICK: &str = "[checks]\ninterval_s = 2\ndeadline_s = 1\ndown_after_s = 3\n\
                     judge_every_s = 1\nat_once = 4\n";
const WITHIN: Duration = Duration::from_secs(25);

fn form(name: &str, url: &str) -> Value {
    json!({"name": name, "type": "model", "url": url})
}

/// One that has to answer as an Ollama does; of one whose kind nobody told, any answer will do.
fn form_of_ollama(name: &str, url: &str) -> Value {
    json!({"name": name, "type": "model", "kind": "ollama", "url": url})
}

async fn add(rest: &Rest, form: &Value) -> String {
    let (status, service) = rest.post("/api/v1/services", form).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    service["id"].as_str().expect("an id").to_owned()
}

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |service: &Value| service["status"] == status
}

fn model_names(service: &Value) -> Vec<&str> {
    let models = service["models"].as_array().into_iter().flatten();
    models.filter_map(|model| model["name"].as_str()).collect()
}

#[tokio::test]
async fn an_ollama_that_no_agent_has_is_asked_goes_and_comes_back() {
    let fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer, page) = (fleet.rest(), fleet.viewer().await, fleet.page().await);
    let story = Story {
        models: vec![Model::named("llama3.1:8b"), Model::named("qwen3:30b")],
        loaded: vec![LoadedModel::named("llama3.1:8b")],
        ..Story::default()
    };
    let ollama = FakeOllama::start(story.clone()).await.expect("a fake Ollama");
    let (addr, url) = (ollama.addr(), ollama.url());
    let id = add(&rest, &form("spare", &url.to_uppercase().replace("HTTP", "http"))).await;
    assert_eq!(id, addr.to_string(), "known by its address");

    let service = rest.service_is(&id, "healthy", WITHIN, is("healthy")).await;
    for (key, expected) in [
        ("check", json!("probe")),
        ("sources", json!(["manual"])),
        ("kind", json!("ollama")),
        ("version", json!("0.33.0")),
        ("reachable", json!("loopback")),
        ("url", json!(url)),
        ("last_error", Value::Null),
    ] {
        assert_eq!(service[key], expected, "{key}: {service}");
    }
    let listed =
        rest.service_is(&id, "its models", WITHIN, |service| model_names(service).len() == 2).await;
    assert_eq!(model_names(&listed), ["llama3.1:8b", "qwen3:30b"]);
    let by_model = rest.get("/api/v1/services?model=qwen3:30b").await;
    assert_eq!(by_model["services"][0]["id"], json!(id), "{by_model}");
    let warm = |service: &Value| service["models"][0]["warm"] == true;
    rest.service_is(&id, "one of them warm", WITHIN, warm).await;

    ollama.stop().await;
    let unwell = viewer.tells(&id, "service.unhealthy", WITHIN).await;
    assert!(unwell["cause"].as_str().is_some_and(|cause| cause.contains('2')), "{unwell}");
    let error = unwell["data"]["last_error"].as_str();
    assert!(error.is_some_and(|error| error.contains("refused")), "{unwell}");
    viewer.tells(&id, "service.down", WITHIN).await;

    let again = FakeOllama::start(story.at(addr)).await.expect("the same address");
    let back = rest.service_is(&id, "back", WITHIN, is("healthy")).await;
    assert_eq!((&back["last_error"], &back["consecutive_failures"]), (&Value::Null, &json!(0)));
    assert!(back["last_error_at"].is_string(), "{back}");
    law::holds(&viewer, &rest).await;
    law::holds(&page, &rest).await;
    assert_eq!(again.script().report().forbidden, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_no_other() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let mut unwell = Vec::new();
    for fault in [Fault::NeverAnswer, Fault::EndlessBody, Fault::SlowBody] {
        let fake = FakeOllama::start(Story::default().with_fault("*", fault)).await;
        unwell.push(fake.expect("a fake Ollama"));
    }
    // Many more than are asked at once, each at a path of its own.
    let mut ids = Vec::new();
    for n in 0..24 {
        let url = format!("{}/{n}", unwell[n % unwell.len()].url());
        ids.push(add(&rest, &form_of_ollama("unwell", &url)).await);
    }
    let well = FakeOllama::start(Story::with_models(2)).await.expect("a fake Ollama");
    let id = add(&rest, &form("well", &well.url())).await;
    rest.service_is(&id, "healthy", WITHIN, is("healthy")).await;

    // One after the other, a round would take 24 s.
    let mut checked_at = BTreeSet::new();
    let goes_on = async || {
        let service = rest.service(&id).await;
        checked_at.insert(service["last_check"].to_string());
        if service["status"] == "healthy" { Ok(()) } else { Err(service.to_string()) }
    };
    throughout("who is well is asked and healthy", Duration::from_secs(10), goes_on).await;
    assert!(checked_at.len() >= 3, "checked at {checked_at:?}");
    for id in &ids {
        let failed = |service: &Value| {
            let is_bad = matches!(service["status"].as_str(), Some("unhealthy" | "down"));
            is_bad && service["last_error"].is_string()
        };
        rest.service_is(id, "unhealthy, with an error", WITHIN, failed).await;
    }
}

/// Answers every request with a redirect to `target`, and counts its connections.
struct Redirecting {
    addr: SocketAddr,
    n_connections: Arc<AtomicU64>,
    _server: JoinSet<()>,
}

impl Redirecting {
    async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let n_connections = Arc::new(AtomicU64::new(0));
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {target}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        let mut server = JoinSet::new();
        server.spawn(redirect(listener, answer, Arc::clone(&n_connections)));
        Self { addr, n_connections, _server: server }
    }

    fn n_connections(&self) -> u64 {
        self.n_connections.load(Relaxed)
    }
}

async fn redirect(listener: TcpListener, answer: String, n_connections: Arc<AtomicU64>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        n_connections.fetch_add(1, Relaxed);
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let trap = Redirecting::start("http://127.0.0.1:1/").await;
    let lure = Redirecting::start(&format!("http://{}/latest/meta-data/", trap.addr)).await;
    let url = format!("http://{}", lure.addr);
    let id = add(&rest, &form_of_ollama("lure", &url)).await;
    let service = rest.service_is(&id, "unhealthy", WITHIN, is("unhealthy")).await;
    assert!(service["last_error"].as_str().is_some_and(|e| e.contains("307")), "{service}");
    // Who answers at all lives, where nobody said what it is; but where it leads to is not asked.
    let id = add(&rest, &form("another lure", &format!("{url}/at/a/path"))).await;
    rest.service_is(&id, "alive", WITHIN, is("healthy")).await;
    assert!(lure.n_connections() >= 2, "{} checks", lure.n_connections());
    assert_eq!(trap.n_connections(), 0);
}

#[tokio::test]
async fn where_clouds_keep_their_secrets_nobody_is_asked() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    for url in ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]"] {
        let (status, refused) = rest.post("/api/v1/services", &form("cloud", url)).await;
        assert_eq!((status.as_u16(), &refused["field"]), (422, &json!("url")), "{refused}");
        let why = refused["detail"].as_str().unwrap_or_default();
        assert!(why.contains("link-local") || why.contains("metadata"), "{refused}");
    }
    assert_eq!(rest.services().await, Vec::<Value>::new());
}

#[tokio::test]
async fn who_wants_a_credential_is_said_to_want_one() {
    let fleet = Fleet::start_with(QUICK).await;
    let rest = fleet.rest();
    let story = Story::default().with_fault("*", Fault::Unauthorized);
    let guarded = FakeOllama::start(story).await.expect("a fake Ollama");
    let id = add(&rest, &form("guarded", &guarded.url())).await;
    let asks = |service: &Value| service["last_error"].as_str().is_some_and(says_credential);
    let service = rest.service_is(&id, "asks for a credential", WITHIN, asks).await;
    assert_eq!(model_names(&service), Vec::<&str>::new());
}

fn says_credential(error: &str) -> bool {
    error.contains("credential") || error.contains("401")
}

const SECRET: &str = "sk-herdbook-7391-not-to-be-told";

#[tokio::test]
async fn a_credential_is_sent_and_told_to_nobody() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let story = KinStory { key: Some(SECRET.to_owned()), ..KinStory::of(Kin::Vllm) };
    let keyed = FakeKin::start(story).await.expect("a fake vLLM");
    let mut form = form("keyed", &keyed.url());
    let credential = json!({"header": "Authorization", "value": format!("Bearer {SECRET}")});
    form["credential"] = credential;
    let (status, answer) = rest.post("/api/v1/services", &form).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let id = answer["id"].as_str().expect("an id").to_owned();
    // Without the key there is no list of models.
    let lists =
        |service: &Value| service["status"] == "healthy" && !model_names(service).is_empty();
    let service = rest.service_is(&id, "healthy with a model", WITHIN, lists).await;

    let patch = json!({"labels": {"team": "a"}});
    let (status, patched) = rest.patch(&format!("/api/v1/services/{id}"), &patch).await;
    assert_eq!(status, StatusCode::OK, "{patched}");
    let folded = law::holds(&viewer, &rest).await;
    let told = [
        ("POST", answer.to_string()),
        ("GET", service.to_string()),
        ("PATCH", patched.to_string()),
        ("list", rest.get("/api/v1/services").await.to_string()),
        ("snapshot", rest.get("/api/v1/snapshot?view=full").await.to_string()),
        ("feed", format!("{folded:?}")),
        ("log", fleet.collector().log()),
    ];
    for (where_, text) in told {
        assert!(!text.contains(SECRET), "{where_}: {text}");
    }
    throughout("it settles", Duration::from_secs(1), async || Ok(())).await;
    let data = fleet.dir().join("data");
    assert_ne!(holders(&data, &id), Vec::<String>::new(), "what is known of it is on the disk");
    assert_eq!(holders(fleet.dir(), SECRET), Vec::<String>::new());

    // What was sealed is still good for the next run.
    fleet.restart_collector().await;
    keyed.change(|story| story.models.push("another".to_owned()));
    let both = |service: &Value| service["status"] == "healthy" && model_names(service).len() == 2;
    rest.service_is(&id, "healthy after a crash", WITHIN, both).await;
    assert!(!fleet.collector().log().contains(SECRET));
}

/// The files under a directory that hold these words.
fn holders(dir: &Path, words: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let held = paths.flat_map(|path| {
        if path.is_dir() {
            return holders(&path, words);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = bytes.windows(words.len()).any(|window| window == words.as_bytes());
        if holds { vec![path.display().to_string()] } else { Vec::new() }
    });
    held.collect()
}
