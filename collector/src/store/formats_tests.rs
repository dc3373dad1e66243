//! Databases that the code of each format wrote, read for ever: two simulated hosts with their
//! services, from format 2 on a service by hand, one that beats, and what people said, and from
//! format 4 on a person, their sign-in, tokens, a key of an agent, and an audit log.

use std::fs;

use herdbook_shared::ids::HostId;
use serde_json::json;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::moment::Moment;

use super::*;

const HOST: &str = "a833bdcd-b6d1-4eb1-88dc-97e5aab5fe3d";

/// A directory with the database that the code of a format wrote, and its collector's id.
fn frozen(format: i64) -> (tempfile::TempDir, &'static str) {
    let (bytes, id): (&[u8], _) = match format {
        1 => (include_bytes!("../../fixtures/state/v1.db"), "5d39abe0-1830-4a27-89af-8de4a08e9959"),
        2 => (include_bytes!("../../fixtures/state/v2.db"), "bafd6bda-63dc-418a-b140-ef94af991148"),
        3 => (include_bytes!("../../fixtures/state/v3.db"), "b7ebe3fa-daad-4519-9864-e908290791a9"),
        4 => (include_bytes!("../../fixtures/state/v4.db"), "b7ebe3fa-daad-4519-9864-e908290791a9"),
        _ => panic!("freeze a database of format {format}, and say here what is in it"),
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE), bytes).unwrap();
    (dir, id)
}

fn restored(loaded: &Loaded) -> Registry {
    let registry = Registry::new(Liveness::default());
    assert_eq!(registry.restore(&loaded.hosts, &loaded.services, Moment::now()), 0);
    registry
}

fn formats() -> impl Iterator<Item = i64> {
    1..=migrations::newest()
}

#[tokio::test]
async fn every_format_is_read_with_all_that_is_in_it() {
    for format in formats() {
        let (dir, id) = frozen(format);
        let (store, loaded) = Store::open(dir.path()).unwrap();
        assert_eq!(loaded.collector_id, id, "format {format}");
        let registry = restored(&loaded);
        let mut names: Vec<_> =
            registry.hosts().iter().map(|host| host.facts.name.clone()).collect();
        names.sort();
        assert_eq!(names, ["sim-00001", "sim-00002"], "format {format}");
        for name in names {
            let service = registry.service(&format!("{name}:11434")).unwrap();
            assert_eq!(service.facts.models.len(), 2, "format {format}");
        }
        let by_hand = registry.service("10.0.0.8:11434");
        assert_eq!(by_hand.is_some(), format >= 2);
        if let Some(by_hand) = by_hand {
            assert_eq!((by_hand.facts.priority, by_hand.facts.labels["team"].as_str()), (7, "a"));
            let own = registry.service("c3b21e4a-281b-5b20-8fb1-fef723960e5f").unwrap();
            assert_eq!(&*own.facts.name, "finder");
            let patched = registry.hosts().into_iter().find(|host| !host.patch.notes.is_empty());
            assert_eq!(patched.unwrap().patch.notes, "rack 3");
            let sessions = store.reader().sessions(HOST, None, 10).unwrap();
            assert_eq!(sessions[0].1.close_reason.as_deref(), Some("lost"));
            let whose = Whose::Host(HostId::from_text(HOST).to_string());
            assert!(store.reader().statuses(&whose, None, 10).unwrap().len() >= 2);
        }
        let later = [&loaded.alerts, &loaded.silences, &loaded.catalog_entries];
        assert!(later.iter().all(|docs| docs.len() == usize::from(format >= 3)));
        let last = [&loaded.api_tokens, &loaded.join_tokens, &loaded.people];
        let last = last.into_iter().chain([&loaded.sign_ins, &loaded.agent_keys]);
        assert!(last.into_iter().all(|docs| docs.len() == usize::from(format >= 4)));
        let audit = store.reader().verify_audit().unwrap();
        assert_eq!((audit.intact, audit.n), (true, if format >= 4 { 2 } else { 0 }));
    }
}

#[tokio::test]
async fn what_is_brought_up_to_date_is_kept_as_it_was_the_newest_only() {
    for format in formats() {
        let (dir, _) = frozen(format);
        fs::write(dir.path().join("state.db.format-0"), "older still").unwrap();
        let before = fs::read(dir.path().join(DATABASE)).unwrap();
        Store::open(dir.path()).unwrap().0.close().await;
        let mut kept: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().contains(".format-"))
            .collect();
        if format == migrations::newest() {
            assert!(kept.pop().unwrap().ends_with("state.db.format-0"), "nothing was migrated");
            continue;
        }
        let kept = kept.pop().unwrap();
        assert!(kept.ends_with(format!("state.db.format-{format}")), "{kept:?}");
        // The two bytes by which a database says that it has a log beside it differ.
        let bytes = fs::read(&kept).unwrap();
        assert_eq!(bytes.len(), before.len());
        assert_eq!(bytes[100..], before[100..], "format {format}");
        // An older version starts from it again, and so does this one.
        fs::rename(&kept, dir.path().join(DATABASE)).unwrap();
        assert_eq!(Store::open(dir.path()).unwrap().1.hosts.len(), 2);
    }
}

#[tokio::test]
async fn what_was_brought_up_to_date_is_written_like_any_other() {
    let (dir, _) = frozen(1);
    let (store, _) = Store::open(dir.path()).unwrap();
    let doc = json!({"n": 1}).to_string();
    let row = |kind| Row { kind, id: HOST.to_owned(), doc: Some(doc.clone()) };
    store.write(vec![row(RowKind::Host), row(RowKind::Alert)]).await.unwrap();
    store.close().await;
    let (_, loaded) = Store::open(dir.path()).unwrap();
    assert!(loaded.hosts.contains(&doc) && loaded.hosts.len() == 2);
    assert_eq!(loaded.alerts, [doc]);
}
