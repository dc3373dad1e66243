//! People are told of alerts: by a webhook, and by a real Alertmanager.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::receiver::free_address;
use herdbook_tests::harness::{
    Fleet, Manners, Program, Receiver, Rest, encoded, eventually, throughout, tools,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);

/// Beats are judged every second, and messages are not gathered for long.
const QUICK: &str = "[checks]\njudge_every_s = 1\n";

fn target(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!(
        "[notify.{name}]\nkind = '{kind}'\nurl = '{url}'\ngroup_wait_s = 0.2\ntimeout_s = 2\n\
         rules = ['service_down']\n{more}\n"
    )
}

/// A service that beats every five seconds, and does so once.
async fn register(rest: &Rest, name: &str) -> String {
    let form = json!({
        "name": name, "type": "tool", "url": format!("http://127.0.0.1:8888/{name}"),
        "heartbeat_interval_s": 5, "ttl_s": 5,
    });
    let (status, service) = rest.post("/api/v1/services", &form).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    service["id"].as_str().expect("an id").to_owned()
}

async fn beat(rest: &Rest, id: &str) {
    let path = format!("/api/v1/services/{}/heartbeat", encoded(id));
    let (status, answer) = rest.put(&path, &json!({"status": "ok"})).await;
    assert!(status.is_success(), "{status}: {answer}");
}

/// Whether it is Slack's text about this service.
fn tells(text: &'static str, name: &'static str) -> impl Fn(&Value) -> bool {
    move |body| {
        let told = body["text"].as_str().unwrap_or_default();
        told.contains(text) && told.contains(name)
    }
}

#[tokio::test]
async fn slack_is_told_of_an_alert_and_of_its_end() {
    let slack = Receiver::start(Manners::Takes).await;
    let hook = target("slack", "webhook", &slack.url("/services/T/B/x"), "format = 'slack'");
    let fleet = Fleet::start_with(&format!("{QUICK}{hook}")).await;
    let rest = fleet.rest();
    let id = register(&rest, "finder").await;
    let raised = slack.receives("the alert", WITHIN, tells("[warning]", "finder")).await;
    let attachment = &raised["attachments"][0];
    assert_eq!(attachment["color"], "#e8a000", "{raised}");
    assert!(attachment["title_link"].as_str().is_some_and(|l| l.starts_with("http")), "{raised}");
    beat(&rest, &id).await;
    let over = slack.receives("its end", WITHIN, tells("[resolved]", "finder")).await;
    assert_eq!(over["attachments"][0]["color"], "#2eb67d", "{over}");
    let paths: Vec<String> = slack.received().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/services/T/B/x", "/services/T/B/x"], "each is told once");
}

#[tokio::test]
async fn a_silenced_alert_is_not_told() {
    let slack = Receiver::start(Manners::Takes).await;
    let hook = target("slack", "webhook", &slack.url("/"), "format = 'slack'");
    let fleet = Fleet::start_with(&format!("{QUICK}{hook}")).await;
    let rest = fleet.rest();
    let until = herdbook_shared::time::Timestamp::now().unix_ms() + 3_600_000;
    let until = herdbook_shared::time::Timestamp::from_unix_ms(until);
    let silence = json!({"matcher": {"subject": {"name": "hushed"}}, "until": until});
    let (status, silence) = rest.post("/api/v1/silences", &silence).await;
    assert_eq!(status, StatusCode::CREATED, "{silence}");
    register(&rest, "hushed").await;
    register(&rest, "finder").await;
    slack.receives("the alert", WITHIN, tells("[warning]", "finder")).await;
    let all = format!("{:?}", slack.received());
    assert!(!all.contains("hushed"), "{all}");
}

#[tokio::test]
async fn a_target_that_was_away_hears_of_it_when_it_is_back_and_one_that_hangs_holds_up_nobody() {
    let stuck = Receiver::start(Manners::Hangs).await;
    let (good, later) = (Receiver::start(Manners::Takes).await, free_address().await);
    let slack = "format = 'slack'";
    let hooks = [
        target("a-stuck", "webhook", &stuck.url("/"), slack),
        target("b-later", "webhook", &format!("http://{later}/"), slack),
        target("c-good", "webhook", &good.url("/"), slack),
    ];
    let mut fleet = Fleet::start_with(&format!("{QUICK}{}", hooks.concat())).await;
    register(&fleet.rest(), "finder").await;
    good.receives("the alert", WITHIN, tells("[warning]", "finder")).await;
    let log = fleet.collector();
    let waits = async || {
        let log = log.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("cannot be sent")).collect();
        let names = ["a-stuck", "b-later"];
        let all = names.iter().all(|name| lines.iter().any(|line| line.contains(name)));
        if all { Ok(()) } else { Err(format!("{lines:?}")) }
    };
    eventually("the log says who is not reached", WITHIN, waits).await;
    let back = Receiver::start_at(later, Manners::Takes).await;
    back.receives("what it missed", WITHIN, tells("[warning]", "finder")).await;
}

/// Debian's Alertmanager reads a template at a fixed place, where it is not unless it is installed:
/// it gets a `/usr/share` of its own, and an empty one.
const WITH_TEMPLATE: &str = "set -e; mount -t tmpfs none /usr/share; \
    d=/usr/share/prometheus/alertmanager; mkdir -p $d; : >$d/default.tmpl; : >$d/email.tmpl; \
    exec \"$@\"";

