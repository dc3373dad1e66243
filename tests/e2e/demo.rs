//! The demo: one program, a fleet on a page, and nothing left behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Program, Rest, Viewer, eventually};
use herdbook_tests::swarm::usage::children;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(60);

struct Demo {
    program: Program,
    address: SocketAddr,
    folders: PathBuf,
    _dir: TempDir,
}

impl Demo {
    /// Starts it on a free port, with its folder in one of the story's.
    async fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let folders = dir.path().join("tmp");
        std::fs::create_dir(&folders).expect("a folder for folders");
        let mut command = command(&built("herdbook-demo"), dir.path());
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).env("TMPDIR", &folders);
        let program = Program::start("demo", command, dir.path());
        let printed = async || address_in(&program.out()).ok_or_else(|| program.log_tail());
        let address = eventually("the page's address", WITHIN, printed).await;
        Self { program, address, folders, _dir: dir }
    }

    fn rest(&self) -> Rest {
        Rest::new(&format!("http://{}", self.address))
    }

    async fn all_hosts(&self, n_hosts: usize) -> Vec<Value> {
        let rest = self.rest();
        let all = async || match rest.hosts().await {
            hosts if hosts.len() == n_hosts && hosts.iter().all(|h| h["system"].is_object()) => {
                Ok(hosts)
            }
            hosts => Err(format!("{} hosts", hosts.len())),
        };
        eventually("all hosts", WITHIN, all).await
    }

    /// What it has laid into the folder for temporary ones.
    fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folders).expect("the folder for folders");
        entries.map(|entry| entry.expect("an entry of it").path()).collect()
    }

    /// Nothing is left of it, neither a folder nor somebody who listens.
    async fn is_gone(&self) {
        assert_eq!(self.left(), Vec::<PathBuf>::new());
        let gone = async || match self.rest().try_get("/healthz").await {
            Err(_) => Ok(()),
            Ok(answer) => Err(format!("{answer:?}")),
        };
        eventually("nobody on its port", WITHIN, gone).await;
    }
}

/// The address in the line `The demo: http://127.0.0.1:6131/`.
fn address_in(out: &str) -> Option<SocketAddr> {
    let line = out.lines().find_map(|line| line.trim().strip_prefix("The demo: http://"))?;
    line.trim_end_matches('/').parse().ok()
}

#[tokio::test]
async fn a_fleet_without_hardware_lives_until_ctrl_c() {
    let mut demo = Demo::start(&["--speed", "20"]).await;
    let viewer = Viewer::open(demo.address, "summary").await;
    let hosts = demo.all_hosts(24).await;
    let mut cards = BTreeMap::<&str, usize>::new();
    for host in &hosts {
        *cards.entry(host["gpus"][0]["name"].as_str().unwrap_or("none")).or_default() += 1;
    }
    let expected = [
        ("NVIDIA A100-SXM4-80GB", 8),
        ("NVIDIA GeForce RTX 4090", 8),
        ("NVIDIA H200", 4),
        ("none", 4),
    ];
    assert_eq!(cards, expected.into());

    let services = demo.rest().services().await;
    let n_of = |host: &Value, kind| {
        services.iter().filter(|one| one["host_id"] == host["id"] && one["kind"] == kind).count()
    };
    assert!(hosts.iter().filter(|host| n_of(host, "ollama") == 2).count() >= 3);
    assert!(hosts.iter().any(|host| n_of(host, "vllm") == 1));
    for view in ["summary", "full"] {
        let snapshot = demo.rest().get(&format!("/api/v1/snapshot?view={view}")).await;
        assert!(snapshot["notice"].as_str().unwrap().contains("demo"), "{}", snapshot["notice"]);
    }

    for kind in [
        "model.loaded",
        "model.unloaded",
        "gpu.lost",
        "gpu.recovered",
        "host.stale",
        "host.offline",
        "host.recovered",
        "alert.raised",
        "service.down",
    ] {
        let told = async || match viewer.n_changes(kind) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        };
        eventually(kind, WITHIN, told).await;
    }
    assert_eq!(viewer.folded().faults, Vec::<String>::new());
    assert_eq!(demo.left().len(), 1);

    demo.program.signal(Signal::INT);
    assert!(demo.program.exit(WITHIN).await.success(), "{}", demo.program.log_tail());
    demo.is_gone().await;
}

#[tokio::test]
async fn a_still_fleet_shows_each_trouble_and_keeps_it() {
    let mut demo = Demo::start(&["--still", "--hosts", "30"]).await;
    demo.all_hosts(30).await;
    let rest = demo.rest();
    let counted = async || {
        let snapshot = rest.get("/api/v1/snapshot?view=summary").await;
        let n = &snapshot["counts"]["hosts"];
        let drifts = snapshot["fleet_models"].as_array().unwrap().iter();
        let n_drifting = drifts.filter(|model| model["drift"] == true).count();
        let is_so = n["online"] == 28 && n["degraded"] == 1 && n["offline"] == 1 && n_drifting == 1;
        if is_so { Ok(()) } else { Err(format!("{n}, {n_drifting} drifting")) }
    };
    eventually("each trouble once", WITHIN, counted).await;

    demo.program.signal(Signal::TERM);
    assert!(demo.program.exit(WITHIN).await.success(), "{}", demo.program.log_tail());
    demo.is_gone().await;
}

#[tokio::test]
async fn without_its_collector_the_demo_ends_and_says_so() {
    let mut demo = Demo::start(&["--hosts", "3"]).await;
    demo.all_hosts(3).await;
    let collector = children(demo.program.pid()).unwrap();
    assert_eq!(collector.len(), 1, "{collector:?}");
    let pid = rustix::process::Pid::from_raw(collector[0].cast_signed()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(demo.program.exit(WITHIN).await.code(), Some(1));
    assert!(demo.program.log().contains("the collector ended"), "{}", demo.program.log());
    demo.is_gone().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(&built("herdbook-demo"), dir.path());
    command.args(["--listen", &address]).env("TMPDIR", dir.path());
    let mut demo = Program::start("demo", command, dir.path());
    assert_eq!(demo.exit(WITHIN).await.code(), Some(2));
    assert!(demo.log().contains("choose another port"), "{}", demo.log());
    let left =
        std::fs::read_dir(dir.path()).unwrap().filter(|it| it.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 0);
}
