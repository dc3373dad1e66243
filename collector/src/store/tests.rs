//! The store on real directories: what it keeps, whom it refuses, and what damage does to it.

use std::fs;

use herdbook_shared::time::Timestamp;
use rusqlite::Connection;

use super::*;

/// Few enough pages that a test fills them.
const SMALL: u32 = 96;

fn host(id: &str, doc: &str) -> Row {
    Row { kind: RowKind::Host, id: id.to_owned(), doc: Some(doc.to_owned()) }
}

fn no_host(id: &str) -> Row {
    Row { kind: RowKind::Host, id: id.to_owned(), doc: None }
}

fn service(id: &str, doc: &str) -> Row {
    Row { kind: RowKind::Service, id: id.to_owned(), doc: Some(doc.to_owned()) }
}

/// A directory whose store holds two hosts and a service, closed.
async fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let rows = vec![host("a", "{\"n\":1}"), host("b", "{\"n\":2}"), service("s", "{\"n\":3}")];
    store.write(rows).await.unwrap();
    store.close().await;
    dir
}

#[tokio::test]
async fn a_writer_that_hangs_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hangs = std::thread::spawn(move || assert!(held.recv().is_err()));
    let writer = store.writer.replace(hangs);
    store.close_within(Duration::from_millis(20)).await;
    drop(release);
    writer.unwrap().join().unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = filled().await;
    let (store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.hosts, ["{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(loaded.services, ["{\"n\":3}"]);
    store.write(vec![host("a", "{\"n\":9}"), no_host("b"), no_host("never")]).await.unwrap();
    drop(store);
    let (_store, again) = Store::open(dir.path()).unwrap();
    assert_eq!(again.hosts, ["{\"n\":9}"]);
    assert_eq!(again.collector_id, loaded.collector_id);
    assert_eq!(uuid::Uuid::parse_str(&again.collector_id).unwrap().get_version_num(), 4);
}

#[tokio::test]
async fn a_batch_of_one_row_twice_keeps_the_later() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host("a", "1"), no_host("a"), host("a", "2")]).await.unwrap();
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, ["2"]);
}

#[tokio::test]
async fn writers_that_come_together_are_all_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let ids: Vec<String> = (0..300).map(|n| format!("{n:03}")).collect();
    let writes = ids.iter().map(|id| store.write(vec![host(id, id)]));
    for result in futures_util::future::join_all(writes).await {
        result.unwrap();
    }
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, ids);
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_its_lock_and_a_snapshot() {
    let dir = filled().await;
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["collector.lock", "snapshots", "state.db"]);
}

#[tokio::test]
async fn one_collector_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Store::open(dir.path()).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    let told = refused.to_string();
    assert!(matches!(refused, OpenError::InUse { .. }), "{told}");
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
    first.write(vec![host("a", "{}")]).await.unwrap();
    first.close().await;
    Store::open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_newer_database_and_that_of_another_program_stay_as_they_are() {
    let dir = filled().await;
    let path = dir.path().join("state.db");
    let direct = Connection::open(&path).unwrap();
    direct.pragma_update(None, "user_version", 7).unwrap();
    drop(direct);
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 7, known: 4, .. }), "{refused}");
    let direct = Connection::open(&path).unwrap();
    direct.pragma_update(None, "user_version", 1).unwrap();
    direct.pragma_update(None, "application_id", 1).unwrap();
    drop(direct);
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
    assert_eq!(aside(dir.path()), 0);
}

#[test]
fn a_directory_that_is_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for missing in [dir.path().join("missing"), Path::new("/dev/null").to_owned()] {
        let refused = Store::open(&missing).unwrap_err();
        assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
    }
}

/// How many databases were moved aside.
fn aside(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("state.db.corrupt-")).count()
}

#[tokio::test]
async fn a_damaged_database_is_moved_aside_and_a_fresh_one_begins() {
    let whole = fs::read(filled().await.path().join("state.db")).unwrap();
    let zeroed = [&whole[..4096], &vec![0; whole.len() - 4096]].concat();
    let garbage = b"this was never a database, and is long enough to be read as a header".repeat(9);
    for damaged in [garbage, whole[..whole.len() / 2].to_vec(), zeroed] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        fs::write(&path, &damaged).unwrap();
        let (store, loaded) = Store::open(dir.path()).unwrap();
        assert_eq!((loaded.hosts.len(), aside(dir.path())), (0, 1));
        store.write(vec![host("a", "{}")]).await.unwrap();
        store.close().await;
        assert_eq!(Store::open(dir.path()).unwrap().1.hosts, ["{}"]);
        assert_eq!(aside(dir.path()), 1);
    }
}

