use crate::registry::alert::{AlertSubject, SubjectKind};
use crate::registry::finding::Severity;

use super::*;

pub(crate) fn alert(id: &str, raised_ms: i64, resolved_ms: Option<i64>) -> Arc<Alert> {
    Arc::new(Alert {
        id: id.into(),
        rule: "host_offline".into(),
        severity: Severity::Critical,
        subject: AlertSubject { kind: SubjectKind::Host, id: "h".into(), name: "gpu-1".into() },
        part: None,
        message: "host gpu-1 is offline".to_owned(),
        cause: None,
        raised_at: Timestamp::from_unix_ms(raised_ms),
        resolved_at: resolved_ms.map(Timestamp::from_unix_ms),
    })
}

fn ids(kept: &Kept) -> Vec<String> {
    kept.list(None, 100, |_| true).iter().map(|alert| alert.id.to_string()).collect()
}

fn docs(kept: &Kept) -> Vec<String> {
    kept.rows().into_iter().filter_map(|row| row.doc).collect()
}

#[test]
fn the_newest_come_first_and_a_cursor_goes_on_where_it_was() {
    let kept = Kept::default();
    for (id, ms) in [("b", -5), ("a", 7), ("c", 7), ("d", 9)] {
        kept.put(alert(id, ms, None));
    }
    assert_eq!(ids(&kept), ["d", "a", "c", "b"]);
    let last = kept.list(None, 3, |_| true)[2].clone();
    let cursor = Place::of(&last).cursor();
    let place = Place::of_cursor(&cursor).unwrap();
    assert_eq!(place, Place::of(&last));
    let rest = kept.list(Some(&place), 3, |_| true);
    assert_eq!(rest.iter().map(|alert| &*alert.id).collect::<Vec<_>>(), ["b"]);
    let negative = Place::of(&rest[0]).cursor();
    assert_eq!(Place::of_cursor(&negative), Some(Place::of(&rest[0])));
    for no_cursor in ["", "-", "7", "x-y", "--", "7a-b"] {
        assert_eq!(Place::of_cursor(no_cursor), None, "{no_cursor}");
    }
}

#[test]
fn a_row_of_an_older_version_is_read_with_its_part_or_without_one() {
    let row = |more: &str| {
        format!(
            r#"{{"id":"{}","rule":"gpu_lost","severity":"critical","subject":{{"kind":"host",
            "id":"h","name":"gpu-1"}},"message":"m","cause":null,
            "raised_at":"2026-11-20T09:00:00.000Z","resolved_at":null{more}}}"#,
            more.len()
        )
    };
    let kept = Kept::of_docs(&[row(""), row(r#","part":"GPU-0""#)]);
    let mut parts: Vec<_> =
        kept.restorable().into_iter().map(|stored| stored.alert.part.clone()).collect();
    parts.sort();
    assert_eq!(parts, [None, Some("GPU-0".into())]);
    let written: serde_json::Value =
        serde_json::to_value(&*kept.list(None, 1, |alert| alert.part.is_none())[0]).unwrap();
    assert_eq!(written["part"], serde_json::Value::Null);
}

#[test]
fn what_is_written_comes_back_with_its_part_and_its_members() {
    let kept = Kept::default();
    let of_gpu = |resolved_ms| {
        let part = Some("GPU-0".into());
        Arc::new(Alert { part, ..(*alert("a", 1, resolved_ms)).clone() })
    };
    kept.put(of_gpu(None));
    kept.put_members("a", vec!["h".into()]);
    kept.put(of_gpu(Some(2)));
    let docs = docs(&kept);
    assert_eq!(docs.len(), 1, "latest wins");
    let again = Kept::of_docs(&[docs[0].clone(), "{}".to_owned()]);
    let stored = again.restorable();
    assert_eq!(stored[0].alert.part.as_deref(), Some("GPU-0"));
    assert_eq!((stored[0].members.len(), stored.len()), (1, 1));
    assert_eq!(stored[0].alert, of_gpu(Some(2)));
    assert!(again.rows().is_empty());
}

#[test]
fn what_could_not_be_written_is_written_as_it_is_then() {
    let kept = Kept::default();
    kept.put(alert("a", 1, None));
    let batch = kept.take(Extent::All, 9);
    kept.put(alert("a", 1, Some(2)));
    kept.give_back(batch, &WriteError::DiskFull);
    let docs = docs(&kept);
    assert_eq!(docs.len(), 1);
    assert!(docs[0].contains("1970-01-01T00:00:00.002Z"), "{docs:?}");
}

#[test]
fn the_oldest_that_are_resolved_go_and_are_deleted() {
    let kept = Kept::default();
    kept.put(alert("open", 0, None));
    for n in 0..=RESOLVED_MAX {
        let ms = i64::try_from(n).unwrap();
        kept.put(alert(&format!("{n:05}"), ms, Some(ms)));
    }
    let all = kept.list(None, usize::MAX, |_| true);
    assert_eq!(all.len(), RESOLVED_MAX + 1);
    assert_eq!(&*all[RESOLVED_MAX].id, "open");
    let deleted: Vec<_> = kept.rows();
    let deleted: Vec<_> = deleted.iter().filter(|row| row.doc.is_none()).collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].id, "00000");

    kept.prune(Timestamp::from_unix_ms(RESOLVED_MS + 5_000));
    let n_left = kept.list(None, usize::MAX, |alert| alert.resolved_at.is_some()).len();
    assert_eq!(n_left, RESOLVED_MAX - 4_999);
    assert_eq!(kept.list(None, usize::MAX, |alert| alert.resolved_at.is_none()).len(), 1);
}
