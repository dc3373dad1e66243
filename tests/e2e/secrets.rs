//! Every secret of a whole journey is only where it has to be: looked for in the command lines and
//! environments of all that runs, in what both programs log, keep, answer and put in a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdbook_tests::harness::{Curl, Demanding, encoded, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const ADMINS: &str = "canary-password-of-the-admin";
const VIEWERS: &str = "canary-password-of-the-viewer";
const NEXT: &str = "canary-password-that-comes-next";
const MISTYPED: &str = "canary-password-that-is-mistyped";
const CHECKS: &str = "sk-canary-credential-of-a-check";

/// Secrets by what they are.
#[derive(Default)]
struct Secrets(Vec<(&'static str, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: impl Into<Vec<u8>>) {
        let secret = secret.into();
        assert!(secret.len() >= 16, "{what} is too short to be looked for");
        self.0.push((what, secret));
    }

    /// Those that stand in these bytes.
    fn within(&self, bytes: &[u8]) -> Vec<&'static str> {
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        self.0.iter().filter(|(_, secret)| holds(secret)).map(|(what, _)| *what).collect()
    }
}

/// The command line and the environment of each process, by its id.
type Seen = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Looks at every process of the story, whatever started it, until this is dropped.
fn watch(home: &Path) -> (Seen, JoinSet<()>) {
    let (seen, home) = (Seen::default(), home.display().to_string().into_bytes());
    let (into, mut watching) = (Arc::clone(&seen), JoinSet::new());
    watching.spawn(async move {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = processes(&home);
            into.lock().unwrap_or_else(PoisonError::into_inner).extend(now);
        }
    });
    (seen, watching)
}

fn processes(home: &[u8]) -> Vec<(String, Vec<u8>)> {
    let all = std::fs::read_dir("/proc").expect("the processes").flatten().filter_map(|process| {
        let path = process.path();
        let exe = std::fs::read_link(path.join("exe")).ok()?;
        let name = exe.file_name()?.to_str().filter(|name| name.starts_with("herdbook-"))?;
        let read = |name| std::fs::read(path.join(name)).unwrap_or_default();
        let told = [read("cmdline"), read("environ")].concat();
        let is_own = told.windows(home.len()).any(|window| window == home);
        is_own.then(|| (format!("{name} {}", path.display()), told))
    });
    all.collect()
}

