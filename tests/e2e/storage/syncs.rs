//! Every 2xx of a durable command comes after an fdatasync, or fsync, that came after the write of what the
//! command changed, as the kernel saw it.

use std::fs;

use herdbook_tests::harness::{Rest, encoded};
use serde_json::json;
use tokio::task::JoinSet;

use super::traced::Place;

/// Connections at one time, and commands of each.
const CONNECTIONS: usize = 8;
const COMMANDS: usize = 6;

/// What the kernel saw: a write of the database with these marks in it, the end of a sync, or the
/// begin of an answer.
#[derive(Debug, PartialEq)]
enum Seen {
    Written(Vec<String>),
    Synced,
    Answered(String),
}

fn mark(connection: usize, command: usize) -> String {
    format!("mark-{connection:02}-{command:02}-end")
}

/// All marks in a line of the trace.
fn marks(line: &str) -> Vec<String> {
    let starts = line.match_indices("mark-").map(|(at, _)| at);
    let marks = starts.filter_map(|at| line.get(at..at + 14)).filter(|mark| mark.ends_with("-end"));
    marks.map(str::to_owned).collect()
}

/// A line of the trace, as far as it matters.
fn seen(line: &str) -> Option<Seen> {
    if line.contains("pwrite64(") {
        return Some(Seen::Written(marks(line)));
    }
    if (line.contains("fdatasync") || line.contains("fsync")) && line.ends_with("= 0") {
        return Some(Seen::Synced);
    }
    let answer = line.split_once("HTTP/1.1 2")?.1;
    marks(answer).pop().map(Seen::Answered)
}

/// Every answer whose mark was not written, and then synced, before.
fn hasty(trace: &[Seen]) -> Vec<&str> {
    let answers = trace.iter().enumerate().filter_map(|(at, seen)| match seen {
        Seen::Answered(mark) => Some((at, mark)),
        _ => None,
    });
    let is_hasty = |(at, mark): &(usize, &String)| {
        let before = &trace[..*at];
        let is_write = |seen: &Seen| matches!(seen, Seen::Written(marks) if marks.contains(mark));
        let written = before.iter().position(is_write);
        !written.is_some_and(|written| before[written..].contains(&Seen::Synced))
    };
    answers.filter(is_hasty).map(|(_, mark)| mark.as_str()).collect()
}

/// Registers a service, then changes it again and again, each time with a mark of its own.
async fn command_all(rest: Rest, connection: usize) {
    let form = |mark: &str| {
        json!({
            "name": format!("s{connection}"), "type": "tool", "ttl_s": 90,
            "url": format!("http://10.0.0.9:{}", 1000 + connection), "labels": {"mark": mark},
        })
    };
    let (status, service) = rest.post("/api/v1/services", &form(&mark(connection, 0))).await;
    assert!(status.is_success(), "{status} {service}");
    let path = format!("/api/v1/services/{}", encoded(service["id"].as_str().expect("an id")));
    for n in 1..COMMANDS {
        let labels = json!({"labels": {"mark": mark(connection, n)}});
        let (status, service) = rest.patch(&path, &labels).await;
        assert!(status.is_success(), "{status} {service}");
    }
}

#[tokio::test]
async fn every_answer_to_a_durable_command_comes_after_the_sync_of_what_it_changed() {
    let place = Place::empty();
    let trace = place.dir().join("trace");
    let strace = [
        "-o".to_owned(),
        trace.display().to_string(),
        "-s9000".to_owned(),
        "-etrace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg".to_owned(),
    ];
    let mut program = place.start("herdbook-collector", &strace, &[]);
    let rest = program.listening().await.expect("it listens");
    let mut clients = JoinSet::new();
    for connection in 0..CONNECTIONS {
        clients.spawn(command_all(rest.clone(), connection));
    }
    clients.join_all().await;
    program.0.kill9_all().await;

    let trace = fs::read(trace).expect("a trace");
    let trace: Vec<Seen> = String::from_utf8_lossy(&trace).lines().filter_map(seen).collect();
    let n_answers = trace.iter().filter(|seen| matches!(seen, Seen::Answered(_))).count();
    assert_eq!(n_answers, CONNECTIONS * COMMANDS);
    assert_eq!(hasty(&trace), [""; 0], "answered before they were synced");
    let n_syncs = trace.iter().filter(|seen| **seen == Seen::Synced).count();
    assert!(n_syncs >= COMMANDS, "{n_syncs} syncs for {n_answers} answers");
}

#[test]
fn an_answer_before_its_sync_is_told_from_one_after_it() {
    let lines = |order: [&str; 3]| order.map(|line| seen(line).expect("it matters"));
    let (write, sync, answer) = (
        r#"7 pwrite64(9, "..mark-00-01-end..", 4096, 32) = 4096"#,
        "7 <... fdatasync resumed>) = 0",
        r#"6 sendto(12, "HTTP/1.1 200 OK\r\n.. mark-00-01-end", 900, 0, NULL, 0) = 900"#,
    );
    assert_eq!(hasty(&lines([write, sync, answer])), [""; 0]);
    for wrong in [[write, answer, sync], [sync, write, answer], [answer, write, sync]] {
        assert_eq!(hasty(&lines(wrong)), ["mark-00-01-end"]);
    }
}
