//! A collector is killed at each of its calls that write, sync or cut what it keeps, one after the
//! other, while a host joins and is revoked. The use of the token, the key and the row of the audit
//! log are on the disk together or not at all; whoever was welcomed is known, and whoever was said
//! to be revoked stays out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use herdbook_agent::enrol::JoinLine;
use herdbook_agent::key::Key;
use herdbook_agent::link::dial::{Dial as _, TcpDial};
use herdbook_agent::link::greeting::{Credentials, greet};
use herdbook_collector::store::{OpenError, Store};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::hello::RefusalCode;
use herdbook_tests::harness::{Rest, encoded, eventually};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::traced::{Place, Traced};

/// Calls by which a database and the list of revoked keys get to the disk.
const CALLS: [&str; 4] = ["pwrite64", "write", "fsync,fdatasync", "ftruncate"];
/// More calls than a run makes.
const CALLS_MAX: usize = 200;
/// Programs at one time.
const TOGETHER: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

const DEMANDING: &str = "auth = \"required\"\n[tls]\nloopback = true\n";

/// What every run begins with: a collector's data with a join line, and a host's key.
struct Scene {
    place: Place,
    line: String,
    key: Key,
}

/// What was answered in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Answered {
    is_welcome: bool,
    is_revoked: bool,
}

/// What is on the disk.
#[derive(Debug, PartialEq)]
struct Kept {
    n_used: u64,
    /// The state of the key, where there is one.
    key: Option<String>,
    /// Whether it stands in the list of revoked keys.
    is_listed: bool,
    /// What the audit log says of it.
    acts: Vec<String>,
}

impl Scene {
    async fn set() -> Self {
        let place = Place::empty();
        let mut program = start(&place, &[]);
        program.reached().await.expect("it listens");
        let (status, made) =
            Rest::over_control(&place.data()).post("/api/v1/join-tokens", &json!({})).await;
        assert!(status.is_success(), "{made}");
        let line = made["line"].as_str().expect("a line").to_owned();
        assert!(stops(&place, &mut program).await);
        let key = Key::make(place.dir(), "key", Timestamp::now()).expect("a key");
        Self { place, line, key }
    }

    fn fingerprint(&self) -> String {
        self.key.fingerprint().to_string()
    }

    /// Comes to the collector with the key and the token. `None`: it was not answered.
    async fn comes(&self, collector: SocketAddr) -> Option<Result<(), RefusalCode>> {
        let line = JoinLine::parse(&self.line).expect("the line");
        let there =
            line.text().replace(&line.target().to_string(), &format!("https://{collector}"));
        let line = JoinLine::parse(&there).expect("the line with another address");
        let mut socket = TcpDial.dial(&line.target()).await.ok()?;
        let channel = TcpDial.channel(&socket)?;
        let credentials = Credentials { key: &self.key, channel, token: Some(line.token()) };
        let hello = SimulatedHost::from_seed(7).hello();
        match greet(&mut socket, &hello, Some(credentials)).await {
            Ok(_) => Some(Ok(())),
            Err(end) => end.refused().map(|refused| Err(refused.code)),
        }
    }

    /// The host joins and is revoked, as long as somebody answers.
    async fn run(&self, place: &Place, collector: SocketAddr) -> Answered {
        let mut answered = Answered::default();
        match self.comes(collector).await {
            Some(Ok(())) => answered.is_welcome = true,
            None => return answered,
            Some(Err(code)) => panic!("refused as {code:?}"),
        }
        let path = format!("/api/v1/agents/{}/revoke", encoded(&self.fingerprint()));
        let rest = Rest::over_control(&place.data());
        if let Some((status, told)) = rest.try_send(Method::POST, &path, Some(&json!({}))).await {
            assert!(status.is_success(), "{status} {told}");
            answered.is_revoked = true;
        }
        answered
    }

