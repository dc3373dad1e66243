//! Rows of the history on real databases: what is read back, in which order, and what is pruned.

use std::path::Path;

use crate::store::file::connect;
use crate::store::migrations::migrate;
use crate::store::{Reader, Store};

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn session(id: &str, opened_ms: i64, closed_ms: Option<i64>) -> SessionRow {
    SessionRow {
        id: id.to_owned(),
        host_id: "h".to_owned(),
        instance_id: "i".to_owned(),
        boot_id: "b".to_owned(),
        transport: "websocket".to_owned(),
        remote_address: "10.0.0.7".to_owned(),
        local_address: None,
        agent_version: "0.1.0".to_owned(),
        opened_at: at(opened_ms),
        closed_at: closed_ms.map(at),
        close_reason: closed_ms.map(|_| "lost".to_owned()),
        latency_ms: Some(3),
        samples: closed_ms.map(|_| 7),
    }
}

fn status(ms: i64, from: &str, to: &str) -> StatusRow {
    let word = |text: &str| Some(text.to_owned());
    StatusRow { at: at(ms), from: word(from), to: word(to), cause: word("why"), n_more: 0 }
}

fn host() -> Whose {
    Whose::Host("h".to_owned())
}

fn turn(ms: i64) -> Entry {
    Entry::Status(host(), status(ms, "online", "stale"))
}

/// A database with the newest format, and one who reads it.
fn database(dir: &Path) -> (Connection, Reader) {
    let path = dir.join("state.db");
    let mut connection = connect(&path, 10_000).unwrap();
    migrate(&mut connection).unwrap();
    (connection, Reader::new(path))
}

fn ids(reader: &Reader) -> Vec<String> {
    let rows = reader.sessions("h", None, 10_000).unwrap();
    rows.into_iter().map(|(_, row)| row.id).collect()
}

fn times(reader: &Reader) -> Vec<i64> {
    let rows = reader.statuses(&host(), None, 100_000).unwrap();
    rows.into_iter().map(|(_, row)| row.at.unix_ms()).collect()
}

#[tokio::test]
async fn what_was_appended_is_read_newest_first_in_pages_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let mut entries: Vec<Entry> =
        (0..5).map(|n| Entry::Session(session(&n.to_string(), n, Some(n + 1)))).collect();
    entries.extend((0..3).map(turn));
    store.append(entries).await.unwrap();
    for store in [Some(store), None] {
        let store = store.unwrap_or_else(|| Store::open(dir.path()).unwrap().0);
        let reader = store.reader();
        let first = reader.sessions("h", None, 3).unwrap();
        assert_eq!(first[0].1, session("4", 4, Some(5)));
        let before = first.last().unwrap().0;
        let rest = reader.sessions("h", Some(before), 3).unwrap();
        let ids: Vec<_> = first.iter().chain(&rest).map(|(_, row)| row.id.as_str()).collect();
        assert_eq!(ids, ["4", "3", "2", "1", "0"]);
        assert_eq!(times(&reader), [2, 1, 0]);
        assert!(reader.sessions("another", None, 3).unwrap().is_empty());
        drop(reader);
        store.close().await;
    }
}

#[tokio::test]
async fn a_session_that_was_open_when_the_collector_died_ended_when_it_last_lived() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let open = |id: &str, ms| Entry::Session(session(id, ms, None));
    let entries = vec![open("early", 100), Entry::Alive(at(500)), open("late", 900)];
    store.append(entries).await.unwrap();
    assert_eq!(ids(&store.reader()), [""; 0], "an open one is no history yet");
    store.close().await;
    let (store, _) = Store::open(dir.path()).unwrap();
    let rows = store.reader().sessions("h", None, 10).unwrap();
    let ends: Vec<_> = rows
        .iter()
        .map(|(_, row)| (row.id.as_str(), row.closed_at.unwrap().unix_ms(), row.samples))
        .collect();
    assert_eq!(ends, [("late", 900, None), ("early", 500, None)]);
    assert!(rows.iter().all(|(_, row)| row.close_reason.as_deref() == Some("collector_lost")));
}

