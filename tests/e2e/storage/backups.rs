//! A backup is made while services register, the directory is lost, and the backup is put back.

use std::fs;
use std::path::Path;
use std::process::Output;

use herdbook_tests::harness::Rest;
use herdbook_tests::harness::program::{built, command};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::traced::Place;

async fn collector(arguments: &[&str], data: &Path, file: &Path) -> Output {
    let mut command = command(&built("herdbook-collector"), data);
    command.args(arguments).arg("--data-dir").arg(data).arg(file);
    command.output().await.expect("it runs")
}

/// Registers services until told to stop. Returns how many were answered for.
async fn register(rest: Rest, stop: CancellationToken) -> usize {
    let mut n = 0;
    while !stop.is_cancelled() {
        let form = json!({
            "name": format!("s{n}"), "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90,
        });
        let (status, problem) = rest.post("/api/v1/services", &form).await;
        assert!(status.is_success(), "{status} {problem}");
        n += 1;
    }
    n
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn what_was_answered_for_before_a_backup_is_in_it_and_comes_back() {
    let place = Place::with_herd();
    let backup = place.dir().join("herd.backup");
    let mut program = place.start_plain("herdbook-collector", &[]);
    let rest = program.listening().await.expect("it listens");
    let form = json!({"name": "first", "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90});
    assert!(rest.post("/api/v1/services", &form).await.0.is_success());

    let (stop, clients) = (CancellationToken::new(), TaskTracker::new());
    let registering = clients.spawn(register(rest.clone(), stop.clone()));
    let made = collector(&["backup"], &place.data(), &backup).await;
    stop.cancel();
    let n_registered = registering.await.expect("all were answered");
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains("credentials.key, without which"), "{}", said(&made));
    let again = collector(&["backup"], &place.data(), &backup).await;
    assert!(said(&again).contains("is there already"), "{}", said(&again));
    let busy = collector(&["restore"], &place.data(), &backup).await;
    assert_eq!(busy.status.code(), Some(1));
    assert!(said(&busy).contains("another collector"), "{}", said(&busy));
    let whole = collector(&["backup", "--force"], &place.data(), &backup).await;
    assert!(whole.status.success(), "{}", said(&whole));

    program.0.kill9().await;
    fs::remove_dir_all(place.data()).expect("the directory is lost");
    let restored = collector(&["restore"], &place.data(), &backup).await;
    assert!(restored.status.success(), "{}", said(&restored));
    let mut next = place.start_plain("herdbook-collector", &[]);
    let rest = next.listening().await.expect("it starts");
    let services = rest.services().await;
    let names: Vec<_> = services.iter().filter_map(|service| service["name"].as_str()).collect();
    for name in (0..n_registered).map(|n| format!("s{n}")).chain(["first".to_owned()]) {
        assert!(names.contains(&name.as_str()), "{name} is not in {names:?}");
    }
    assert_eq!(rest.hosts().await.len(), 2);
}
