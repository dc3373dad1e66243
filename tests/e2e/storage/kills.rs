//! A program is killed at each of its calls that write, sync or cut the database, one after the
//! other, in the middle of a series of commands. What is on the disk then is what the answered
//! commands made, or one command more, and nothing in between.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use herdbook_collector::store::{OpenError, Store};
use herdbook_tests::harness::{Rest, encoded};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::traced::{Place, Traced};

/// Calls by which a database gets to the disk.
const CALLS: [&str; 3] = ["pwrite64", "fsync,fdatasync", "ftruncate"];
/// More calls than the series makes.
const CALLS_MAX: usize = 300;
/// Programs at one time.
const TOGETHER: usize = 4;

/// What the commands are about: the notes of both hosts, and a service with its priority.
#[derive(Debug, PartialEq)]
struct Herd {
    notes: [Option<String>; 2],
    walker: Option<Option<i64>>,
}

/// Commands of the series: each round ends as it began, but for the notes.
const COMMANDS: usize = 10;

/// What holds after so many commands.
fn after(n_commands: usize) -> Herd {
    let (round, step) = (n_commands / 5, n_commands % 5);
    let written = |n: usize| {
        let text = Some(format!("note {n}"));
        [text.clone(), text]
    };
    let notes = match (round, step) {
        (0, 0) => [None, Some("rack 3".to_owned())],
        (_, 0) => written(2 * round - 1),
        (_, 1..4) => written(2 * round),
        _ => written(2 * round + 1),
    };
    let walker = match step {
        0 | 1 => None,
        2 => Some(None),
        _ => Some(Some(5)),
    };
    Herd { notes, walker }
}

/// Sends the series until nobody answers. Returns how many commands were answered.
async fn commands(rest: &Rest) -> usize {
    const ALL: &str = "/api/v1/hosts?all=true";
    let form = json!({"name": "walker", "type": "tool", "url": "http://10.0.0.9:1", "ttl_s": 90});
    let mut service = String::new();
    for n_answered in 0..COMMANDS {
        let (round, step) = (n_answered / 5, n_answered % 5);
        let notes = |n: usize| Some(json!({"notes": format!("note {n}")}));
        let (method, path, body) = match step {
            0 => (Method::PATCH, ALL, notes(2 * round)),
            1 => (Method::POST, "/api/v1/services", Some(form.clone())),
            2 => (Method::PATCH, service.as_str(), Some(json!({"priority": 5}))),
            3 => (Method::PATCH, ALL, notes(2 * round + 1)),
            _ => (Method::DELETE, service.as_str(), None),
        };
        let Some((status, answer)) = rest.try_send(method, path, body.as_ref()).await else {
            return n_answered;
        };
        assert!(status.is_success(), "command {n_answered}: {status} {answer}");
        if step == 1 {
            let id = answer["id"].as_str().expect("an id");
            service = format!("/api/v1/services/{}", encoded(id));
        }
    }
    COMMANDS
}

/// What a start finds on the disk.
fn kept(data: &Path) -> Result<Herd, String> {
    let mut opened = Store::open(data);
    // The kernel is not done with a process at once.
    for _ in 0..200 {
        if !matches!(opened, Err(OpenError::InUse { .. })) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        opened = Store::open(data);
    }
    let (_, loaded) = opened.map_err(|error| format!("it does not open: {error}"))?;
    let names = std::fs::read_dir(data).map_err(|error| error.to_string())?;
    let names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    if let Some(aside) = names.into_iter().find(|name| name.contains("corrupt")) {
        return Err(format!("it was moved aside: {aside}"));
    }
    let parsed = |docs: &[String]| -> Result<Vec<Value>, String> {
        docs.iter().map(|doc| serde_json::from_str(doc).map_err(|e| e.to_string())).collect()
    };
    let mut notes: Vec<_> = parsed(&loaded.hosts)?
        .iter()
        .map(|host| host["patch"]["notes"].as_str().map(str::to_owned))
        .collect();
    notes.sort();
    let notes = notes.try_into().map_err(|notes| format!("not two hosts: {notes:?}"))?;
    let services = parsed(&loaded.services)?;
    let walker = services.iter().find(|service| service["records"]["own"]["name"] == "walker");
    let walker = walker.map(|service| service["records"]["patch"]["priority"].as_i64());
    Ok(Herd { notes, walker })
}

fn judge(data: &Path, n_answered: usize) -> Result<(), String> {
    let herd = kept(data)?;
    if herd == after(n_answered) || herd == after(n_answered + 1) {
        return Ok(());
    }
    Err(format!("{n_answered} commands were answered, and the disk has {herd:?}"))
}

