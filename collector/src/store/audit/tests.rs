use super::super::{Entry, Row, RowKind, Store, StoreState, WriteError, migrations};
use super::*;

fn row(n: usize) -> AuditRow {
    AuditRow {
        at: Timestamp::from_unix_ms(1_000 + i64::try_from(n).unwrap()),
        actor: "anna".to_owned(),
        action: "patch_host".to_owned(),
        subject: Some(format!("gpu-{n}")),
        from_address: Some("192.0.2.1".to_owned()),
        detail: "notes".to_owned(),
    }
}

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection).unwrap();
    connection
}

fn filled(n: usize, bounds: AuditBounds) -> Connection {
    let connection = database();
    (0..n).for_each(|n| put(&connection, &row(n), &bounds).unwrap());
    connection
}

#[test]
fn a_row_follows_from_the_one_before_it() {
    let connection = filled(5, AUDIT_BOUNDS);
    let verdict = verify(&connection).unwrap();
    assert!(verdict.intact);
    assert_eq!((verdict.n, verdict.first_seq, verdict.broken_at), (5, Some(1), None));
    let newest = list(&connection, None, 2).unwrap();
    assert_eq!([newest[0].seq, newest[1].seq], [5, 4]);
    assert_eq!(verdict.head.unwrap().hash, newest[0].hash);
    assert_eq!(list(&connection, Some(2), 10).unwrap()[0].subject.as_deref(), Some("gpu-0"));
}

#[test]
fn the_hashes_are_what_they_always_were() {
    // Frozen: they stand in databases.
    let first = list(&filled(1, AUDIT_BOUNDS), None, 1).unwrap();
    assert_eq!(first[0].hash, "942b04f3db38f2351598d11f7e8567b5c33f2767a5bfffad4a064d01927a8325");
}

#[test]
fn an_empty_log_is_intact() {
    let verdict = verify(&database()).unwrap();
    assert_eq!((verdict.intact, verdict.n, verdict.head), (true, 0, None));
}

#[test]
fn tampering_with_any_column_of_any_row_is_found() {
    let changes = [
        "UPDATE audit SET seq = seq + 100 WHERE seq = ?1",
        "UPDATE audit SET at = at + 1 WHERE seq = ?1",
        "UPDATE audit SET at = 'then' WHERE seq = ?1",
        "UPDATE audit SET doc = replace(doc, 'anna', 'otto') WHERE seq = ?1",
        "UPDATE audit SET doc = doc || ' ' WHERE seq = ?1",
        "UPDATE audit SET doc = X'FF' WHERE seq = ?1",
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = ?1",
        "UPDATE audit SET hash = 'text' WHERE seq = ?1",
        "DELETE FROM audit WHERE seq = ?1",
    ];
    for change in changes {
        for seq in 1..=5 {
            let connection = filled(5, AUDIT_BOUNDS);
            assert_eq!(connection.execute(change, [seq]).unwrap(), 1, "{change}");
            let verdict = verify(&connection).unwrap();
            let moved = !change.contains("doc") && !change.contains("at = ");
            let found = verdict.broken_at.unwrap_or_else(|| panic!("{change} of {seq}"));
            assert!(found == seq || (moved && found > seq), "{change} of {seq}: {found}");
            // It is found by whoever looks; it does not keep anybody from writing.
            put(&connection, &row(9), &AUDIT_BOUNDS).unwrap();
            assert!(!verify(&connection).unwrap().intact, "{change} of {seq}");
            assert!(list(&connection, None, 100).unwrap().len() >= 5);
        }
    }
}

#[test]
fn a_row_put_in_or_cut_off_is_found_and_a_note_that_was_changed_as_well() {
    for change in [
        "INSERT INTO audit SELECT 6, at, doc, hash FROM audit WHERE seq = 5",
        "INSERT INTO audit SELECT 0, at, doc, hash FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq >= 4",
        "DELETE FROM audit WHERE seq <= 2",
        "DELETE FROM audit",
        "UPDATE meta SET value = '9:00' WHERE key = 'audit_head'",
        "DELETE FROM meta WHERE key = 'audit_head'",
    ] {
        let connection = filled(5, AUDIT_BOUNDS);
        connection.execute(change, []).unwrap();
        assert!(!verify(&connection).unwrap().intact, "{change}");
    }
}

#[test]
fn the_oldest_are_pruned_and_the_rest_still_follows() {
    let bounds = AuditBounds { rows: 10, a_pass: 4 };
    let connection = database();
    for n in 0..100 {
        put(&connection, &row(n), &bounds).unwrap();
        let verdict = verify(&connection).unwrap();
        assert!(verdict.intact, "{n}: {verdict:?}");
        assert!(verdict.n <= 10, "{n}: {verdict:?}");
    }
    let first = verify(&connection).unwrap().first_seq.unwrap();
    assert!(first > 80, "{first}");
    connection.execute("DELETE FROM audit WHERE seq = ?1", [first]).unwrap();
    assert_eq!(verify(&connection).unwrap().broken_at, Some(first + 1));
}

#[test]
fn what_a_row_holds_is_bounded() {
    let connection = database();
    let long = "ß".repeat(100_000);
    let row = AuditRow { actor: long.clone(), detail: long, ..row(0) };
    put(&connection, &row, &AUDIT_BOUNDS).unwrap();
    let kept = &list(&connection, None, 1).unwrap()[0];
    assert_eq!(kept.actor.chars().count(), TEXT_CHARACTERS);
    assert!(kept.detail.len() <= DETAIL_BYTES && kept.detail.len() > DETAIL_BYTES - 2);
    assert!(verify(&connection).unwrap().intact);
}

#[tokio::test]
async fn a_row_and_what_it_tells_are_kept_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let person = |doc: &str| {
        vec![Row { kind: RowKind::Person, id: "anna".to_owned(), doc: Some(doc.to_owned()) }]
    };
    store.commit(person("1"), vec![Entry::Audit(row(1))]).await.unwrap();
    let direct = Connection::open(dir.path().join("state.db")).unwrap();
    direct.execute("ALTER TABLE audit RENAME TO away", []).unwrap();
    let refused = store.commit(person("2"), vec![Entry::Audit(row(2))]).await;
    assert!(matches!(refused, Err(WriteError::Io(_))), "{refused:?}");
    direct.execute("ALTER TABLE away RENAME TO audit", []).unwrap();
    assert_eq!(store.state(), StoreState::Ok);
    let reader = store.reader();
    assert_eq!(reader.audit(None, 10).unwrap().len(), 1);
    assert!(reader.verify_audit().unwrap().intact);
    store.close().await;
    let (store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.people, ["1"]);
    store.append(vec![Entry::Audit(row(3))]).await.unwrap();
    let verdict = store.reader().verify_audit().unwrap();
    assert_eq!((verdict.intact, verdict.n), (true, 2));
}