/// A real Alertmanager with a folder of its own, which notifies nobody.
async fn alertmanager(dir: &Path) -> (Program, SocketAddr, Rest) {
    let config = dir.join("alertmanager.yml");
    let text = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n";
    std::fs::write(&config, text).expect("a configuration");
    let address = free_address().await;
    let mut command = command(Path::new("unshare"), dir);
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", WITH_TEMPLATE, "sh"]).arg(tools::alertmanager());
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.path={}", dir.join("alertmanager").display()));
    command.arg(format!("--web.listen-address={address}"));
    command.arg("--cluster.listen-address=");
    let mut program = Program::start("alertmanager", command, dir);
    let rest = Rest::new(&format!("http://{address}"));
    let ready = async || {
        assert!(program.is_running(), "{}", program.log_tail());
        match rest.try_get("/api/v2/status").await {
            Ok((StatusCode::OK, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    eventually("Alertmanager is ready", WITHIN, ready).await;
    (program, address, rest)
}

#[tokio::test]
async fn a_real_alertmanager_has_the_alert_until_it_is_over() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_program, address, alertmanager) = alertmanager(dir.path()).await;
    let hook = target("am", "alertmanager", &format!("http://{address}"), "");
    let mut fleet = Fleet::start_with(&format!("{QUICK}{hook}")).await;
    let rest = fleet.rest();
    let id = register(&rest, "finder").await;
    let has = async |n: usize| {
        let look = async || match alertmanager.get("/api/v2/alerts").await {
            Value::Array(alerts) if alerts.len() == n => Ok(alerts),
            other => Err(other.to_string()),
        };
        eventually(&format!("Alertmanager has {n} alerts"), WITHIN, look).await
    };
    let alert = has(1).await.remove(0);
    let labels = json!({
        "alertname": "service_down", "severity": "warning", "job": "herdbook", "service": id,
        "service_name": "finder", "instance": id,
    });
    assert_eq!(alert["labels"], labels, "{alert}");
    assert!(alert["annotations"]["summary"].is_string(), "{alert}");
    assert!(alert["generatorURL"].as_str().is_some_and(|url| url.starts_with("http")), "{alert}");
    assert_eq!(alert["status"]["state"], "active", "{alert}");

    // What is open stays told over a restart of the collector, which waits for beats anew.
    fleet.restart_collector().await;
    let still = async || match alertmanager.get("/api/v2/alerts").await {
        Value::Array(alerts) if alerts.len() == 1 => Ok(()),
        other => Err(other.to_string()),
    };
    throughout("Alertmanager still has it", Duration::from_secs(3), still).await;
    beat(&rest, &id).await;
    has(0).await;
}

async fn run(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = command(&built("herdbook-collector"), dir);
    command.args(arguments).arg("--config").arg(dir.join("collector.toml"));
    command.output().await.expect("what the program says")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn notify_test_says_what_each_target_answers_and_nothing_shows_a_secret() {
    let good = Receiver::start(Manners::Takes).await;
    let bad = Receiver::start(Manners::Refuses(403)).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (am_dir, secret) = (dir.path().join("am"), "s3cr3t-canary");
    std::fs::create_dir(&am_dir).expect("a folder");
    let (_program, address, alertmanager) = alertmanager(&am_dir).await;
    let path = format!("/services/{secret}");
    let settings = [
        target("bad", "webhook", &bad.url(&path), "headers = { x-key = 's3cr3t-canary' }"),
        target("good", "webhook", &good.url(&path), "template = '{\"text\": \"{{title}}\"}'"),
        target("am", "alertmanager", &format!("http://{address}"), ""),
    ];
    std::fs::write(dir.path().join("collector.toml"), settings.concat()).expect("settings");

    let tried = run(dir.path(), &["notify-test"]).await;
    let (out, log) = (text(&tried.stdout), text(&tried.stderr));
    assert_eq!(tried.status.code(), Some(1), "{out}{log}");
    let expected = "am: sent (200 OK)\nbad: failed: 403 Forbidden: no_team\ngood: sent (200 OK)\n";
    assert_eq!(out, expected);
    let title = "[info] herdbook-collector: this is a test, nothing is wrong";
    assert_eq!(good.received()[0].1, json!({"text": title}));
    let in_alertmanager = alertmanager.get("/api/v2/alerts").await;
    assert_eq!(in_alertmanager[0]["labels"]["alertname"], "notify_test", "{in_alertmanager}");

    let one = run(dir.path(), &["notify-test", "good"]).await;
    assert_eq!((one.status.code(), &*text(&one.stdout)), (Some(0), "good: sent (200 OK)\n"));
    let nobody = run(dir.path(), &["notify-test", "nobody"]).await;
    assert_eq!(nobody.status.code(), Some(2));
    let shown = run(dir.path(), &["check-config"]).await;
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("notify.bad = "), "{}", text(&shown.stdout));
    for said in [&tried, &one, &nobody, &shown] {
        let said = text(&said.stdout) + &text(&said.stderr);
        assert!(!said.contains(secret), "{said}");
    }
}