#[test]
fn a_host_keeps_its_newest_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let (connection, reader) = database(dir.path());
    let bounds = Bounds { sessions_a_host: 3, ..BOUNDS };
    for n in 0..6 {
        let row = session(&n.to_string(), n, None);
        put(&connection, &Entry::Session(row), &bounds).unwrap();
        let row = session(&n.to_string(), n, Some(n));
        put(&connection, &Entry::Session(row), &bounds).unwrap();
    }
    let other = SessionRow { host_id: "other".to_owned(), ..session("x", 0, Some(1)) };
    put(&connection, &Entry::Session(other), &bounds).unwrap();
    assert_eq!(ids(&reader), ["5", "4", "3"]);
    assert_eq!(reader.sessions("other", None, 10).unwrap().len(), 1);
}

#[test]
fn a_subject_that_changes_all_the_time_keeps_its_newest_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut connection, reader) = database(dir.path());
    let bounds = Bounds { statuses_a_subject: 100, ..BOUNDS };
    let transaction = connection.transaction().unwrap();
    for n in 0..1_000 {
        put(&transaction, &turn(n), &bounds).unwrap();
    }
    transaction.commit().unwrap();
    let times = times(&reader);
    assert_eq!(times[0], 999);
    assert!((100..100 + 64).contains(&times.len()), "{}", times.len());
}

#[test]
fn what_is_too_old_or_too_much_goes_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (connection, reader) = database(dir.path());
    let bounds = Bounds {
        sessions_ms: 100,
        statuses_ms: 100,
        sessions: 4,
        statuses: 4,
        a_pass: 2,
        ..BOUNDS
    };
    for n in 0..10 {
        put(&connection, &turn(n), &bounds).unwrap();
        let row = session(&n.to_string(), n, Some(n));
        put(&connection, &Entry::Session(row), &bounds).unwrap();
    }
    // Nothing is too old, six are too many: two a pass.
    let n_left = || (ids(&reader).len(), times(&reader).len());
    let prune = |ms| put(&connection, &Entry::Prune(at(ms)), &bounds).unwrap();
    prune(100);
    assert_eq!(n_left(), (8, 8));
    (0..5).for_each(|_| prune(100));
    assert_eq!(times(&reader), [9, 8, 7, 6]);
    assert_eq!(ids(&reader), ["9", "8", "7", "6"]);
    // By age, all that is older than 8.
    prune(108);
    assert_eq!(n_left(), (2, 2));
    prune(500);
    assert_eq!(n_left(), (0, 0));
}

#[test]
fn a_gap_stands_between_the_changes_of_those_who_were_there_and_ends_open_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let (connection, reader) = database(dir.path());
    let gap = |ms| Entry::Gap(at(ms), "9 changes were missed".to_owned());
    let open = Entry::Session(session("open", 0, None));
    for entry in [gap(1), turn(2), open, gap(3), turn(4)] {
        put(&connection, &entry, &BOUNDS).unwrap();
    }
    assert_eq!(times(&reader), [4, 3, 2]);
    let rows = reader.statuses(&host(), None, 2).unwrap();
    assert_eq!((&rows[1].1.from, &rows[1].1.to), (&None, &None));
    assert_eq!(rows[1].1.cause.as_deref(), Some("9 changes were missed"));
    let rest = reader.statuses(&host(), Some(rows[1].0), 2).unwrap();
    assert_eq!(rest[0].1.at, at(2));
    let sessions = reader.sessions("h", None, 10).unwrap();
    assert_eq!(sessions[0].1.close_reason.as_deref(), Some("not_seen"));
    // Its end comes nevertheless, if it was open all the while.
    put(&connection, &Entry::Session(session("open", 0, Some(9))), &BOUNDS).unwrap();
    let sessions = reader.sessions("h", None, 10).unwrap();
    assert_eq!(sessions[0].1.close_reason.as_deref(), Some("lost"));
}

#[test]
fn who_is_gone_leaves_no_history() {
    let dir = tempfile::tempdir().unwrap();
    let (connection, reader) = database(dir.path());
    let service = Whose::Service("h".to_owned());
    let entries = [
        turn(1),
        Entry::Status(service.clone(), status(1, "healthy", "down")),
        Entry::Session(session("a", 1, Some(2))),
    ];
    entries.iter().for_each(|entry| put(&connection, entry, &BOUNDS).unwrap());
    put(&connection, &Entry::Forget(host()), &BOUNDS).unwrap();
    assert!(times(&reader).is_empty() && ids(&reader).is_empty());
    assert_eq!(reader.statuses(&service, None, 10).unwrap().len(), 1);
    put(&connection, &Entry::Forget(service.clone()), &BOUNDS).unwrap();
    assert!(reader.statuses(&service, None, 10).unwrap().is_empty());
}
