//! Every kind of model server is found for what it is, and shown as what it does.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeKin, FakeOllama, Fault, Kin, KinStory, Story};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Fleet, Program, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Hung is who has not answered for 30 s; test machines are slow besides.
const WITHIN: Duration = Duration::from_secs(75);

/// Waits until the service at this port is as wanted, and returns it.
async fn service_at(fleet: &Fleet, port: u16, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let rest = fleet.rest();
    let listed = async || {
        let services = rest.services().await;
        match services.into_iter().find(|service| is_at(service, port)) {
            Some(service) if is_so(&service) => Ok(service),
            Some(service) => Err(service.to_string()),
            None => Err("no such service".to_owned()),
        }
    };
    eventually(&format!("{port}: {what}"), WITHIN, listed).await
}

fn is_at(service: &Value, port: u16) -> bool {
    service["id"].as_str().is_some_and(|id| id.ends_with(&format!(":{port}")))
}

/// Kind, version, state and the number of models that are warm and that there are.
fn told(service: &Value) -> (String, Option<String>, String, usize, usize) {
    let word = |key: &str| service[key].as_str().map(str::to_owned);
    let models = service["models"].as_array().cloned().unwrap_or_default();
    let n_warm = models.iter().filter(|model| model["warm"] == true).count();
    let known = |key: &str| word(key).unwrap_or_default();
    (known("kind"), word("version"), known("state"), n_warm, models.len())
}

#[tokio::test]
async fn each_kin_is_told_by_what_it_answers() {
    let two = || vec!["a-model".to_owned(), "another".to_owned()];
    let warm = || vec!["a-model".to_owned()];
    let story = |kin| KinStory { models: two(), loaded: warm(), ..KinStory::of(kin) };
    // What each is taken for: kind, version, state, how many models are warm.
    let table = [
        (story(Kin::Vllm), ("vllm", Some("0.11.0"), "resident", 2)),
        (story(Kin::Sglang), ("sglang", Some("0.11.0"), "resident", 2)),
        (story(Kin::LlamaCpp), ("llamacpp", Some("b9992-0.11.0"), "resident", 2)),
        (story(Kin::LlamaRouter), ("llamacpp", Some("b9992-0.11.0"), "resident", 1)),
        (story(Kin::LmStudio), ("lmstudio", None, "resident", 1)),
        (story(Kin::OlderLmStudio), ("lmstudio", None, "resident", 1)),
        (story(Kin::OpenAi), ("openai", None, "unknown", 0)),
    ];
    let mut kin = Vec::new();
    for (story, expected) in table {
        kin.push((FakeKin::start(story).await.expect("a fake"), expected));
    }
    let fleet = Fleet::start().await;
    let urls: Vec<String> = kin.iter().map(|(fake, _)| fake.url()).collect();
    let _agent = fleet.agent("gpu-1").env("HERDBOOK_OLLAMA", &urls.join(",")).start();
    for (fake, (kind, version, state, n_warm)) in &kin {
        let expected =
            (kind.to_string(), version.map(str::to_owned), state.to_string(), *n_warm, 2);
        service_at(&fleet, fake.addr().port(), kind, |service| told(service) == expected).await;
    }

    let is = |state: &'static str| move |service: &Value| service["state"] == state;
    for (fake, (_, _, state, _)) in &kin[..3] {
        fake.change(|story| story.running = 2);
        service_at(&fleet, fake.addr().port(), "busy", is("busy")).await;
        fake.change(|story| story.running = 0);
        service_at(&fleet, fake.addr().port(), "at rest", is(state)).await;
    }
    for n in [2, 3] {
        kin[n].0.change(|story| story.loading = true);
        service_at(&fleet, kin[n].0.addr().port(), "loading", is("loading")).await;
    }
    for (fake, (kind, ..)) in &kin {
        assert_eq!(fake.report().forbidden, Vec::<String>::new(), "{kind}");
    }
}

