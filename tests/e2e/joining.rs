//! How a new host joins, and nobody else does: by one line, by a person's approval, once for a line
//! that is for one host, and as a host of its own where it is the copy of another. On one machine
//! alone there is nothing to join.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Demanding, Program, Rest, eventually};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::networks::{Far, NEAR, is_inside};

/// From the join line to the host in the list.
const JOINED_WITHIN: Duration = Duration::from_secs(10);
const HOSTS_TRIED: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_new_host_is_listed_ten_seconds_after_its_join_line() {
    if !is_inside("joining::a_new_host_is_listed_ten_seconds_after_its_join_line") {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let far = Far::connect(home.path()).await;
    let collector = Demanding::start_at("0.0.0.0:7400", "").await;
    // A machine that is busy with other stories may be slow once, and not with every host.
    let (mut lines, mut agents, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=HOSTS_TRIED {
        let line = collector.join_line().await;
        assert!(line.starts_with(&format!("echo 'https://{NEAR}:7400 hbj_")), "{line}");
        let name = format!("gpu-{n}");
        let host = collector.host(&name).through(&far.before());
        let started = Instant::now();
        let said = host.join(&line, &[]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        agents.push(host.start(&[]));
        let listed = collector.online(&name).await;
        took.push(started.elapsed());
        let keys = collector.agents("approved").await;
        let own = keys.iter().find(|key| key["host_id"] == listed["id"]).expect("its key");
        assert_eq!((&own["how"], &own["from_address"]), (&"token".into(), &"10.20.0.9".into()));
        lines.push(line);
        if took[n - 1] <= JOINED_WITHIN {
            break;
        }
    }
    assert!(took.iter().any(|took| *took <= JOINED_WITHIN), "it took {took:.1?}");

    // A line is for one host.
    let other = collector.host("gpu-9").through(&far.before());
    let refused = other.join(&lines[0], &[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("token_refused"), "{}", refused.err);
    assert_eq!(collector.rest().hosts().await.len(), agents.len());
}

/// Whether these words stand anywhere in what the collector keeps and says.
fn is_known(collector: &mut Demanding, words: &str) -> bool {
    let mut all = collector.collector().log().into_bytes();
    all.extend(collector.collector().out().into_bytes());
    add_files(&collector.data(), &mut all);
    all.windows(words.len()).any(|window| window == words.as_bytes())
}

fn add_files(dir: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).expect("the data directory") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            add_files(&path, all);
        } else if path.is_file() {
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
}

#[tokio::test]
async fn a_host_that_waits_has_told_its_name_and_its_key_alone() {
    if !is_inside("joining::a_host_that_waits_has_told_its_name_and_its_key_alone") {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let far = Far::connect(home.path()).await;
    let settings = "enrol = \"approve\"\nlog_level = \"debug\"\n";
    let mut collector = Demanding::start_at("0.0.0.0:7401", settings).await;
    let host = collector.host("gpu-1").through(&far.before());
    // It finds the collector by mDNS.
    let agent = host.start(&["--label", "rack=CanaryLabel", "--role", "canaryrole"]);

    let waiting = collector.one_agent("pending").await;
    let fingerprint = waiting["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert_eq!((&waiting["name"], &waiting["host_id"]), (&"gpu-1".into(), &Value::Null));
    assert_eq!((&waiting["how"], &waiting["connected"]), (&Value::Null, &false.into()));
    assert!(agent.log().contains(&fingerprint), "{}", agent.log());
    let listed = collector.told(&["host", "pending"]).await;
    assert!(listed.contains(&fingerprint) && listed.contains("gpu-1"), "{listed}");
    let host_id = std::fs::read_to_string(host.state_dir().join("host_id")).expect("an id");
    let told = [host_id.trim(), "CanaryLabel", "canaryrole"];
    assert!(is_known(&mut collector, &fingerprint), "its key is known");
    for words in told {
        assert!(!is_known(&mut collector, words), "{words} was told before it was let in");
    }
    assert_eq!(collector.rest().hosts().await, [Value::Null; 0]);

    collector.told(&["host", "approve", &fingerprint]).await;
    let listed = collector.online_within("gpu-1", PATIENCE).await;
    assert_eq!(listed["id"], host_id.trim());
    let agent = collector.one_agent("approved").await;
    assert_eq!((&agent["fingerprint"], &agent["how"]), (&fingerprint.into(), &"approval".into()));
    // What was looked for above is found where it is.
    let kept = async || {
        let missing = told.iter().find(|words| !is_known(&mut collector, words));
        missing.map_or(Ok(()), |words| Err(format!("no {words}")))
    };
    eventually("all of it is kept", PATIENCE, kept).await;
}

#[tokio::test]
async fn a_copied_host_is_a_clone_until_it_joins_anew() {
    let collector = Demanding::start().await;
    let (original, mut first_agent) = collector.joined("gpu-1").await;
    let id = collector.online("gpu-1").await["id"].as_str().expect("an id").to_owned();

    let copy = original.cloned_as("gpu-2");
    let mut its_agent = copy.start(&[]);
    let cloned = |host: &Value| {
        let findings = host["findings"].as_array().into_iter().flatten();
        findings.clone().any(|finding| finding["code"] == "duplicate_identity")
    };
    collector.rest().host_is(&format!("{id}~2"), "a clone", PATIENCE, cloned).await;
    let running = copy.join(&collector.join_line().await, &["--new-identity"]).await;
    assert_eq!(running.code, Some(2));
    assert!(running.err.contains("stop it before"), "{}", running.err);

    its_agent.signal(Signal::TERM);
    its_agent.exit(PATIENCE).await;
    let said = copy.join(&collector.join_line().await, &["--new-identity"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let _agent = copy.start(&[]);
    let own = collector.online("gpu-2").await;
    assert!(!own["id"].as_str().expect("an id").starts_with(&id), "{own}");
    let keys = collector.agents("approved").await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().any(|key| key["host_id"] == own["id"]), "{keys:?}");
    // Whichever of the two was taken for the clone: from here on the first is itself again.
    first_agent.signal(Signal::TERM);
    first_agent.exit(PATIENCE).await;
    let _first_agent = original.start(&[]);
    let is_itself = |host: &Value| host["name"] == "gpu-1" && host["status"] == "online";
    collector.rest().host_is(&id, "itself", PATIENCE, is_itself).await;
}

#[tokio::test]
async fn a_line_for_one_host_that_a_hundred_use_at_once_lets_one_in() {
    let collector = Demanding::start().await;
    let line = collector.join_line().await;
    let join = |n: usize| {
        let host = collector.host(&format!("gpu-{n}"));
        let line = &line;
        async move { host.join(line, &[]).await }
    };
    let said = join_all((0..100).map(join)).await;
    let n_joined = said.iter().filter(|said| said.code == Some(0)).count();
    assert_eq!(n_joined, 1, "{said:?}");
    assert!(said.iter().all(|said| matches!(said.code, Some(0 | 1))), "{said:?}");
    assert_eq!(collector.agents("approved").await.len(), 1);
    assert_eq!(collector.rest().hosts().await.len(), 1);
    let tokens = collector.rest().get("/api/v1/join-tokens").await;
    let token = &tokens["join_tokens"][0];
    assert_eq!((&token["uses_left"], &token["state"]), (&0.into(), &"used_up".into()));
}

#[tokio::test]
async fn on_one_machine_nobody_joins_and_nobody_needs_credentials() {
    let home = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/run-local.sh");
    let mut run = command(&script, home.path());
    // As `make run` does, on a port that is free.
    run.arg(built("herdbook-agent").parent().expect("a folder of programs"));
    run.env("HERDBOOK_LISTEN", "127.0.0.1:0").env("XDG_STATE_HOME", home.path());
    let mut run = Program::start("run-local", run, home.path());
    let page = async || {
        let out = run.out();
        let url = out.lines().find_map(|line| line.trim().strip_prefix("The page: "));
        url.map(str::to_owned).ok_or(out)
    };
    let page = eventually("the page's address", PATIENCE, page).await;
    assert!(page.starts_with("http://127.0.0.1:"), "{page}");

    let rest = Rest::new(&page);
    let online = async || match &rest.hosts().await[..] {
        [one] if one["status"] == "online" => Ok(one["id"].clone()),
        hosts => Err(format!("{hosts:?}")),
    };
    let id = eventually("this host is online", PATIENCE, online).await;
    let path = format!("/api/v1/hosts/{}", id.as_str().expect("an id"));
    let (status, told) = rest.patch(&path, &json!({"notes": "mine"})).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let session = rest.get("/api/v1/session").await;
    assert_eq!(session["credentials_demanded"], false);
    assert!(!run.out().contains("first admin"), "{}", run.out());
    for file in ["agent/key", "agent/collector", "collector/tls.pem"] {
        assert!(!home.path().join("herdbook").join(file).exists(), "{file}");
    }
    run.signal(Signal::TERM);
    run.exit(PATIENCE).await;
}
