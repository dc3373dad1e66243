//! What damage does: a snapshot takes the place of the database, and nothing wrong is believed.

use std::fs;

use rusqlite::Connection;

use super::snapshots::Snapshots;
use super::*;

fn host(n: usize) -> Row {
    let doc = format!("{{\"n\":{n},\"name\":\"gpu-{n}\"}}");
    Row { kind: RowKind::Host, id: n.to_string(), doc: Some(doc) }
}

fn docs(n: usize) -> Vec<String> {
    (0..n).filter_map(|n| host(n).doc).collect()
}

/// Starts on `dir`, adds one more host, and stops cleanly.
async fn run_once(dir: &Path, n: usize) -> Loaded {
    let (store, loaded) = Store::open(dir).unwrap();
    store.write(vec![host(n)]).await.unwrap();
    store.close().await;
    loaded
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let all = Snapshots::of(&dir.join(DATABASE)).all();
    all.into_iter().map(|(_, path)| path).collect()
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[4096..8192].fill(0xA5);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_clean_stop_leaves_a_snapshot_and_the_newest_three_stay() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..5 {
        run_once(dir.path(), n).await;
    }
    let there = snapshots(dir.path());
    assert_eq!(there.len(), 3);
    let newest = Connection::open(&there[0]).unwrap();
    let n_hosts = newest.query_row("SELECT count(*) FROM hosts", [], |row| row.get::<_, i64>(0));
    assert_eq!(n_hosts.unwrap(), 5);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&there[0]).unwrap().permissions().mode() & 0o777, 0o600);
    Store::open(dir.path()).unwrap().0.close().await;
    assert_eq!(snapshots(dir.path()), there, "nothing changed");
}

#[tokio::test]
async fn a_damaged_database_goes_on_from_the_newest_snapshot_that_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..3 {
        run_once(dir.path(), n).await;
    }
    damage(&dir.path().join(DATABASE));
    damage(&snapshots(dir.path())[0]);
    let (store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.hosts, docs(2), "the newest snapshot is damaged too");
    store.write(vec![host(2)]).await.unwrap();
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, docs(3));
    let aside = fs::read_dir(dir.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_str().unwrap().contains(".corrupt-")
    });
    assert_eq!(aside.count(), 1, "it is there for whoever wants to look");
}

#[tokio::test]
async fn a_database_that_is_gone_comes_back_and_where_all_is_damaged_a_fresh_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    run_once(dir.path(), 0).await;
    fs::remove_file(dir.path().join(DATABASE)).unwrap();
    assert_eq!(run_once(dir.path(), 1).await.hosts, docs(1));
    damage(&dir.path().join(DATABASE));
    snapshots(dir.path()).iter().for_each(|snapshot| damage(snapshot));
    assert_eq!(run_once(dir.path(), 0).await.hosts, docs(0));
    assert_eq!(run_once(dir.path(), 1).await.hosts, docs(1));
}

#[tokio::test(start_paused = true)]
async fn an_hour_after_the_last_one_there_is_a_new_one_if_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap().0);
    store.write(vec![host(0)]).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn({
        let (store, stop) = (Arc::clone(&store), stop.clone());
        async move { keep_snapshots(&store, stop).await }
    });
    while snapshots(dir.path()).is_empty() {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    // The newest is of now, by the wall clock, however far the paused one is pushed.
    store.write(vec![host(1)]).await.unwrap();
    tokio::time::sleep(snapshots::EVERY).await;
    assert_eq!(snapshots(dir.path()).len(), 1);
    let newest = snapshots(dir.path()).remove(0);
    fs::rename(&newest, newest.with_file_name("state-1000.db")).unwrap();
    while snapshots(dir.path()).len() < 2 {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_that_is_taken_away_while_it_is_open_is_noticed_and_nothing_kept_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join(DATABASE), dir.path().join("aside"));
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host(0)]).await.unwrap();
    fs::rename(&path, &aside).unwrap();
    for _ in 0..2 {
        let refused = store.write(vec![host(1)]).await;
        assert!(matches!(refused, Err(WriteError::Io(_))), "{refused:?}");
    }
    assert!(!path.exists(), "no other one is made in its place");
    fs::rename(&aside, &path).unwrap();
    store.write(vec![host(1)]).await.unwrap();
    // Another one in its place.
    fs::copy(&path, &aside).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert!(store.write(vec![host(2)]).await.is_err());
    fs::remove_file(&path).unwrap();
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts, docs(2));
}

