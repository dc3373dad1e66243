//! Backups of a store that is busy, and the way back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::super::{Row, RowKind, Store};
use super::*;

fn host(n: usize) -> Row {
    let doc = format!("{{\"n\":{n},\"fill\":\"{}\"}}", "x".repeat(500));
    Row { kind: RowKind::Host, id: format!("{n:06}"), doc: Some(doc) }
}

#[tokio::test]
async fn a_backup_under_load_is_of_one_moment_and_comes_back_whole() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(Store::open(dir.path()).unwrap().0);
    store.write((0..2000).map(host).collect()).await.unwrap();
    let stop = CancellationToken::new();
    let mut writers = tokio::task::JoinSet::new();
    writers.spawn({
        let (store, stop) = (Arc::clone(&store), stop.clone());
        async move {
            let mut n = 2000;
            while !stop.is_cancelled() {
                // Two at a time: no backup has one of them alone.
                store.write(vec![host(n), host(n + 1)]).await.unwrap();
                n += 2;
            }
            n
        }
    });
    let to = elsewhere.path().join("herd.backup");
    let (from, target) = (dir.path().to_owned(), to.clone());
    let made = move || back_up(&from, &target, Existing::Keep);
    let summary = tokio::task::spawn_blocking(made).await.unwrap().unwrap();
    stop.cancel();
    let n_written = writers.join_next().await.unwrap().unwrap();
    assert!(summary.n_hosts >= 2000 && summary.n_hosts as usize <= n_written);
    assert_eq!((summary.n_hosts % 2, summary.format), (0, 4));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "one file, and nothing beside");

    let again = back_up(dir.path(), &to, Existing::Keep).unwrap_err();
    assert!(again.to_string().ends_with("--force to replace it"), "{again}");
    assert_eq!(back_up(dir.path(), &to, Existing::Replace).unwrap().n_hosts as usize, n_written);
    let in_use = restore(dir.path(), &to).unwrap_err();
    assert!(in_use.to_string().contains("another collector"), "{in_use}");

    // The directory is lost with all that is in it.
    Arc::into_inner(store).unwrap().close().await;
    let lost = tempfile::tempdir().unwrap();
    let (summary, replaced) = restore(lost.path(), &to).unwrap();
    assert_eq!((summary.n_hosts as usize, replaced), (n_written, None));
    let (_, loaded) = Store::open(lost.path()).unwrap();
    let expected: Vec<String> = (0..n_written).filter_map(|n| host(n).doc).collect();
    assert_eq!(loaded.hosts, expected);
}

#[tokio::test]
async fn no_file_of_the_collector_is_replaced_by_a_backup_under_whatever_name() {
    let (dir, elsewhere) = (with_one(1).await, tempfile::tempdir().unwrap());
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host(2)]).await.unwrap();
    let (link, hard) = (elsewhere.path().join("link"), elsewhere.path().join("hard"));
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    fs::hard_link(dir.path().join(DATABASE), &hard).unwrap();
    let own = |name: &str| dir.path().join(name);
    for to in [
        own(DATABASE),
        own("state.db-wal"),
        own("collector.lock"),
        own("credentials.key"),
        own("snapshots/state-1.db"),
        own("../").join(dir.path().file_name().unwrap()).join("new.db"),
        link.join(DATABASE),
        hard,
    ] {
        let refused = back_up(dir.path(), &to, Existing::Replace).unwrap_err();
        assert!(matches!(refused, BackupError::Own { .. }), "{}: {refused}", to.display());
    }
    store.write(vec![host(3)]).await.unwrap();
    store.close().await;
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts.len(), 3);
}

async fn with_one(n: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host(n)]).await.unwrap();
    store.close().await;
    dir
}

