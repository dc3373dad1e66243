//! Between agent and collector lies a network that means harm. The agent joins once and recovers each
//! time; what was recorded of it is of no use to anybody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Program, eventually, throughout};
use herdbook_tests::hostile::House;
use herdbook_tests::hostile::network::{Fault, HostileNetwork};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::soak::say;

/// The longest backoff, a handshake's deadline, and some.
const BACK: Duration = Duration::from_secs(60);
/// How long the network is hostile.
const HOSTILE: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(30);

/// Before, in and after the handshake of some 3 kB, and in the session.
const FAULTS: [Fault; 16] = [
    Fault::CutAfter(1),
    Fault::CutAfter(100),
    Fault::CutAfter(700),
    Fault::CutAfter(1_500),
    Fault::CutAfter(4_000),
    Fault::CutAfter(20_000),
    Fault::Delay(Duration::from_millis(700)),
    Fault::Double(0),
    Fault::Double(1_500),
    Fault::Swap(1_500),
    Fault::Garbage(700),
    Fault::Garbage(3_000),
    Fault::Flip(2_000),
    Fault::HalfClose(600),
    Fault::HalfClose(3_000),
    Fault::Swallow(1_500),
];

/// A real agent, and the network between it and its collector.
struct Beyond {
    name: String,
    fault: Fault,
    network: HostileNetwork,
    line: PathBuf,
    state_dir: PathBuf,
}

impl Beyond {
    async fn new(n: usize, fault: Fault, house: &House) -> Self {
        let network = HostileNetwork::to(house.tls()).await;
        let (name, dir) = (format!("beyond-{n}"), house.dir());
        let line =
            house.line(1).await.replace(&house.tls().to_string(), &network.address().to_string());
        let (path, state_dir) = (dir.join(format!("line-{n}")), dir.join(format!("state-{n}")));
        std::fs::write(&path, line).expect("a join line");
        Self { name, fault, network, line: path, state_dir }
    }

    fn program(&self, what: &str, arguments: &[&str], dir: &Path) -> Program {
        let mut agent = command(&built("herdbook-agent"), dir);
        agent.args(arguments).arg("--state-dir").arg(&self.state_dir);
        agent.env("HERDBOOK_NAME", &self.name);
        Program::start(&format!("{what}-{}", self.name), agent, dir)
    }

    /// Joins, and tries again over a network that is well when it did not; with the same token.
    async fn join(&self, dir: &Path) {
        let line = self.line.to_string_lossy().into_owned();
        for fault in [self.fault, Fault::None] {
            self.network.become_so(fault);
            let mut join = self.program("join", &["join", "--file", &line], dir);
            if join.exit(SOON).await.success() {
                return;
            }
            assert_ne!(fault, Fault::None, "{:?}: {}", self.fault, join.log());
        }
    }
}

async fn online(house: &House) -> Vec<String> {
    let hosts = house.hosts().await.into_iter();
    let online = hosts.filter(|host| host["status"] == "online");
    online.filter_map(|host| host["name"].as_str().map(str::to_owned)).collect()
}

async fn all_online(house: &House, all: &[Beyond]) {
    eventually("all are online", BACK, async || {
        let online = online(house).await;
        let missing: Vec<_> = all.iter().filter(|one| !online.contains(&one.name)).collect();
        let missing: Vec<_> = missing.iter().map(|one| one.fault).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
}

/// Each agent stands there once, and its token was used once.
async fn enrolled_once(house: &House, n_expected: usize) {
    let agents = house.get("/api/v1/agents?limit=1000").await;
    let agents = agents["agents"].as_array().cloned().unwrap_or_default();
    assert_eq!(agents.len(), n_expected, "{agents:?}");
    assert!(agents.iter().all(|agent| agent["state"] == "approved"), "{agents:?}");
    let tokens = house.get("/api/v1/join-tokens?limit=1000").await;
    let tokens = tokens["join_tokens"].as_array().cloned().unwrap_or_default();
    assert!(tokens.iter().all(|token: &Value| token["uses_left"] == 0), "{tokens:?}");
    assert_eq!(house.hosts().await.len(), n_expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_recover_from_whatever_the_network_does_and_join_once() {
    let mut house = House::start().await;
    let mut all = Vec::new();
    for (n, fault) in FAULTS.into_iter().enumerate() {
        all.push(Beyond::new(n, fault, &house).await);
    }
    for one in &all {
        one.join(house.dir()).await;
        one.network.become_so(Fault::None);
    }
    enrolled_once(&house, all.len()).await;
    let dir = house.dir().to_owned();
    let agents: Vec<Program> = all.iter().map(|one| one.program("agent", &[], &dir)).collect();
    all_online(&house, &all).await;
    let before: Vec<u64> = all.iter().map(|one| one.network.n_connections()).collect();
    all.iter().for_each(|one| one.network.become_so(one.fault));
    throughout("the network is hostile", HOSTILE, async || Ok(())).await;
    let tries: Vec<u64> =
        all.iter().zip(&before).map(|(one, before)| one.network.n_connections() - before).collect();
    assert!(tries.iter().all(|n| (1..40).contains(n)), "{tries:?}");
    all.iter().for_each(|one| one.network.become_so(Fault::None));
    all_online(&house, &all).await;
    enrolled_once(&house, all.len()).await;
    house.is_sound();
    for agent in &agents {
        assert!(!agent.log().contains("panicked"), "{}", agent.log_tail());
    }
    say(&format!("hostile network: {} faults, dials during {HOSTILE:?}: {tries:?}", all.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_session_gets_nobody_in() {
    let mut house = House::start().await;
    let one = Beyond::new(0, Fault::None, &house).await;
    one.join(house.dir()).await;
    let _agent = one.program("agent", &[], house.dir());
    all_online(&house, std::slice::from_ref(&one)).await;
    let recorded = one.network.recorded();
    assert!(recorded.len() > 2_000, "only {} bytes were recorded", recorded.len());
    let id = house.hosts().await[0]["id"].as_str().expect("an id").to_owned();
    let n_sessions = async || {
        let sessions = house.get(&format!("/api/v1/hosts/{id}/sessions?limit=100")).await;
        sessions["sessions"].as_array().map_or(0, Vec::len)
    };
    let before = n_sessions().await;
    for piece in [recorded.len(), 1_000, 1] {
        let mut stream = TcpStream::connect(house.tls()).await.expect("the collector");
        for bytes in recorded.chunks(piece) {
            // It hangs up as soon as it has seen enough.
            if stream.write_all(bytes).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the collector keeps a replayed connection");
        // What a handshake begins with, and an alert; nothing that belongs to a session.
        assert!(answer.len() < 4_096, "{} bytes were answered", answer.len());
        assert_eq!(n_sessions().await, before, "a replay opened a session");
    }
    enrolled_once(&house, 1).await;
    house.is_sound();
    say(&format!("hostile network: {} recorded bytes replayed in vain", recorded.len()));
}
