//! What a person is alerted of, with the real programs and shortened times.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fake_nvml::{Installed, Script};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Fleet, Program, Rest, eventually, law, throughout};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};
use reqwest::StatusCode;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(40);

/// Minutes become seconds.
const SHORT: &str = "
[liveness]
stale_after_s = 2
offline_after_s = 4
stale_intervals = 2
offline_intervals = 4
closed_stale_after_s = 1
grace_s = 6
[alerts.host_offline]
for_s = 3
";

/// All alerts, newest first.
async fn alerts(rest: &Rest, query: &str) -> Vec<Value> {
    let mut answer = rest.get(&format!("/api/v1/alerts?{query}")).await;
    match answer["alerts"].take() {
        Value::Array(alerts) => alerts,
        other => panic!("expected a list of alerts, got {other}"),
    }
}

fn rules(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().filter_map(|alert| alert["rule"].as_str()).collect()
}

/// Waits until exactly alerts of these rules are open, newest first.
async fn open_are(rest: &Rest, expected: &[&str]) -> Vec<Value> {
    let look = async || {
        let open = alerts(rest, "open=true").await;
        if rules(&open) == expected { Ok(open) } else { Err(format!("{open:?}")) }
    };
    eventually(&format!("open: {expected:?}"), PATIENCE, look).await
}

