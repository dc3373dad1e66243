//! Servers are found by who listens, without any configuration: on odd ports, several of them, as
//! they start, stop and move. Who is no model server is never spoken to.
//!
//! Agents see every process of their machine. So each story runs in a network namespace of its
//! own, by starting the tests' own program once more in there; elsewhere it would see the servers
//! of other stories, and they its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Fleet, Program, Rest, eventually, throughout};
use serde_json::{Value, json};
use tokio::process::Command;

/// Promised are 10 s; the machine that runs all stories at once may take a little longer.
const SEEN_WITHIN: Duration = Duration::from_secs(12);
/// A whole story in its namespace.
const STORY_WITHIN: Duration = Duration::from_secs(180);

/// Set in the process that runs within the namespace.
const INSIDE: &str = "HERDBOOK_TEST_NAMESPACE";

/// Runs the story of this name once more, alone, in a network namespace. Whether this is that run.
async fn is_inside(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let own = std::env::current_exe().expect("the path of the running test");
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip link set lo up && exec \"$@\"", "sh"]);
    unshare.arg(own).args(["--exact", "--nocapture"]).arg(format!("finding::{story}"));
    let run = unshare.env(INSIDE, "1").kill_on_drop(true).output();
    let run = tokio::time::timeout(STORY_WITHIN, run).await.expect("the story ends");
    let run = run.expect("unshare, of util-linux");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success() && said[0].contains("1 passed"), "{}", said.concat());
    false
}

/// The fake under another program's name; names are all that tells processes apart.
fn named(name: &str, fleet: &Fleet) -> PathBuf {
    let program = fleet.dir().join(name);
    if !program.exists() {
        std::os::unix::fs::symlink(built("fake-ollama"), &program).expect("a link");
    }
    program
}

/// An Ollama that listens there.
async fn ollama(fleet: &Fleet, at: &str) -> Program {
    // It runs models in the program beside it.
    named("llama-server", fleet);
    let mut command = command(&named("ollama", fleet), fleet.dir());
    command.arg("serve").env("OLLAMA_HOST", at);
    ready(&format!("ollama-{}", at.replace([':', '[', ']', '.'], "-")), command, fleet.dir()).await
}

/// Some other program, which answers as Ollama does.
async fn other(fleet: &Fleet, name: &str, port: u16) -> Program {
    let mut command = command(&named(name, fleet), fleet.dir());
    command.arg(format!("--port={port}"));
    ready(name, command, fleet.dir()).await
}

async fn ready(name: &str, command: Command, dir: &Path) -> Program {
    let program = Program::start(name, command, dir);
    let listening = async || match program.out() {
        out if out.contains("listening on") => Ok(()),
        _ => Err(program.log_tail()),
    };
    eventually(&format!("{name} listens"), SEEN_WITHIN, listening).await;
    program
}

/// Every listed service: port, address, reachable, state.
async fn listed(fleet: &Fleet) -> Vec<String> {
    let text = |service: &Value, key: &str| service[key].as_str().unwrap_or("-").to_owned();
    let line = |service: &Value| {
        let id = text(service, "id");
        let port = id.rsplit(':').next().unwrap_or_default().to_owned();
        [port, text(service, "kind"), text(service, "reachable"), text(service, "state")].join(" ")
    };
    let mut lines: Vec<String> = fleet.rest().services().await.iter().map(line).collect();
    lines.sort();
    lines
}

async fn becomes(fleet: &Fleet, expected: &[&str]) {
    let look = async || match listed(fleet).await {
        lines if lines == expected => Ok(()),
        lines => Err(format!("{lines:?}")),
    };
    eventually(&format!("{expected:?}"), SEEN_WITHIN, look).await;
}

#[tokio::test]
async fn servers_are_found_as_they_start_stop_and_move() {
    if !is_inside("servers_are_found_as_they_start_stop_and_move").await {
        return;
    }
    let fleet = Fleet::start().await;
    let _agent = fleet.agent("gpu-1").start();
    fleet.host_online("gpu-1").await;
    let mut first = ollama(&fleet, "127.0.0.1:11500").await;
    becomes(&fleet, &["11500 ollama loopback idle"]).await;
    let _second = ollama(&fleet, "127.0.0.1:11501").await;
    becomes(&fleet, &["11500 ollama loopback idle", "11501 ollama loopback idle"]).await;
    first.kill9().await;
    becomes(&fleet, &["11500 ollama loopback down", "11501 ollama loopback idle"]).await;
    let _moved = ollama(&fleet, "127.0.0.1:11502").await;
    let all =
        ["11500 ollama loopback down", "11501 ollama loopback idle", "11502 ollama loopback idle"];
    becomes(&fleet, &all).await;
}

#[tokio::test]
async fn servers_are_found_on_whatever_they_listen() {
    if !is_inside("servers_are_found_on_whatever_they_listen").await {
        return;
    }
    let fleet = Fleet::start().await;
    let _servers = [
        ollama(&fleet, "0.0.0.0:11500").await,
        ollama(&fleet, "[::]:11501").await,
        ollama(&fleet, "[::1]:11502").await,
        ollama(&fleet, "127.0.0.1:11434").await,
    ];
    let _agent = fleet.agent("gpu-1").start();
    fleet.host_online("gpu-1").await;
    let loopback = ["11434 ollama loopback idle", "11502 ollama loopback idle"];
    let look = async || {
        let lines = listed(&fleet).await;
        let is_right = lines.len() == 4
            && loopback.iter().all(|line| lines.iter().any(|listed| listed == line))
            && lines.iter().filter(|line| !line.contains("loopback")).count() == 2;
        if is_right { Ok(()) } else { Err(format!("{lines:?}")) }
    };
    eventually("four servers, two of them on loopback", SEEN_WITHIN, look).await;
}

#[tokio::test]
async fn runners_are_part_of_their_server_and_others_are_left_alone() {
    if !is_inside("runners_are_part_of_their_server_and_others_are_left_alone").await {
        return;
    }
    let fleet = Fleet::start().await;
    let _ollama = ollama(&fleet, "127.0.0.1:11434").await;
    // An aggregator, a database, and one on a port of model servers that is neither.
    let _others = [
        other(&fleet, "litellm", 4000).await,
        other(&fleet, "postgres", 5432).await,
        other(&fleet, "java", 8080).await,
    ];
    let _agent = fleet.agent("gpu-1").start();
    becomes(&fleet, &["11434 ollama loopback idle"]).await;
    let runs = json!([{ "do": "run", "name": "gemma4:12b", "port": 40_000 }]);
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let told = client.post("http://127.0.0.1:11434/_story").json(&runs).send().await;
    assert!(told.expect("an answer").status().is_success());
    let runner = Rest::new("http://127.0.0.1:40000");
    let is_up = async || runner.try_get("/health").await.map_err(|error| error.to_string());
    eventually("the runner listens", SEEN_WITHIN, is_up).await;
    throughout("only the server is listed", Duration::from_secs(12), async || {
        let ports: Vec<String> = listed(&fleet).await.iter().map(|l| l[..5].to_owned()).collect();
        if ports == ["11434"] { Ok(()) } else { Err(format!("{ports:?}")) }
    })
    .await;
    for port in [4000, 5432, 8080] {
        let report = Rest::new(&format!("http://127.0.0.1:{port}")).get("/_story").await;
        assert_eq!(report["connections"], 1, "only this question: {port} {report}");
    }
}
