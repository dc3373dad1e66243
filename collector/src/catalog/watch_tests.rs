//! When a folder is read again: the debounce on a paused clock, and real folders as editors,
//! Kubernetes and people change them.

use std::fs;
use std::os::unix::fs::symlink;

use notify::event::{CreateKind, ModifyKind};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_burst_is_one_change_and_an_endless_one_is_cut() {
    let happened = Arc::new(Notify::new());
    let begun = Instant::now();
    let mut burst = JoinSet::new();
    let telling = Arc::clone(&happened);
    burst.spawn(async move {
        for _ in 0..4 {
            telling.notify_one();
            sleep(Duration::from_millis(300)).await;
        }
    });
    until_quiet(&happened).await;
    let took = begun.elapsed();
    assert!((Duration::from_millis(1400)..Duration::from_millis(1420)).contains(&took), "{took:?}");

    let begun = Instant::now();
    burst.spawn(async move {
        loop {
            happened.notify_one();
            sleep(Duration::from_millis(100)).await;
        }
    });
    let endless = Arc::new(Notify::new());
    let telling = Arc::clone(&endless);
    burst.spawn(async move {
        loop {
            telling.notify_one();
            sleep(Duration::from_millis(100)).await;
        }
    });
    until_quiet(&endless).await;
    let took = begun.elapsed();
    assert!((QUIET_AT_LAST..QUIET_AT_LAST + QUIET).contains(&took), "{took:?}");
}

#[test]
fn reading_and_what_editors_keep_is_no_news() {
    let event = |kind: EventKind, path: &str| Event::new(kind).add_path(path.into());
    let create = EventKind::Create(CreateKind::File);
    assert!(is_news(&event(create, "/s/a.toml")));
    assert!(is_news(&event(create, "/s/..data")), "Kubernetes swaps this link");
    assert!(is_news(&event(EventKind::Modify(ModifyKind::Any), "/s/a.toml")));
    assert!(is_news(&event(EventKind::Access(AccessKind::Close(AccessMode::Write)), "/s/a")));
    assert!(is_news(&Event::new(EventKind::Other)), "events were lost");
    assert!(!is_news(&event(EventKind::Access(AccessKind::Open(AccessMode::Read)), "/s/a")));
    assert!(!is_news(&event(EventKind::Access(AccessKind::Close(AccessMode::Read)), "/s/a")));
    assert!(!is_news(&event(create, "/s/.a.toml.swp")));
    let rename = event(EventKind::Modify(ModifyKind::Any), "/s/.a.tmp").add_path("/s/a".into());
    assert!(is_news(&rename));
}

/// Waits for real events of the file system.
async fn noticed(happened: &Notify) -> bool {
    tokio::time::timeout(Duration::from_secs(5), happened.notified()).await.is_ok()
}

#[tokio::test]
async fn whatever_way_a_folder_changes_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("services");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("a.toml"), "").unwrap();
    fs::create_dir(folder.join("..one")).unwrap();
    fs::create_dir(folder.join("..two")).unwrap();
    symlink("..one", folder.join("..data")).unwrap();
    let changes: [(&str, &dyn Fn()); 6] = [
        ("a write in place", &|| fs::write(folder.join("a.toml"), "# 1").unwrap()),
        ("an editor's rename", &|| {
            fs::write(folder.join(".a.toml.tmp"), "# 2").unwrap();
            fs::rename(folder.join(".a.toml.tmp"), folder.join("a.toml")).unwrap();
        }),
        ("a swapped link", &|| {
            symlink("..two", folder.join("..data_tmp")).unwrap();
            fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        }),
        ("a file below", &|| fs::write(folder.join("deep/er/x"), "").unwrap()),
        ("a file that is gone", &|| fs::remove_file(folder.join("a.toml")).unwrap()),
        ("a new folder", &|| fs::create_dir(folder.join("new")).unwrap()),
    ];
    for (what, change) in changes {
        let happened = Arc::new(Notify::new());
        let folders = [folder.clone()];
        let watch = Watch::begin(&folders, Arc::clone(&happened));
        assert!(watch.read_at.is_none(), "it is watched");
        change();
        assert!(noticed(&happened).await, "{what}");
    }
}

#[tokio::test]
async fn a_folder_that_comes_or_is_swapped_is_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let folders = [dir.path().join("current")];
    assert_eq!(identities(&folders), [None]);
    fs::create_dir(dir.path().join("v1")).unwrap();
    fs::create_dir(dir.path().join("v2")).unwrap();
    symlink("v1", &folders[0]).unwrap();
    let first = identities(&folders);
    symlink("v2", dir.path().join("next")).unwrap();
    fs::rename(dir.path().join("next"), &folders[0]).unwrap();
    assert!(first[0].is_some() && identities(&folders) != first);
}