    fn kept(&self, data: &Path) -> Result<Kept, String> {
        let mut opened = Store::open(data);
        // The kernel is not done with a process at once.
        for _ in 0..200 {
            if !matches!(opened, Err(OpenError::InUse { .. })) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            opened = Store::open(data);
        }
        let (store, loaded) = opened.map_err(|error| format!("it does not open: {error}"))?;
        let read = |docs: &[String]| -> Vec<Value> {
            docs.iter().filter_map(|doc| serde_json::from_str(doc).ok()).collect()
        };
        let (tokens, keys) = (read(&loaded.join_tokens), read(&loaded.agent_keys));
        let own = |key: &&Value| key["fingerprint"] == self.fingerprint();
        let key = keys.iter().find(own).and_then(|key| key["state"].as_str()).map(str::to_owned);
        let verdict = store.reader().verify_audit().map_err(|error| error.to_string())?;
        if !verdict.intact {
            return Err(format!("the audit log is broken: {verdict:?}"));
        }
        let told = store.reader().audit(None, 100).map_err(|error| error.to_string())?;
        let acts = told.into_iter().rev().map(|entry| entry.action);
        let acts = acts.filter(|act| act.ends_with("Agent")).collect();
        let listed = std::fs::read_to_string(data.join("revoked")).unwrap_or_default();
        let is_listed = listed.lines().any(|line| line == self.fingerprint());
        let n_used = tokens.first().and_then(|token| token["used"].as_u64());
        let n_used = n_used.ok_or_else(|| "the token is gone".to_owned())?;
        Ok(Kept { n_used, key, is_listed, acts })
    }

    fn judge(&self, data: &Path, answered: Answered) -> Result<Kept, String> {
        let kept = self.kept(data)?;
        let acts: Vec<&str> = kept.acts.iter().map(String::as_str).collect();
        let state = kept.key.as_deref();
        let is_whole = match (kept.n_used, state, &acts[..]) {
            // The list comes first, so that nothing that is answered can be taken back.
            (0, None, []) => !kept.is_listed,
            (1, Some("approved"), ["joinAgent"]) => true,
            (1, Some("revoked"), ["joinAgent", "revokeAgent"]) => kept.is_listed,
            _ => false,
        };
        if !is_whole {
            return Err(format!("torn: {kept:?}"));
        }
        if answered.is_welcome && state.is_none() || answered.is_revoked && !kept.is_listed {
            return Err(format!("{answered:?}, and the disk has {kept:?}"));
        }
        Ok(kept)
    }
}

fn start(place: &Place, strace: &[String]) -> Traced {
    let settings = place.dir().join("collector.toml");
    std::fs::write(&settings, DEMANDING).expect("a file of settings");
    let arguments = ["--config", settings.to_str().expect("a path in UTF-8")];
    match strace {
        [] => place.start_plain("herdbook-collector", &arguments),
        _ => place.start("herdbook-collector", strace, &arguments),
    }
}

/// Ends the program in order. Whether it was spared.
async fn stops(place: &Place, program: &mut Traced) -> bool {
    use std::os::unix::process::ExitStatusExt as _;

    let pid = std::fs::read_to_string(place.data().join("collector.lock")).expect("a lock");
    let pid = Pid::from_raw(pid.parse().expect("a process id")).expect("a process id");
    // It may be gone already.
    let _ = kill_process(pid, Signal::TERM);
    program.0.exit(PATIENCE).await.signal() != Some(9)
}

/// Runs the scene with a kill at a call. Whether there was no such call, and what is wrong then.
async fn killed(scene: &Scene, call: &str, nth: usize) -> (bool, Result<Kept, String>) {
    let place = Place::with_copy(&scene.place.data());
    let (data, database) = (place.data().display().to_string(), place.database());
    let database = database.display();
    let strace = [
        "-o".to_owned(),
        "/dev/null".to_owned(),
        format!("-P{database}"),
        format!("-P{database}-wal"),
        format!("-P{data}"),
        format!("-P{data}/revoked"),
        format!("-etrace={call}"),
        format!("-einject={call}:signal=SIGKILL:when={nth}"),
    ];
    let mut program = start(&place, &strace);
    let answered = match program.reached().await {
        Some(collector) => scene.run(&place, collector).await,
        None => Answered::default(),
    };
    let is_through = answered.is_revoked && stops(&place, &mut program).await;
    program.0.kill9_all().await;
    let mut judged = scene.judge(&place.data(), answered);
    if answered.is_revoked && judged.is_ok() {
        judged = stays_out(scene, &place).await.and(judged);
    }
    (is_through, judged)
}