#[tokio::test]
async fn a_host_that_stays_away_is_one_alert_over_a_silence_a_crash_and_until_it_is_back() {
    let mut fleet = Fleet::start_with(SHORT).await;
    let mut agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    let (viewer, rest) = (fleet.viewer().await, fleet.rest());
    agent.kill9().await;
    let raised = open_are(&rest, &["host_offline"]).await.remove(0);
    assert_eq!(raised["subject"], json!({"kind": "host", "id": id, "name": "gpu-1"}));
    assert_eq!((&raised["severity"], &raised["silenced_by"]), (&json!("critical"), &Value::Null));
    let folded = law::holds(&viewer, &rest).await;
    assert_eq!(folded.alerts.len(), 1);

    let until = "2099-01-01T00:00:00Z";
    let too_long = json!({"matcher": {"label": "zone"}, "until": until});
    let (status, problem) = rest.post("/api/v1/silences", &too_long).await;
    assert_eq!((status, &problem["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("until")));
    let tomorrow = herdbook_shared::time::Timestamp::now().unix_ms() + 86_400_000;
    let until = herdbook_shared::time::Timestamp::from_unix_ms(tomorrow);
    let silence = json!({"matcher": {"subject": {"name": "gpu-1"}}, "until": until});
    let (status, silence) = rest.post("/api/v1/silences", &silence).await;
    assert_eq!(status, StatusCode::CREATED, "{silence}");
    assert_eq!(alerts(&rest, "").await[0]["silenced_by"], silence["id"]);

    // What is raised is written behind: a crash may cost the last moment, not more.
    let settled = async || Ok(());
    throughout("the alert settles", Duration::from_secs(2), settled).await;
    fleet.restart_collector().await;
    let same = async || match &alerts(&rest, "").await[..] {
        [one] if one["id"] == raised["id"] && one["resolved_at"].is_null() => {
            if one["silenced_by"] == silence["id"] { Ok(()) } else { Err(format!("{one}")) }
        }
        other => Err(format!("{other:?}")),
    };
    throughout("the same alert, and no second", Duration::from_secs(15), same).await;

    let _agent = fleet.agent("gpu-1").start();
    open_are(&rest, &[]).await;
    let all = alerts(&rest, "").await;
    assert_eq!((all.len(), &all[0]["id"]), (1, &raised["id"]));
    assert!(all[0]["resolved_at"].is_string());
    let path = format!("/api/v1/silences/{}", silence["id"].as_str().expect("an id"));
    assert_eq!(rest.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(rest.get("/api/v1/silences").await["silences"], json!([]));
}

#[tokio::test]
async fn a_gpu_that_falls_off_the_bus_is_told_by_its_id_until_it_is_back() {
    let fleet = Fleet::start_with(SHORT).await;
    let healthy = Script::with_gpus(2);
    let nvml = Installed::new(fleet.dir(), &healthy).expect("the fake library");
    let _agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    let (viewer, rest) = (fleet.viewer().await, fleet.rest());
    let has_gpus = |host: &Value| host["gpus"][1]["utilization_percent"].is_number();
    let host = rest.host_is(&id, "two GPUs", PATIENCE, has_gpus).await;

    let mut story = healthy.clone();
    story.gpus[1] = story.gpus[1].clone().lost();
    nvml.tell(&story).expect("the script");
    let alert = open_are(&rest, &["gpu_lost"]).await.remove(0);
    let message = alert["message"].as_str().expect("a message");
    let gpu = host["gpus"][1]["id"].as_str().expect("an id");
    assert!(message.contains(gpu) && message.starts_with("gpu-1: GPU 1"), "{message}");

    nvml.tell(&healthy).expect("the script");
    open_are(&rest, &[]).await;
    assert_eq!(alerts(&rest, "rule=gpu_lost").await.len(), 1);
    law::holds(&viewer, &rest).await;
}

#[tokio::test]
async fn many_hosts_that_go_at_once_are_one_alert() {
    let mut fleet = Fleet::start_with(SHORT).await;
    let rest = fleet.rest();
    let host = |seed| SimulatedHost::from_seed(seed).having(1, 1);
    let mut agents = Vec::new();
    for seed in 1..=10 {
        agents.push(fleet.simulate(host(seed)).await);
    }
    let everybody = async || {
        let hosts = rest.hosts().await;
        let n_online = hosts.iter().filter(|host| host["status"] == "online").count();
        if n_online == 10 { Ok(()) } else { Err(format!("{n_online} online")) }
    };
    eventually("ten hosts online", PATIENCE, everybody).await;
    agents.iter().take(6).for_each(tokio::task::AbortHandle::abort);
    let mass = open_are(&rest, &["mass_event"]).await.remove(0);
    assert_eq!(mass["subject"], json!({"kind": "fleet", "id": "fleet", "name": "fleet"}));
    let alone = async || match &alerts(&rest, "").await[..] {
        [one] if one["id"] == mass["id"] => Ok(()),
        other => Err(format!("{other:?}")),
    };
    throughout("no host of it speaks for itself", Duration::from_secs(12), alone).await;
    for seed in 1..=6 {
        fleet.simulate(host(seed).restarted()).await;
    }
    open_are(&rest, &[]).await;
    assert_eq!(rules(&alerts(&rest, "").await), ["mass_event"]);
}

/// A collector whose data directory is a small disk of its own, in a mount namespace.
struct OnSmallDisk {
    collector: Program,
    dir: tempfile::TempDir,
}

impl OnSmallDisk {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let mut unshare = command(Path::new("unshare"), dir.path());
        unshare.arg("--mount");
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let script = "mount -t tmpfs -o size=16m tmpfs \"$0\" && exec \"$@\" --data-dir \"$0\"";
        unshare.args(["sh", "-c", script]).arg(&data).arg(built("herdbook-collector"));
        unshare.args(["--listen", "127.0.0.1:0"]);
        Self { collector: Program::start("collector", unshare, dir.path()), dir }
    }

    async fn address(&mut self) -> std::net::SocketAddr {
        let said = async || {
            assert!(self.collector.is_running(), "{}", self.collector.log_tail());
            let out = self.collector.out();
            let address = out.trim().strip_prefix("listening on http://");
            address.and_then(|address| address.parse().ok()).ok_or(out.clone())
        };
        eventually("the collector's ready line", PATIENCE, said).await
    }

    /// What fills the disk, as it is seen from here.
    fn filler(&self) -> PathBuf {
        let data = self.dir.path().join("data/filler");
        let inside = data.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.collector.pid().to_string()).join("root").join(inside)
    }
}

#[tokio::test]
async fn a_full_disk_of_the_collector_is_told_and_is_over_once_there_is_room() {
    let mut small = OnSmallDisk::start();
    let address = small.address().await;
    let rest = Rest::new(&format!("http://{address}"));
    let filler = std::fs::File::create(small.filler()).expect("a file on the small disk");
    let chunk = [0_u8; 4096];
    let full = std::iter::repeat_with(|| std::io::Write::write_all(&mut &filler, &chunk));
    let full = full.take(16 * 256 + 1).find_map(Result::err).expect("a full disk");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let mut agents = Vec::new();
    for seed in 1..=20 {
        let host = SimulatedHost::from_seed(seed).having(8, 8);
        let mut agent = SimulatedAgent::join(address, host).await.expect("a host is taken in");
        agent.send_inventory().await.expect("an open session");
        agents.push(agent);
    }
    let told = open_are(&rest, &["collector_disk_full"]).await.remove(0);
    assert_eq!(told["subject"]["kind"], "collector");
    assert_eq!(rest.hosts().await.len(), 20, "the live view goes on");

    filler.set_len(0).expect("room again");
    open_are(&rest, &[]).await;
    let all = alerts(&rest, "rule=collector_disk_full").await;
    assert_eq!((all.len(), &all[0]["id"]), (1, &told["id"]));
}