#[tokio::test]
async fn what_was_there_is_kept_beside_and_no_log_or_snapshot_of_it_is_taken_for_the_new_one() {
    let (dir, other) = (with_one(1).await, with_one(2).await);
    let elsewhere = tempfile::tempdir().unwrap();
    let to = elsewhere.path().join("a.backup");
    back_up(other.path(), &to, Existing::Keep).unwrap();
    // A crash leaves its log behind.
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host(3)]).await.unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{DATABASE}{suffix}");
        fs::copy(dir.path().join(&name), crashed.path().join(&name)).unwrap();
    }
    let (_, replaced) = restore(crashed.path(), &to).unwrap();
    assert_eq!(Store::open(crashed.path()).unwrap().1.hosts, [host(2).doc.unwrap()]);
    let replaced = replaced.unwrap();
    let old = tempfile::tempdir().unwrap();
    fs::copy(replaced, old.path().join(DATABASE)).unwrap();
    let both = [host(1).doc.unwrap(), host(3).doc.unwrap()];
    assert_eq!(Store::open(old.path()).unwrap().1.hosts, both);

    store.close().await;
    assert!(dir.path().join("snapshots").is_dir());
    restore(dir.path(), &to).unwrap();
    assert!(!dir.path().join("snapshots").exists());
}

#[tokio::test]
async fn a_backup_that_can_only_be_read_becomes_a_database_that_can_be_written() {
    let (dir, elsewhere) = (with_one(1).await, tempfile::tempdir().unwrap());
    let to = elsewhere.path().join("a.backup");
    back_up(dir.path(), &to, Existing::Keep).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let only_read = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o444));
    only_read(&to).unwrap();
    restore(dir.path(), &to).unwrap();
    let database = dir.path().join(DATABASE);
    assert_eq!(mode(&database), 0o600);
    let (store, _) = Store::open(dir.path()).unwrap();
    store.write(vec![host(2)]).await.unwrap();
    store.close().await;

    let snapshots = super::super::snapshots::Snapshots::of(&database);
    only_read(&snapshots.all()[0].1).unwrap();
    fs::remove_file(&database).unwrap();
    let (store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!((loaded.hosts.len(), mode(&database)), (2, 0o600));
    store.write(vec![host(3)]).await.unwrap();
}

#[tokio::test]
async fn what_is_no_backup_changes_nothing() {
    let (dir, other) = (with_one(1).await, tempfile::tempdir().unwrap());
    let file = dir.path().join("given");
    let whole = fs::read(dir.path().join(DATABASE)).unwrap();
    let (mut newer, mut foreign, mut damaged) = (whole.clone(), whole.clone(), whole.clone());
    newer[63] = 99;
    foreign[71] ^= 1;
    damaged[4096..8192].fill(0xA5);
    for (bytes, words) in [
        (newer, "was written by a newer herdbook-collector (format 99"),
        (foreign, "is no whole backup of a collector (it holds no register of Herdbook"),
        (damaged, "is no whole backup of a collector"),
        (whole[..whole.len() - 4096].to_vec(), "is no whole backup of a collector"),
        (b"this is no database at all".repeat(99), "is no whole backup of a collector"),
        (Vec::new(), "is no whole backup of a collector (it is empty)"),
    ] {
        fs::write(&file, bytes).unwrap();
        let refused = restore(dir.path(), &file).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}: {words}");
        assert_eq!(fs::read(dir.path().join(DATABASE)).unwrap(), whole);
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let parts = names.filter(|name| name.to_str().unwrap().contains(".part"));
        assert_eq!(parts.count(), 0, "{words}");
    }
    let missing = restore(dir.path(), &dir.path().join("missing")).unwrap_err();
    assert!(missing.to_string().starts_with("failed to read"), "{missing}");
    let folder = restore(dir.path(), other.path()).unwrap_err();
    assert!(folder.to_string().contains("(it is a folder)"), "{folder}");
    let nothing = back_up(&dir.path().join("missing"), &file, Existing::Replace).unwrap_err();
    assert!(nothing.to_string().starts_with("there is no state.db in"), "{nothing}");
}

#[test]
fn what_sqlite_says_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = copy::open_source(&dir.path().join("missing")).unwrap_err();
    let told = BackupError::Read { path: dir.path().to_owned(), source: error.into() };
    let cause = std::error::Error::source(&told).unwrap();
    assert!(cause.to_string().contains("unable to open database file"), "{cause}");
    assert!(cause.source().is_none(), "{cause}");
}

#[tokio::test]
async fn an_older_backup_is_taken_and_brought_up_to_date_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("v2.backup");
    fs::write(&file, include_bytes!("../../../fixtures/state/v2.db")).unwrap();
    assert_eq!(restore(dir.path(), &file).unwrap().0.format, 2);
    assert_eq!(Store::open(dir.path()).unwrap().1.hosts.len(), 2);
}