/// Goes through all files under a directory.
fn each_file(dir: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            each_file(&path, look);
        } else if path.is_file() {
            look(&path, &std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// What somebody does at a desk: curl over TLS, with its own files apart from the programs'.
struct Desk {
    curl: Curl,
    dir: tempfile::TempDir,
}

impl Desk {
    fn at(collector: &Demanding) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self { curl: Curl::new(&collector.url(), dir.path()), dir }
    }

    async fn send(&self, method: &str, path: &str, more: &[&str], body: &Value) -> StatusCode {
        let (body, jar) = (body.to_string(), self.jar());
        let fixed = ["--insecure", "--request", method, "--cookie-jar", &jar, "--data", &body];
        let header = ["--header", "content-type: application/json", "--header", "x-herdbook: page"];
        self.curl.ask(path, &[&fixed[..], &header, more].concat()).await.0
    }

    async fn get(&self, path: &str, more: &[&str]) -> (StatusCode, Value) {
        self.curl.ask(path, &[&["--insecure"], more].concat()).await
    }

    fn jar(&self) -> String {
        self.dir.path().join("cookies").display().to_string()
    }

    /// The cookie that came last.
    fn cookie(&self) -> String {
        let jar = std::fs::read_to_string(self.jar()).expect("cookies");
        let last = jar.lines().rfind(|line| line.contains("herdbook")).expect("a cookie");
        last.split('\t').next_back().expect("its value").to_owned()
    }
}

/// Signs in every way there is, and in some ways that there are not.
async fn people_come(collector: &mut Demanding, secrets: &mut Secrets) {
    let desk = Desk::at(collector);
    let out = collector.collector().out();
    let code = out.split("enter ").nth(1).and_then(|rest| rest.split(' ').next());
    let code = code.unwrap_or_else(|| panic!("no code in {out}"));
    secrets.add("code of the first admin", code);
    let form = |name: &str, password: &str| json!({"name": name, "password": password});
    let first = json!({"code": code, "name": "grace", "password": ADMINS});
    let made = desk.send("POST", "/api/v1/first-admin", &[], &first).await;
    assert_eq!(made, StatusCode::CREATED);
    secrets.add("cookie of the admin", desk.cookie());
    let added = collector.ask_with(&["person", "add", "ada", "--role", "viewer"], VIEWERS).await;
    assert_eq!(added.code, Some(0), "{}", added.err);

    let wrong = desk.send("POST", "/api/v1/session", &[], &form("ada", MISTYPED)).await;
    assert_eq!(wrong, StatusCode::UNAUTHORIZED);
    // It happens: the password where the name belongs.
    let wrong = desk.send("POST", "/api/v1/session", &[], &form(MISTYPED, "ada-is-my-name")).await;
    assert!(wrong.is_client_error(), "{wrong}");
    let signed_in = desk.send("POST", "/api/v1/session", &[], &form("ada", VIEWERS)).await;
    assert_eq!(signed_in, StatusCode::OK);
    let jar = desk.jar();
    secrets.add("cookie of the viewer", desk.cookie());
    let change = json!({"current": VIEWERS, "new": NEXT});
    let changed = desk.send("POST", "/api/v1/password", &["--cookie", &jar], &change).await;
    assert_eq!(changed, StatusCode::NO_CONTENT);
    for (what, password) in [
        ("password of the admin", ADMINS),
        ("password of the viewer", VIEWERS),
        ("password that comes next", NEXT),
        ("password that is mistyped", MISTYPED),
    ] {
        secrets.add(what, password);
    }
}

/// A program comes with its token, and misuses it.
async fn a_program_comes(collector: &Demanding, secrets: &mut Secrets) {
    let desk = Desk::at(collector);
    let made = collector.told(&["token", "create", "--role", "admin", "--name", "story"]).await;
    let token = made.trim();
    secrets.add("token of the program", token);
    let bearer = ["--header", &format!("authorization: Bearer {token}")];
    assert_eq!(desk.get("/api/v1/hosts", &bearer).await.0, StatusCode::OK);
    // Some would rather have it in the URL, or as a name of something.
    let misused = [format!("/api/v1/hosts?token={token}"), format!("/api/v1/hosts/{token}")];
    for path in misused {
        assert_eq!(desk.get(&path, &[]).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let service = json!({
        "name": "keyed", "type": "model", "url": "http://192.0.2.1:1",
        "credential": {"header": "Authorization", "value": CHECKS},
    });
    let added = desk.send("POST", "/api/v1/services", &bearer, &service).await;
    assert_eq!(added, StatusCode::CREATED);
    secrets.add("credential of a check", CHECKS);
}

/// Hosts join, change their key and go.
async fn hosts_come(collector: &Demanding, secrets: &mut Secrets) {
    let line = collector.join_line().await;
    let token = |line: &str| {
        let word = line.split_whitespace().find(|word| word.starts_with("hbj_"));
        word.expect("a token").to_owned()
    };
    secrets.add("token of a line that was used", token(&line));
    let host = collector.host("gpu-1");
    let said = host.join(&line, &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut agent = host.start(&["--log-level", "debug"]);
    collector.online("gpu-1").await;
    let key = || std::fs::read_to_string(host.state_dir().join("key")).expect("a key");
    let seed = |text: &str| {
        let file: Value = serde_json::from_str(text).expect("JSON");
        file["seed"].as_str().expect("a seed").to_owned()
    };
    let first = seed(&key());
    secrets.add("key that was", first.clone());
    // A line that the agent at work is given, and one that nobody uses; one that is forged.
    let again = collector.join_line().await;
    secrets.add("token of a second line", token(&again));
    assert_eq!(host.join(&again, &[]).await.code, Some(0));
    secrets.add("token of a line that lies about", token(&collector.join_line().await));
    let forged = again.replace(&token(&again), crate::door::TOKEN);
    secrets.add("token that is forged", crate::door::TOKEN);
    let refused = collector.host("gpu-2").join(&forged, &[]).await;
    assert_eq!(refused.code, Some(1));
    secrets.add("key of a host that is not let in", {
        let path = collector.host("gpu-2").state_dir().join("key");
        seed(&std::fs::read_to_string(path).expect("a key"))
    });

    let fingerprint = collector.one_agent("approved").await["fingerprint"].clone();
    let path = encoded(fingerprint.as_str().expect("a fingerprint"));
    let rotate = format!("/api/v1/agents/{path}/rotate");
    assert!(collector.rest().post(&rotate, &json!({})).await.0.is_success());
    let changed = async || {
        let now = seed(&key());
        if now == first { Err("the same key".to_owned()) } else { Ok(now) }
    };
    secrets.add("key", eventually("another key", PATIENCE, changed).await);
    collector.told(&["host", "revoke", "gpu-1"]).await;
    agent.kill9().await;
}

#[tokio::test]
async fn no_secret_is_anywhere_but_where_it_has_to_be() {
    let mut collector = Demanding::start_with("log_level = \"debug\"").await;
    let (seen, mut watching) = watch(collector.dir());
    let mut secrets = Secrets::default();
    people_come(&mut collector, &mut secrets).await;
    a_program_comes(&collector, &mut secrets).await;
    hosts_come(&collector, &mut secrets).await;
    let key = std::fs::read(collector.data().join("credentials.key")).expect("a key");
    secrets.add("key of credentials", key);
    let own = std::fs::read_to_string(collector.data().join("tls.pem")).expect("a key");
    let private = own.split("PRIVATE KEY-----").nth(1).expect("a private key").trim();
    secrets.add("key of TLS", private.lines().next().expect("its first line"));
    let backup = collector.dir().join("herd.backup");
    collector.told(&["backup", &backup.display().to_string()]).await;

    for path in [
        "session",
        "people",
        "tokens",
        "join-tokens",
        "agents",
        "audit?limit=100",
        "hosts",
        "services",
        "snapshot?view=full",
        "events?wait=0",
    ] {
        let answer = collector.rest().get(&format!("/api/v1/{path}")).await.to_string();
        assert!(secrets.within(answer.as_bytes()).is_empty(), "{path}: {answer}");
    }
    for again in 0..2 {
        // As it lies while it runs, and as it ends.
        let mut found = BTreeSet::new();
        each_file(collector.dir(), &mut |path, bytes| {
            let path = path.strip_prefix(collector.dir()).expect("a path in it").display();
            found.extend(secrets.within(bytes).into_iter().map(|what| (what, path.to_string())));
        });
        let places = [
            ("code of the first admin", "collector.out"),
            ("key", "agent-gpu-1/key"),
            ("key of TLS", "data/tls.pem"),
            ("key of a host that is not let in", "agent-gpu-2/key"),
            ("key of credentials", "data/credentials.key"),
        ];
        assert_eq!(found, places.map(|(what, path)| (what, path.to_owned())).into());
        if again == 0 {
            collector.stop().await;
        }
    }
    assert!(watching.try_join_next().is_none(), "it was watched to the end");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    for program in ["herdbook-collector", "herdbook-agent"] {
        assert!(seen.keys().any(|id| id.starts_with(program)), "{:?}", seen.keys());
    }
    for (id, all) in &*seen {
        assert!(secrets.within(all).is_empty(), "{id}: {}", String::from_utf8_lossy(all));
    }
}
