//! How the programs refuse to start: exit code 2, and a line that says what to do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use herdbook_tests::harness::Program;
use herdbook_tests::harness::program::{built, command};
use tempfile::TempDir;

/// Runs a program that must end by itself with exit code 2, and returns what it said.
async fn refused(program: &str, arguments: &[&str], dir: &Path) -> String {
    let mut command = command(&built(program), dir);
    command.args(arguments);
    let mut program = Program::start(program, command, dir);
    let status = program.exit(Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(2), "{arguments:?}: {}", program.log());
    program.log()
}

#[track_caller]
fn says(log: &str, words: &[&str]) {
    for word in words {
        assert!(log.contains(word), "expected {word:?} in: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[tokio::test]
async fn an_agent_with_a_mistyped_url() {
    let dir = dir();
    let state = dir.path().to_str().expect("a path in UTF-8");
    let arguments = ["--collector", "htp://gpu-1:6121", "--state-dir", state];
    let log = refused("herdbook-agent", &arguments, dir.path()).await;
    says(&log, &["--collector", "htp://gpu-1:6121", "http://"]);
}

#[tokio::test]
async fn an_agent_whose_state_directory_cannot_be_read() {
    let dir = dir();
    // Not even root can make a directory of a file.
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).expect("a mode");
    let state = file.to_str().expect("a path in UTF-8");
    let arguments = ["--collector", "http://127.0.0.1:1", "--state-dir", state];
    let log = refused("herdbook-agent", &arguments, dir.path()).await;
    says(&log, &[state]);
}

#[tokio::test]
async fn an_agent_with_an_unknown_key_in_its_file() {
    let dir = dir();
    let file = dir.path().join("agent.toml");
    std::fs::write(&file, "role = \"worker\"\ncolector = \"http://127.0.0.1:1\"\n")
        .expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let log = refused("herdbook-agent", &["--config", file], dir.path()).await;
    says(&log, &[file, "colector", "2"]);
}

#[tokio::test]
async fn a_collector_with_a_certificate_and_no_key() {
    let dir = dir();
    let file = dir.path().join("collector.toml");
    std::fs::write(&file, "[tls]\ncertificate = \"server.pem\"\n").expect("a file");
    let paths = [file.as_path(), dir.path()].map(|path| path.to_str().expect("a path in UTF-8"));
    let arguments = ["--listen", "0.0.0.0:0", "--config", paths[0], "--data-dir", paths[1]];
    let log = refused("herdbook-collector", &arguments, dir.path()).await;
    says(&log, &["tls: ", "certificate and key"]);
}

#[tokio::test]
async fn a_collector_on_a_taken_port() {
    let dir = dir();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let data = dir.path().to_str().expect("a path in UTF-8");
    let arguments = ["--listen", &address, "--data-dir", data];
    let log = refused("herdbook-collector", &arguments, dir.path()).await;
    says(&log, &[&address]);
}

#[tokio::test]
async fn a_collector_whose_data_directory_is_a_file() {
    let dir = dir();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").expect("a file");
    let data = file.to_str().expect("a path in UTF-8");
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", data];
    let log = refused("herdbook-collector", &arguments, dir.path()).await;
    says(&log, &[data]);
}

#[tokio::test]
async fn a_collector_with_an_unknown_key_in_its_file() {
    let dir = dir();
    let file = dir.path().join("collector.toml");
    std::fs::write(&file, "\nlisen = [\"127.0.0.1:0\"]\n").expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let log = refused("herdbook-collector", &["--config", file], dir.path()).await;
    says(&log, &[file, "lisen", "2"]);
}
