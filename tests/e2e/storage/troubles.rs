//! Troubles with the disk, one by one: what the collector says, what it goes on doing, and that it
//! recovers by itself. The disk's errors are injected, so that they come where they are wanted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use herdbook_tests::harness::program::built;
use herdbook_tests::harness::{Rest, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::traced::{Place, Traced};

const WITHIN: Duration = Duration::from_secs(20);

async fn register(rest: &Rest, name: &str) -> (StatusCode, Value) {
    let form = json!({"name": name, "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90});
    rest.post("/api/v1/services", &form).await
}

async fn store_is(rest: &Rest, state: &str) {
    let told = async || match rest.get("/readyz").await {
        ready if ready["store"] == state => Ok(()),
        ready => Err(ready.to_string()),
    };
    eventually("the store's state", WITHIN, told).await;
}

/// Injects errors into calls on the database and its log.
fn errors(place: &Place, call: &str, error: &str, when: &str) -> [String; 6] {
    let database = place.database().display().to_string();
    [
        "-o".to_owned(),
        "/dev/null".to_owned(),
        format!("-P{database}"),
        format!("-P{database}-wal"),
        format!("-etrace={call}"),
        format!("-einject={call}:error={error}:when={when}"),
    ]
}

/// What a command is told while the database cannot be written, and that it recovers by itself.
async fn fails_and_recovers(call: &str, error: &str, when: &str, (state, status): (&str, u16)) {
    let place = Place::with_herd();
    let mut program = place.start("herdbook-collector", &errors(&place, call, error, when), &[]);
    let rest = program.listening().await.expect("it listens");
    let mut kept: Vec<String> = Vec::new();
    let refused = loop {
        let name = format!("a{}", kept.len());
        let (answered, body) = register(&rest, &name).await;
        kept.push(name);
        assert!(kept.len() < 50, "no error came through");
        if !answered.is_success() {
            break (answered, body);
        }
    };
    assert_eq!(refused.0.as_u16(), status, "{refused:?}");
    let detail = refused.1["detail"].as_str().expect("words");
    assert!(detail.contains("this holds now, and is kept over a restart once"), "{detail}");
    store_is(&rest, state).await;
    let (answered, problem) = register(&rest, "later").await;
    if !answered.is_success() {
        assert_eq!(answered.as_u16(), status);
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains("nothing was changed"), "{detail}");
        assert_eq!(rest.services().await.len(), 4 + kept.len(), "it is live all the same");
    }
    store_is(&rest, "ok").await;
    let log = program.0.log();
    assert!(log.contains("changes are kept in memory only, for now"), "{log}");
    assert!(log.contains("changes are kept on the disk again"), "{log}");
    let (answered, _) = register(&rest, "last").await;
    assert_eq!(answered, StatusCode::CREATED);
    program.0.kill9_all().await;

    let mut again = place.start_plain("herdbook-collector", &[]);
    let services = again.listening().await.expect("it starts").services().await;
    let names: Vec<_> = services.iter().filter_map(|service| service["name"].as_str()).collect();
    for name in kept.iter().map(String::as_str).chain(["last"]) {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
}

#[tokio::test]
async fn a_full_disk() {
    // The first are of the start, which brings the database to the newest format.
    fails_and_recovers("pwrite64", "ENOSPC", "30..35", ("disk_full", 507)).await;
}

#[tokio::test]
async fn a_disk_that_fails_to_sync() {
    fails_and_recovers("fsync,fdatasync", "EIO", "4..9", ("failing", 503)).await;
}

/// What a collector says that does not start.
async fn refused(mut program: Traced, code: i32) -> String {
    let status = program.0.exit(WITHIN).await;
    assert_eq!(status.code(), Some(code), "{}", program.0.log());
    let log = program.0.log();
    assert!(!log.contains("panicked"), "{log}");
    log.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_directory_that_is_read_only() {
    let place = Place::empty();
    let lock = place.data().join("collector.lock").display().to_string();
    let inject = "-einject=openat:error=EROFS".to_owned();
    let strace = [
        "-o".to_owned(),
        "/dev/null".to_owned(),
        format!("-P{lock}"),
        "-etrace=openat".to_owned(),
        inject,
    ];
    let said = refused(place.start("herdbook-collector", &strace, &[]), 2).await;
    let data = place.data();
    let expected = format!(
        "herdbook-collector: failed to use the data directory {}: Read-only file system (os error 30)",
        data.display()
    );
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_second_collector_on_one_directory() {
    let place = Place::empty();
    let mut first = place.start_plain("herdbook-collector", &[]);
    let rest = first.listening().await.expect("it listens");
    let elsewhere = place.dir().join("second");
    fs::create_dir(&elsewhere).expect("a directory");
    let mut command =
        herdbook_tests::harness::program::command(&built("herdbook-collector"), place.dir());
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(place.data());
    let second = Traced(herdbook_tests::harness::Program::start("second", command, &elsewhere));
    let said = refused(second, 2).await;
    let expected = format!(
        "herdbook-collector: another collector (process {}) is using {}; stop it, or choose another --data-dir",
        first.0.pid(),
        place.data().display()
    );
    assert_eq!(said, expected);
    assert_eq!(register(&rest, "a").await.0, StatusCode::CREATED, "the first goes on");
}

#[tokio::test]
async fn a_database_of_a_newer_version() {
    let place = Place::with_herd();
    let mut bytes = fs::read(place.database()).expect("a database");
    bytes[63] = 99;
    fs::write(place.database(), &bytes).expect("a database");
    let said = refused(place.start_plain("herdbook-collector", &[]), 2).await;
    let path = place.database();
    let expected = format!(
        "{} was written by a newer herdbook-collector (format 99; this one knows up to 4); install that version again, or choose another --data-dir",
        path.display()
    );
    assert_eq!(said, format!("herdbook-collector: {expected}"));
    assert_eq!(fs::read(place.database()).expect("a database"), bytes, "it is as it was");
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("a database");
    bytes[4096..8192].fill(0xA5);
    fs::write(path, bytes).expect("a database");
}

#[tokio::test]
async fn a_damaged_database() {
    let place = Place::with_herd();
    let mut first = place.start_plain("herdbook-collector", &[]);
    let rest = first.listening().await.expect("it listens");
    register(&rest, "a").await;
    first.0.signal(rustix::process::Signal::TERM);
    assert!(first.0.exit(WITHIN).await.success());
    damage(&place.database());
    let mut second = place.start_plain("herdbook-collector", &[]);
    let rest = second.listening().await.expect("it goes on");
    assert_eq!((rest.hosts().await.len(), rest.services().await.len()), (2, 5));
    let log = second.0.log();
    assert!(log.contains("the database is corrupt: it was moved aside"), "{log}");
    assert!(log.contains("goes on from a snapshot"), "{log}");
}