#[tokio::test]
async fn who_lets_nobody_in_is_alive_and_says_so() {
    let (fleet, story) = (Fleet::start().await, Story::default());
    let guarded = FakeOllama::start(story.with_fault("*", Fault::Unauthorized)).await;
    let guarded = guarded.expect("a fake Ollama");
    let keyed = KinStory { key: Some("k".to_owned()), ..KinStory::of(Kin::Vllm) };
    let keyed = FakeKin::start(keyed).await.expect("a fake vLLM");
    let urls = format!("{},{}", guarded.url(), keyed.url());
    let _agent = fleet.agent("gpu-1").env("HERDBOOK_OLLAMA", &urls).start();
    let asks = |service: &Value| {
        let error = service["last_error"].as_str().unwrap_or_default();
        service["status"] == "healthy" && error.contains("credential")
    };
    for (port, kind) in [(guarded.addr().port(), "ollama"), (keyed.addr().port(), "vllm")] {
        let service = service_at(&fleet, port, "wants a credential", asks).await;
        assert_eq!(service["kind"], kind, "{service}");
        assert_eq!(service["asks_credential"], true, "{service}");
        assert_eq!(service["exposed"], false, "{service}");
        let codes: Vec<&Value> = findings(&service).map(|found| &found["code"]).collect();
        assert_eq!(codes, ["needs_credential"], "{service}");
    }
    let service = service_at(&fleet, guarded.addr().port(), "of unknown state", asks).await;
    assert_eq!((&service["state"], &service["state_told_by"]), (&json!("unknown"), &Value::Null));
}

fn findings(service: &Value) -> impl Iterator<Item = &Value> {
    service["findings"].as_array().into_iter().flatten()
}

/// Real processes under the names of the real programs, in a directory of their own.
struct Ollama {
    dir: PathBuf,
    program: Program,
}

impl Ollama {
    fn start(dir: &Path, port: u16) -> Self {
        named("llama-server", dir);
        let mut command = command(&named("ollama", dir), dir);
        command.arg("serve").env("OLLAMA_HOST", format!("127.0.0.1:{port}"));
        let program = Program::start(&format!("ollama-{port}"), command, dir);
        Self { dir: dir.to_owned(), program }
    }

    async fn tell(&self, port: u16, story: Value) {
        tell(port, story).await;
    }
}