#[tokio::test]
async fn an_empty_file_is_a_fresh_database() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.db"), "").unwrap();
    let (_store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!((loaded.hosts.len(), aside(dir.path())), (0, 0));
}

#[tokio::test]
async fn a_document_that_is_no_text_costs_that_entity_only() {
    let dir = filled().await;
    let direct = Connection::open(dir.path().join("state.db")).unwrap();
    direct.execute("UPDATE hosts SET doc = CAST(X'FFFE' AS TEXT) WHERE id = 'a'", []).unwrap();
    drop(direct);
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, ["{\"n\":2}"]);
}

/// Fills the store until nothing more fits; how many rows did.
async fn fill(store: &Store) -> usize {
    let doc = "x".repeat(2000);
    for n in 0..1000 {
        match store.write(vec![host(&format!("fill{n}"), &doc)]).await {
            Ok(()) => {}
            Err(WriteError::DiskFull) => return n,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the bound does not hold");
}

#[tokio::test]
async fn a_full_disk_is_told_loses_nothing_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_bounded(dir.path(), SMALL).unwrap();
    let n_kept = fill(&store).await;
    let large = host("large", &"x".repeat(9000));
    let both = store.write(vec![host("small", "1"), large.clone()]).await;
    assert!(matches!(both, Err(WriteError::DiskFull)), "{both:?}");
    let gone: Vec<_> = (0..n_kept).map(|n| no_host(&format!("fill{n}"))).collect();
    store.write(gone[..n_kept - 1].to_vec()).await.unwrap();
    store.write(vec![large]).await.unwrap();
    store.close().await;
    let hosts = Store::open(dir.path()).unwrap().1.hosts;
    assert_eq!(hosts.iter().map(String::len).collect::<Vec<_>>(), [2000, 9000]);
}

#[tokio::test]
async fn after_a_failure_the_writer_opens_the_database_again() {
    let dir = filled().await;
    let (store, _) = Store::open(dir.path()).unwrap();
    let direct = Connection::open(dir.path().join("state.db")).unwrap();
    direct.execute("ALTER TABLE hosts RENAME TO away", []).unwrap();
    let failed = store.write(vec![host("c", "3")]).await;
    assert!(matches!(failed, Err(WriteError::Io(_))), "{failed:?}");
    direct.execute("ALTER TABLE away RENAME TO hosts", []).unwrap();
    drop(direct);
    store.write(vec![host("d", "4")]).await.unwrap();
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, ["{\"n\":1}", "{\"n\":2}", "4"]);
}

#[test]
fn sqlite_is_new_enough_and_settings_are_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let connection = file::connect(&dir.path().join("state.db"), PAGES_MAX).unwrap();
    let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    assert_eq!(text("journal_mode").unwrap(), "wal");
    assert_eq!(number("synchronous").unwrap(), 2);
    assert_eq!(number("busy_timeout").unwrap(), 5000);
    assert_eq!(number("max_page_count").unwrap(), i64::from(PAGES_MAX));
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test(start_paused = true)]
async fn nobody_pushes_what_admins_did_out_of_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().0;
    let act = |action: &str| {
        Entry::Audit(AuditRow {
            at: Timestamp::from_unix_ms(1_000),
            actor: "nobody".to_owned(),
            action: action.to_owned(),
            subject: None,
            from_address: None,
            detail: "wrong".to_owned(),
        })
    };
    store.append(vec![act("revokeToken")]).await.unwrap();
    for action in ["signIn", "signInFailed", "signOut", "changePassword", "joinAgent", "rekeyAgent"]
    {
        for _ in 0..3 {
            store.append(vec![act(action); 500]).await.unwrap();
        }
    }
    store.append(vec![act("patchHost"); 1_100]).await.unwrap();
    let log = || store.reader().audit(None, 100_000).unwrap();
    assert_eq!(log().len(), 1 + 6 * 1_000 + 1_100);
    tokio::time::advance(Duration::from_hours(1)).await;
    store.append(vec![act("joinAgent"); 30]).await.unwrap();
    assert_eq!(log().len(), 1 + 6 * 1_000 + 1_100 + 20);
    assert_eq!(log()[19].detail, "500 more before this one are not told one by one; wrong");
    assert!(store.reader().verify_audit().unwrap().intact);
}