#[tokio::test]
async fn a_database_that_was_emptied_comes_back_from_the_newest_snapshot_that_is_not_empty() {
    for has_header in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        for n in 0..2 {
            run_once(dir.path(), n).await;
        }
        fs::write(&path, "").unwrap();
        if has_header {
            Connection::open(&path)
                .unwrap()
                .execute_batch("VACUUM; PRAGMA user_version = 3")
                .unwrap();
            assert!(fs::metadata(&path).unwrap().len() > 0);
        }
        let taken = Snapshots::of(&path).take(super::copy::Pace::Fast);
        assert!(taken.is_err(), "none that is empty pushes out one that is not");
        let newest = snapshots(dir.path()).remove(0);
        fs::write(newest.with_file_name("state-9999999999999.db"), "").unwrap();
        assert_eq!(run_once(dir.path(), 2).await.hosts, docs(2));
        assert_eq!(run_once(dir.path(), 3).await.hosts, docs(3));
    }
}

#[tokio::test]
async fn what_copies_that_were_cut_short_left_is_gone_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    run_once(dir.path(), 0).await;
    let left = [
        "state.db.part",
        "state.db.part-wal",
        "state.db.format-2.part",
        "snapshots/state-1.db.part",
    ];
    let stays = ["apart.part", "state.db.format-2"];
    for name in left.iter().chain(&stays) {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    let _store = Store::open(dir.path()).unwrap();
    assert!(left.iter().all(|name| !dir.path().join(name).exists()));
    assert!(stays.iter().all(|name| dir.path().join(name).exists()));
}

#[tokio::test]
async fn of_what_is_moved_aside_the_newest_two_of_a_kind_stay() {
    let dir = tempfile::tempdir().unwrap();
    run_once(dir.path(), 0).await;
    let backup = tempfile::tempdir().unwrap();
    let to = backup.path().join("a.backup");
    backup::back_up(dir.path(), &to, backup::Existing::Keep).unwrap();
    let old = ["state.db.corrupt-1", "state.db.corrupt-1-wal", "state.db.replaced-1"];
    let newer = ["state.db.corrupt-2", "state.db.corrupt-2-wal", "state.db.replaced-2"];
    for name in old.iter().chain(&newer) {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    for n in [1, 2] {
        fs::create_dir(dir.path().join(format!("snapshots.replaced-{n}"))).unwrap();
    }
    damage(&dir.path().join(DATABASE));
    run_once(dir.path(), 0).await;
    backup::restore(dir.path(), &to).unwrap();
    let is_there = |name: &&str| dir.path().join(name).exists();
    assert!(!old.iter().any(&is_there) && newer.iter().all(is_there));
    for start in ["state.db.corrupt-", "state.db.replaced-", "snapshots.replaced-"] {
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let is_one = |name: &str| name.starts_with(start) && !name.ends_with(['l', 'm']);
        let names = names.filter(|name| is_one(name.to_str().unwrap()));
        assert_eq!(names.count(), 2, "{start}");
    }
}

/// A small database without a log beside it, and the documents in it.
async fn small() -> (Vec<u8>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write((0..20).map(host).collect()).await.unwrap();
    store.close().await;
    let mut docs = docs(20);
    docs.sort();
    (fs::read(dir.path().join(DATABASE)).unwrap(), docs)
}

/// What is read of these bytes; `None` where they are refused in words.
fn read(bytes: &[u8], at: usize) -> Option<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE), bytes).unwrap();
    match Store::open(dir.path()) {
        Ok((_, loaded)) => Some(loaded.hosts),
        Err(OpenError::Newer { .. }) if (60..64).contains(&at) => None,
        Err(OpenError::Foreign { .. }) if (68..72).contains(&at) => None,
        Err(refused) => panic!("byte {at}: {refused:?}"),
    }
}

#[tokio::test]
async fn no_flipped_byte_is_believed() {
    let (whole, docs) = small().await;
    let (mut n_whole, mut n_less) = (0, 0);
    // The header whole, some documents, and every 255th byte of the rest.
    let first = whole.windows(8).position(|bytes| bytes == b"{\"n\":19,").unwrap();
    for at in (0..100).chain(first..first + 300).chain((100..whole.len()).step_by(255)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let Some(hosts) = read(&flipped, at) else { continue };
        assert!(hosts.iter().all(|doc| docs.contains(doc)), "byte {at}: {hosts:?}");
        if hosts.len() == docs.len() { n_whole += 1 } else { n_less += 1 }
    }
    assert!(n_whole > 50 && n_less > 200, "{n_whole} {n_less}");
}

#[tokio::test]
async fn no_cut_is_believed() {
    let (whole, docs) = small().await;
    for length in (0..whole.len()).step_by(4096).chain([1, 99, 100, 4095, whole.len() - 1]) {
        let hosts = read(&whole[..length], length).unwrap_or_default();
        assert!(hosts.iter().all(|doc| docs.contains(doc)), "cut at {length}: {hosts:?}");
    }
}