/// Changes what the fake at this port tells.
async fn tell(port: u16, story: Value) {
    let url = format!("http://127.0.0.1:{port}/_story");
    let client = reqwest::Client::new();
    let told = async || {
        let answer = client.post(&url).body(story.to_string()).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    eventually(&format!("{url} told {story}"), WITHIN, told).await;
}

/// The fake under the name of a real program.
fn named(name: &str, dir: &Path) -> PathBuf {
    let to = dir.join(name);
    if !to.exists() {
        // A link would show where it leads.
        std::fs::hard_link(built("fake-ollama"), &to)
            .or_else(|_| std::fs::copy(built("fake-ollama"), &to).map(drop))
            .expect("the fake under another name");
    }
    to
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    listener.local_addr().expect("its address").port()
}

#[tokio::test]
async fn two_ollamas_are_found_by_their_processes_and_one_moves() {
    let (fleet, dir) = (Fleet::start().await, tempfile::tempdir().expect("a directory"));
    let (first, second, elsewhere) = (free_port(), free_port(), free_port());
    let _stays = Ollama::start(dir.path(), first);
    let mut moves = Ollama::start(dir.path(), second);
    let _agent = fleet.agent("gpu-1").start();
    let is_ollama = |service: &Value| {
        let (kind, version, state, _, n_models) = told(service);
        (kind.as_str(), version.as_deref(), n_models) == ("ollama", Some("0.33.0"), 3)
            && state == "idle"
    };
    service_at(&fleet, first, "an Ollama", is_ollama).await;
    service_at(&fleet, second, "another", is_ollama).await;
    moves.program.kill9().await;
    let _moved = Ollama::start(&moves.dir, elsewhere);
    service_at(&fleet, elsewhere, "found where it moved to", is_ollama).await;
    let is_down = |service: &Value| service["status"] == "down";
    let gone = service_at(&fleet, second, "down where it was", is_down).await;
    assert_eq!(gone["models"].as_array().map(Vec::len), Some(3));
    service_at(&fleet, first, "still there", is_ollama).await;
}

#[tokio::test]
async fn what_a_runner_does_is_what_its_ollama_is_shown_as() {
    let (fleet, dir) = (Fleet::start().await, tempfile::tempdir().expect("a directory"));
    let (port, at_runner) = (free_port(), free_port());
    let ollama = Ollama::start(dir.path(), port);
    let _agent = fleet.agent("gpu-1").start();
    let is = |state: &'static str| move |service: &Value| service["state"] == state;
    service_at(&fleet, port, "idle", is("idle")).await;

    let model = "gemma4:12b";
    ollama.tell(port, json!([{"do": "run", "name": model, "port": at_runner}])).await;
    service_at(&fleet, port, "loading", is("loading")).await;
    // The runner itself is no server of the host.
    let services = fleet.rest().services().await;
    assert!(!services.iter().any(|service| is_at(service, at_runner)), "{services:?}");

    let says = |running: u64| json!({"kin": "llama_cpp", "running": running});
    ollama.tell(at_runner, says(2)).await;
    ollama.tell(port, json!([{"do": "load", "model": {"name": model}}])).await;
    let busy = service_at(&fleet, port, "busy", is("busy")).await;
    assert_eq!(told(&busy).3, 1, "{busy}");
    ollama.tell(at_runner, says(0)).await;
    service_at(&fleet, port, "resident", is("resident")).await;

    // The list no longer has it, but its process is still there.
    ollama.tell(port, json!([{"do": "unload", "name": model}])).await;
    service_at(&fleet, port, "unloading", is("busy")).await;
    ollama.tell(port, json!([{"do": "kill", "name": model}])).await;
    service_at(&fleet, port, "idle again", is("idle")).await;
}

#[tokio::test]
async fn a_llama_server_on_an_odd_port_is_found_by_its_process() {
    let (fleet, dir) = (Fleet::start().await, tempfile::tempdir().expect("a directory"));
    let port = free_port();
    let mut command = command(&named("llama-server", dir.path()), dir.path());
    command.args(["--model", "/models/gemma.gguf", "--port", &port.to_string()]);
    let _server = Program::start("llama-server", command, dir.path());
    let _agent = fleet.agent("gpu-1").start();
    let is = |state: &'static str| move |service: &Value| service["state"] == state;
    let loading = service_at(&fleet, port, "loading", is("loading")).await;
    assert_eq!(loading["kind"], "llamacpp", "{loading}");
    tell(port, json!({"kin": "llama_cpp", "models": ["gemma"]})).await;
    let resident = service_at(&fleet, port, "resident", is("resident")).await;
    assert_eq!(told(&resident).3, 1, "{resident}");
}

#[tokio::test]
async fn an_ollama_that_stands_still_is_hung_until_it_goes_on() {
    let (fleet, dir) = (Fleet::start().await, tempfile::tempdir().expect("a directory"));
    let port = free_port();
    let ollama = Ollama::start(dir.path(), port);
    let _agent = fleet.agent("gpu-1").start();
    let is = |state: &'static str| move |service: &Value| service["state"] == state;
    service_at(&fleet, port, "idle", is("idle")).await;
    ollama.program.signal(Signal::STOP);
    let hung = service_at(&fleet, port, "hung", is("hung")).await;
    assert!(findings(&hung).any(|found| found["code"] == "server_hung"), "{hung}");
    ollama.program.signal(Signal::CONT);
    let idle = service_at(&fleet, port, "idle again", is("idle")).await;
    assert_eq!(findings(&idle).count(), 0, "{idle}");
}
