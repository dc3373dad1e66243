//! The agent as a process: what it prints, how it ends, and what a small collector of this test
//! hears from it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use fake_ollama::{FakeOllama, Story};
use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::ids::SessionId;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::codec::{decode_agent, encode};
use herdbook_shared::wire::hello::{GoodbyeReason, Hello, Welcome};
use herdbook_shared::wire::{AgentMessage, CollectorMessage, SUBPROTOCOL};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const PATIENCE: Duration = Duration::from_secs(30);

fn agent(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdbook-agent"));
    command.env_clear().env("HOME", home).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn output(home: &Path, arguments: &[&str]) -> Output {
    timeout(PATIENCE, agent(home, arguments).output()).await.unwrap().unwrap()
}

async fn refused(home: &Path, arguments: &[&str]) -> String {
    let output = output(home, arguments).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The collector's end of one connection.
struct Collector {
    socket: WebSocketStream<TcpStream>,
}

impl Collector {
    async fn accept(listener: &TcpListener) -> (Self, Hello) {
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let answer = |_: &Request, mut response: Response| {
            let protocol = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let mut collector = Self { socket: accept_hdr_async(stream, answer).await.unwrap() };
        let Some(AgentMessage::Hello(hello)) = collector.hear().await else { panic!() };
        let welcome = Welcome {
            collector_id: "c".to_owned(),
            session_id: SessionId::from_text("s"),
            protocol: 1,
            sample_interval_ms: 1000,
            reconnect_spread_ms: 100,
            server_time: Timestamp::now(),
            pins: Vec::new(),
            rotate_key: false,
        };
        let welcome = Message::text(encode(&CollectorMessage::Welcome(welcome)));
        collector.socket.send(welcome).await.unwrap();
        (collector, *hello)
    }

    async fn hear(&mut self) -> Option<AgentMessage> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.unwrap()?.ok()? {
                Message::Text(text) => return Some(decode_agent(text.as_str()).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}

async fn collector() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for the end; the exit code and what was logged.
async fn end(mut child: Child) -> (Option<i32>, String) {
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    (status.code(), log)
}

#[tokio::test]
async fn once_prints_one_inventory_and_one_sample_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let start = tokio::time::Instant::now();
    let output = output(home.path(), &["--once", "--state-dir", "/proc/nowhere"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let once: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(once["inventory"]["system"]["cpu_cores"].as_u64().unwrap() > 0);
    assert!(once["sample"]["cpu_percent"].is_number(), "{}", once["sample"]);
    assert!(once["sample"]["disk"].is_object(), "{}", once["sample"]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_cannot_start_ends_with_two_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let log = refused(home.path(), &["--collector", "htp://gpu-1:6121"]).await;
    assert!(log.contains("flag --collector: \"htp://gpu-1:6121\" has an unknown scheme"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    let log = refused(home.path(), &["--intervall", "1s"]).await;
    assert!(log.contains("--interval"), "{log}");
    let log = refused(home.path(), &["--state-dir", "/dev/null"]).await;
    assert!(log.contains("cannot make /dev/null"), "{log}");
    let state = home.path().join(".local/state/herdbook/agent");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("host_id"), "").unwrap();
    let log = refused(home.path(), &[]).await;
    assert!(log.contains("host_id is empty"), "{log}");
}

#[tokio::test]
async fn once_describes_the_host_that_is_mounted_in_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts");
    for (name, os, cores, address) in [
        ("debian12-6.1", "Debian 12", 8, "192.168.1.20"),
        ("rhel7-3.10", "Red Hat Enterprise Linux Server 7.0", 4, "10.1.1.9"),
        ("gb10-aarch64", "Ubuntu 24.04", 20, "192.168.7.77"),
    ] {
        let root = hosts.join(name);
        let arguments = ["--once", "--host-root", root.to_str().unwrap()];
        let output = output(home.path(), &arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let once: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let system = &once["inventory"]["system"];
        assert_eq!((system["os"].as_str(), system["cpu_cores"].as_u64()), (Some(os), Some(cores)));
        assert_eq!(once["inventory"]["addresses"][0], address);
        assert!(once["sample"]["detail"]["uptime_s"].is_number(), "{}", once["sample"]);
    }
    let log = refused(home.path(), &["--host-root", home.path().to_str().unwrap()]).await;
    assert!(log.contains("flag --host-root: ") && log.contains("has no proc in it"), "{log}");
}

/// A host whose only sensor is a pipe that nobody writes to.
#[tokio::test]
async fn a_sensor_that_hangs_holds_nothing_up() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let chip = root.join("sys/class/hwmon/hwmon0");
    std::fs::create_dir_all(&chip).unwrap();
    std::fs::create_dir_all(root.join("proc")).unwrap();
    std::fs::write(root.join("proc/loadavg"), "0.50 0.40 0.30 1/2 3\n").unwrap();
    let pipe = Command::new("mkfifo").arg(chip.join("temp1_input")).status();
    assert!(pipe.await.unwrap().success());
    let (listener, url) = collector().await;
    let arguments = ["--collector", &url, "--host-root", root.to_str().unwrap()];
    let child = agent(home.path(), &arguments).spawn().unwrap();
    let (mut collector, _) = Collector::accept(&listener).await;
    let mut samples = Vec::new();
    while samples.len() < 3 {
        if let AgentMessage::Sample(sample) = collector.hear().await.unwrap() {
            samples.push(sample);
        }
    }
    assert!(samples.iter().all(|sample| sample.load1 == Some(0.5)));
    let detail = samples[0].detail.as_ref().unwrap();
    assert_eq!(detail.missing["temperatures"], MissingReason::Timeout);
    signal(&child, Signal::TERM);
    assert_eq!(end(child).await.0, Some(0));
}

#[tokio::test]
async fn it_greets_tells_and_says_goodbye() {
    let home = tempfile::tempdir().unwrap();
    let (listener, url) = collector().await;
    let arguments = ["--collector", &url, "--name", "gpu-1", "--label", "zone=a"];
    let child = agent(home.path(), &arguments).spawn().unwrap();
    let (mut collector, hello) = Collector::accept(&listener).await;
    assert_eq!((hello.name.as_str(), hello.labels["zone"].as_str()), ("gpu-1", "a"));
    let (mut n_samples, mut n_inventories) = (0, 0);
    while n_samples < 3 || n_inventories < 1 {
        match collector.hear().await.unwrap() {
            AgentMessage::Sample(sample) => {
                n_samples += 1;
                assert_eq!(sample.seq, n_samples);
            }
            AgentMessage::Inventory(_) => n_inventories += 1,
            other => panic!("{other:?}"),
        }
    }
    signal(&child, Signal::TERM);
    let goodbye = loop {
        if let AgentMessage::Goodbye(goodbye) = collector.hear().await.unwrap() {
            break goodbye;
        }
    };
    assert_eq!(goodbye.reason, GoodbyeReason::Shutdown);
    assert!(collector.hear().await.is_none());
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0), "{log}");

    // It is the same host when it comes back, as another instance.
    let child = agent(home.path(), &arguments).spawn().unwrap();
    let (_collector, again) = Collector::accept(&listener).await;
    assert_eq!(again.host_id, hello.host_id);
    assert_ne!(again.instance_id, hello.instance_id);
    let second = refused(home.path(), &arguments).await;
    assert!(second.contains("another agent runs on the state directory"), "{second}");
    signal(&child, Signal::INT);
    assert_eq!(end(child).await.0, Some(0));
}

#[tokio::test]
async fn a_collector_that_goes_and_comes_is_told_in_one_line_each() {
    let home = tempfile::tempdir().unwrap();
    let (listener, url) = collector().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let arguments = ["--collector", &url, "--log-format", "json"];
    let child = agent(home.path(), &arguments).spawn().unwrap();
    // Some dials fail before there is somebody.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let (mut collector, _) = Collector::accept(&listener).await;
    // Whoever tells something has read the welcome.
    collector.hear().await.unwrap();
    signal(&child, Signal::TERM);
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |words: &str| {
        lines.iter().filter(|l| l["message"].as_str().is_some_and(|m| m.contains(words))).count()
    };
    assert_eq!(count("no connection to the collector"), 1, "{log}");
    assert_eq!(count("connected to the collector"), 1, "{log}");
}

#[tokio::test]
async fn once_shows_gpus_and_model_servers() {
    let home = tempfile::tempdir().unwrap();
    let gpus = fake_nvml::Script::with_gpus(2);
    let library = fake_nvml::Installed::new(home.path(), &gpus).unwrap().library;
    let ollama = FakeOllama::start(Story::with_models(3)).await.unwrap();
    let arguments = ["--once", "--nvml-lib", library.to_str().unwrap(), "--ollama", &ollama.url()];
    let output = output(home.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let once: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(once["inventory"]["gpus"].as_array().unwrap().len(), 2);
    let readings = once["sample"]["gpus"].as_array().unwrap();
    assert!(readings.iter().all(|gpu| gpu["memory_used_bytes"].is_number()), "{readings:?}");
    let services = once["inventory"]["services"].as_array().unwrap();
    let service = services.iter().find(|service| service["port"] == ollama.addr().port());
    assert_eq!(service.unwrap()["models"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_hanging_gpu_library_holds_nothing_else_up() {
    let home = tempfile::tempdir().unwrap();
    let hang = fake_nvml::Script::with_gpus(1).with_fault("*", fake_nvml::Fault::Hang);
    let library = fake_nvml::Installed::new(home.path(), &hang).unwrap().library;
    let (listener, url) = collector().await;
    let arguments = ["--collector", &url, "--nvml-lib", library.to_str().unwrap()];
    let child = agent(home.path(), &arguments).spawn().unwrap();
    let (mut collector, _) = Collector::accept(&listener).await;
    let mut samples = Vec::new();
    while samples.len() < 5 {
        if let AgentMessage::Sample(sample) = collector.hear().await.unwrap() {
            samples.push(sample);
        }
    }
    let spans = samples.windows(2).map(|two| two[1].at.ms_since(two[0].at));
    assert!(spans.clone().all(|ms| ms < 3000), "{:?}", spans.collect::<Vec<_>>());
    assert!(samples.iter().all(|sample| sample.memory_used_bytes.is_some()));
    signal(&child, Signal::TERM);
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0), "{log}");
}