/// Whether the next collector refuses the key.
async fn stays_out(scene: &Scene, place: &Place) -> Result<(), String> {
    let mut program = start(place, &[]);
    let collector = program.reached().await.expect("the next start goes through");
    let answer = async || {
        let answer = scene.comes(collector).await;
        answer.ok_or_else(|| "nobody answers".to_owned())
    };
    let answer = eventually("an answer", PATIENCE, answer).await;
    program.0.kill9().await;
    match answer {
        Err(RefusalCode::Revoked) => Ok(()),
        other => Err(format!("it was said to be revoked, and is answered {other:?}")),
    }
}

#[tokio::test]
async fn a_collector_that_dies_while_a_host_joins_or_is_revoked_has_kept_all_of_it_or_nothing() {
    let scene = Scene::set().await;
    let (mut n_kills, mut wrong, mut seen) = (0, Vec::new(), BTreeSet::new());
    for call in CALLS {
        for first in (1..CALLS_MAX).step_by(TOGETHER) {
            let run = |nth| {
                let scene = &scene;
                async move { (nth, killed(scene, call, nth).await) }
            };
            let mut is_through = false;
            for (nth, (was_spared, judged)) in join_all((first..first + TOGETHER).map(run)).await {
                is_through |= was_spared;
                n_kills += usize::from(!was_spared);
                match judged {
                    Ok(kept) => drop(seen.insert((kept.acts.len(), kept.is_listed))),
                    Err(why) => wrong.push(format!("at {call} {nth}: {why}")),
                }
            }
            if is_through {
                break;
            }
            assert!(first + TOGETHER < CALLS_MAX, "more than {CALLS_MAX} calls of {call}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_kills >= 20, "it was written {n_kills} times only");
    // Nothing yet, joined, listed and not yet in the database, revoked.
    assert_eq!(seen, BTreeSet::from([(0, false), (1, false), (1, true), (2, true)]));
}

#[tokio::test]
async fn what_is_torn_or_lost_is_seen() {
    let scene = Scene::set().await;
    let mut program = start(&scene.place, &[]);
    let collector = program.reached().await.expect("it listens");
    let answered = scene.run(&scene.place, collector).await;
    assert_eq!(answered, Answered { is_welcome: true, is_revoked: true });
    assert!(stops(&scene.place, &mut program).await);
    scene.judge(&scene.place.data(), answered).expect("all of it is kept");
    for (harm, expected) in [
        ("DELETE FROM agent_keys", "torn"),
        (
            "UPDATE join_tokens SET sum = NULL, doc = replace(doc, '\"used\":1', '\"used\":0')",
            "torn",
        ),
        (
            "UPDATE agent_keys SET sum = NULL, doc = replace(doc, '\"revoked\"', '\"approved\"')",
            "torn",
        ),
        ("UPDATE audit SET doc = replace(doc, 'joinAgent', 'jointAgent')", "broken"),
        ("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", "broken"),
    ] {
        let place = Place::with_copy(&scene.place.data());
        let database = rusqlite::Connection::open(place.database()).expect("the database");
        assert!(database.execute(harm, []).expect(harm) > 0, "{harm}");
        drop(database);
        let seen = scene.judge(&place.data(), answered).expect_err(harm);
        assert!(seen.contains(expected), "{harm}: {seen}");
    }
    let place = Place::with_copy(&scene.place.data());
    std::fs::remove_file(place.data().join("revoked")).expect("the list");
    scene.judge(&place.data(), answered).expect_err("the list is lost");
}
