//! A host appears, with the Ollama that runs on it, and nobody configured anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeOllama, LoadedModel, Model, Story};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Fleet, Program, Viewer, eventually};
use serde_json::{Value, json};

const MODEL: &str = "llama3.1:8b";

/// An Ollama with three models, one of them loaded.
async fn ollama() -> FakeOllama {
    let story = Story { loaded: vec![LoadedModel::named(MODEL)], ..Story::with_models(3) };
    FakeOllama::start(story).await.expect("a fake Ollama")
}

/// The one service that listens where `ollama` does, as soon as it has this many models.
async fn service_of(viewer: &Viewer, ollama: &FakeOllama, n_models: usize) -> Value {
    let id = format!("gpu-1:{}", ollama.addr().port());
    let listed = async || {
        let services = viewer.folded().services;
        let service = services.get(&id).ok_or_else(|| format!("{:?}", services.keys()))?;
        match service["models"].as_array().map(Vec::len) {
            Some(n) if n == n_models => Ok(service.clone()),
            _ => Err(service.to_string()),
        }
    };
    eventually(&format!("{id} with {n_models} models"), Duration::from_secs(30), listed).await
}

#[tokio::test]
async fn an_agent_finds_ollama_where_its_environment_says() {
    let (fleet, ollama) = (Fleet::start().await, ollama().await);
    let viewer = fleet.viewer().await;
    let port = ollama.addr().port();
    let _agent = fleet.agent("gpu-1").ollama_host(&format!("127.0.0.1:{port}")).start();
    let host = fleet.host_online("gpu-1").await;
    let service = service_of(&viewer, &ollama, 3).await;

    assert_eq!(service["host_id"], host["id"]);
    assert_eq!(service["kind"], "ollama");
    assert_eq!(service["version"], "0.33.0");
    assert_eq!(service["status"], "healthy");
    assert_eq!(service["state"], "resident");
    assert_eq!(service["reachable"], "loopback");
    assert_eq!(service["url"], ollama.url());
    let models = service["models"].as_array().expect("a list");
    let warm: Vec<&Value> = models.iter().filter(|model| model["warm"] == true).collect();
    assert_eq!(warm.len(), 1);
    assert_eq!(warm[0]["name"], MODEL);
    assert_eq!(warm[0]["vram_bytes"], 6_654_289_920_u64);

    // Scripts are told the same.
    let services = fleet.rest().services().await;
    // Another story may run a server on this machine meanwhile.
    let own: Vec<&Value> = services.iter().filter(|other| other["id"] == service["id"]).collect();
    assert_eq!(own.len(), 1, "{services:?}");
    let fleet_models = fleet.rest().get("/api/v1/models").await;
    let names = fleet_models["models"].as_array().map(Vec::len);
    assert_eq!(names, Some(3), "{fleet_models}");
    assert_eq!(ollama.script().report().forbidden, Vec::<String>::new());
}

#[tokio::test]
async fn what_moves_on_ollama_moves_in_the_feed() {
    let (fleet, ollama) = (Fleet::start().await, ollama().await);
    let viewer = fleet.viewer().await;
    let _agent = fleet.agent("gpu-1").ollama_host(&ollama.url()).start();
    service_of(&viewer, &ollama, 3).await;

    ollama.script().pull(Model::named("phi4:14b"));
    ollama.script().load(LoadedModel::named("phi4:14b"));
    service_of(&viewer, &ollama, 4).await;
    let loaded = async || match viewer.n_changes("model.loaded") {
        0 => Err(format!("{:?}", viewer.folded().changes)),
        _ => Ok(()),
    };
    eventually("a model.loaded change", Duration::from_secs(30), loaded).await;
    ollama.script().unload("phi4:14b");
    ollama.script().remove("phi4:14b");
    service_of(&viewer, &ollama, 3).await;
    assert!(viewer.n_changes("model.removed") > 0);

    let id = format!("gpu-1:{}", ollama.addr().port());
    ollama.stop().await;
    let down = async || match viewer.folded().services.get(&id) {
        Some(service) if service["status"] == "down" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the service down", Duration::from_secs(30), down).await;
    assert_eq!(viewer.folded().faults, Vec::<String>::new());
}

#[tokio::test]
async fn the_page_shows_it() {
    let (fleet, ollama) = (Fleet::start().await, ollama().await);
    let _agent = fleet.agent("gpu-1").ollama_host(&ollama.url()).start();
    let expected = json!({"host": "gpu-1", "model": MODEL, "within_ms": 60_000});
    let said = said_by(browser(&fleet, &expected)).await;
    assert_eq!(said["ok"], true, "{said:#}");
}

#[tokio::test]
async fn the_open_page_follows_what_changes() {
    let (fleet, ollama) = (Fleet::start().await, ollama().await);
    let _agent = fleet.agent("gpu-1").ollama_host(&ollama.url()).start();
    fleet.host_online("gpu-1").await;
    let later = "qwen3:30b";
    let browser = browser(&fleet, &json!({"host": "gpu-1", "model": later, "within_ms": 60_000}));
    let row = async || match browser.out() {
        said if said.contains("\"row\"") => Ok(()),
        said => Err(said),
    };
    eventually("the row on the page", Duration::from_secs(60), row).await;
    ollama.script().load(LoadedModel::named(later));
    let said = said_by(browser).await;
    assert_eq!(said["ok"], true, "{said:#}");
}

/// `tests/browser/page.mjs` on the fleet's page.
fn browser(fleet: &Fleet, expected: &Value) -> Program {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/page.mjs");
    let mut command = command(&PathBuf::from("node"), fleet.dir());
    command.arg(script).env("HERDBOOK_URL", format!("{}/", fleet.url()));
    command.env("HERDBOOK_EXPECT", expected.to_string());
    if let Some(chromium) = std::env::var_os("HERDBOOK_CHROMIUM") {
        command.env("HERDBOOK_CHROMIUM", chromium);
    }
    Program::start("browser", command, fleet.dir())
}

/// What it says at its end.
async fn said_by(mut browser: Program) -> Value {
    browser.exit(Duration::from_secs(150)).await;
    let said = browser.out();
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{said}\n{}", browser.log()))
}

#[tokio::test]
async fn one_look_is_printed_as_json() {
    let (dir, ollama) = (tempfile::tempdir().expect("a directory"), ollama().await);
    let mut command = command(&built("herdbook-agent"), dir.path());
    command.args(["--once", "--state-dir"]).arg(dir.path().join("state"));
    command.env("OLLAMA_HOST", ollama.url());
    let mut agent = Program::start("once", command, dir.path());
    let status = agent.exit(Duration::from_secs(40)).await;
    assert!(status.success(), "{status}: {}", agent.log());
    let out = agent.out();
    assert!(out.contains(MODEL), "{out}");
    let values = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
    let values: Result<Vec<Value>, _> = values.collect();
    assert!(values.is_ok_and(|values| !values.is_empty()), "no JSON: {out}");
}