/// Ends the program in order, which folds its log into the database, unless it is killed in that.
async fn stops(place: &Place, program: &mut Traced) -> bool {
    let pid = std::fs::read_to_string(place.data().join("collector.lock")).expect("a lock");
    let pid = Pid::from_raw(pid.parse().expect("a process id")).expect("a process id");
    // It may be gone already.
    let _ = kill_process(pid, Signal::TERM);
    program.0.exit(Duration::from_secs(60)).await.signal() != Some(9)
}

/// Runs the series and ends the program, with a kill at a call. Says whether there was no such
/// call, and what is wrong with what is on the disk.
async fn killed(
    program: &'static str,
    arguments: &'static [&'static str],
    call: &'static str,
    nth: usize,
) -> (bool, Result<(), String>) {
    let place = Place::with_herd();
    let database = place.database().display().to_string();
    let strace = [
        "-o".to_owned(),
        "/dev/null".to_owned(),
        format!("-P{database}"),
        format!("-P{database}-wal"),
        format!("-etrace={call}"),
        format!("-einject={call}:signal=SIGKILL:when={nth}"),
    ];
    let mut program = place.start(program, &strace, arguments);
    let n_answered = match program.listening().await {
        Some(rest) => commands(&rest).await,
        None => 0,
    };
    let is_through = n_answered == COMMANDS && stops(&place, &mut program).await;
    program.0.kill9_all().await;
    (is_through, judge(&place.data(), n_answered))
}

/// Kills at the first call, the second, and so on until the series goes through. Returns at how
/// many calls it was killed, and what was wrong.
async fn kill_everywhere(
    program: &'static str,
    arguments: &'static [&'static str],
    call: &'static str,
) -> (usize, Vec<String>) {
    let (mut n_kills, mut wrong) = (0, Vec::new());
    for first in (1..CALLS_MAX).step_by(TOGETHER) {
        let run = |nth| async move { (nth, killed(program, arguments, call, nth).await) };
        let runs = join_all((first..first + TOGETHER).map(run));
        let mut is_through = false;
        for (nth, (was_spared, judged)) in runs.await {
            is_through |= was_spared;
            n_kills += usize::from(!was_spared);
            wrong.extend(judged.err().map(|why| format!("at {call} {nth}: {why}")));
        }
        if is_through {
            return (n_kills, wrong);
        }
    }
    panic!("the series makes more than {CALLS_MAX} calls of {call}");
}

#[tokio::test]
async fn a_collector_that_dies_in_any_write_has_kept_what_it_answered_for() {
    let mut n_kills = 0;
    for call in CALLS {
        let (n, wrong) = kill_everywhere("herdbook-collector", &[], call).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(call == "ftruncate" || n >= 5, "{call} was met {n} times only");
        n_kills += n;
    }
    assert!(n_kills >= 30, "the database was written {n_kills} times only");
}

#[tokio::test]
async fn a_program_that_answers_before_it_writes_is_caught() {
    let (_, wrong) =
        kill_everywhere("careless-store", &["--fault", "answers-first"], CALLS[0]).await;
    assert!(wrong.iter().any(|why| why.contains("were answered, and")), "{wrong:?}");
}

#[tokio::test]
async fn a_program_that_writes_in_steps_is_caught() {
    let (_, wrong) =
        kill_everywhere("careless-store", &["--fault", "writes-in-steps"], CALLS[0]).await;
    assert!(wrong.iter().any(|why| is_torn(why)), "{wrong:?}");
}

/// Whether one command that wrote to both hosts reached only one of them.
fn is_torn(why: &str) -> bool {
    let notes = why.split_once("notes: [").and_then(|(_, rest)| rest.split_once(']'));
    let both = notes.and_then(|(notes, _)| notes.split_once(", "));
    both.is_some_and(|(one, other)| one != other)
}

#[tokio::test]
async fn a_first_start_that_dies_in_any_write_is_no_obstacle_to_the_next() {
    let mut n_kills = 0;
    for call in CALLS {
        for nth in 1..CALLS_MAX {
            let place = Place::empty();
            let inject = format!("-einject={call}:signal=SIGKILL:when={nth}");
            let strace =
                ["-o".to_owned(), "/dev/null".to_owned(), format!("-etrace={call}"), inject];
            let mut program = place.start("herdbook-collector", &strace, &[]);
            let is_through = program.listening().await.is_some();
            program.0.kill9_all().await;
            if is_through {
                break;
            }
            n_kills += 1;
            let mut next = place.start_plain("herdbook-collector", &[]);
            let rest = next.listening().await.expect("the next start goes through");
            let form = json!({"name": "a", "type": "tool", "url": "http://10.0.0.9:1"});
            let (status, _) = rest.post("/api/v1/services", &form).await;
            assert_eq!(status, StatusCode::CREATED, "after {call} {nth}");
            next.0.kill9().await;
        }
    }
    assert!(n_kills >= 10, "a database was made with {n_kills} calls only");
}
