use crate::config::Liveness;
use crate::registry::alert::AlertSubject;
use crate::registry::moment::Moment;
use crate::registry::service::{Check, Source};
use crate::registry::testing::{checked_by, connect, host_id};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_795_000_000_000)
}

struct World {
    silences: Silences,
    store: Store,
    dir: tempfile::TempDir,
}

fn world() -> World {
    let registry = Arc::new(Registry::new(Liveness::default()));
    connect(&registry, 1, Moment::now());
    let mut declared = checked_by("http://10.0.0.9:8888", Check::Heartbeat);
    declared.labels = Some([("tier".to_owned(), "gold".to_owned())].into());
    registry.list("s", Source::Own, declared, Moment::now());
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    World { silences: Silences::of_docs(&[], registry), store, dir }
}

impl World {
    async fn add(&self, matcher: serde_json::Value, seconds: i64) -> Result<Arc<str>, String> {
        let matcher = serde_json::from_value(matcher).map_err(|error| error.to_string())?;
        let until = Timestamp::from_unix_ms(now().unix_ms() + 1000 * seconds);
        let added = self.silences.add(&self.store, matcher, until, String::new(), now()).await;
        added.map(|silence| Arc::clone(&silence.id)).map_err(|error| error.to_string())
    }
}

fn alert(rule: &str, kind: SubjectKind, id: &str, name: &str) -> Alert {
    Alert {
        id: "a".into(),
        rule: rule.into(),
        severity: Severity::Warning,
        subject: AlertSubject { kind, id: id.into(), name: name.into() },
        part: None,
        message: String::new(),
        cause: None,
        raised_at: now(),
        resolved_at: None,
    }
}

#[tokio::test]
async fn an_alert_is_silenced_where_all_of_the_matcher_is_so() {
    let host = alert("gpu_hot", SubjectKind::Host, host_id(1).as_str(), "gpu-1");
    let service = alert("service_down", SubjectKind::Service, "s", "a");
    let fleet = alert("mass_event", SubjectKind::Fleet, "fleet", "fleet");
    for (matcher, expected) in [
        (serde_json::json!({"rule": "gpu_hot"}), [true, false, false]),
        (serde_json::json!({"severity": "warning"}), [true, true, true]),
        (serde_json::json!({"severity": "critical"}), [false, false, false]),
        (serde_json::json!({"subject": {"kind": "service"}}), [false, true, false]),
        (serde_json::json!({"subject": {"name": "gpu-1"}}), [true, false, false]),
        (serde_json::json!({"subject": {"id": "s", "kind": "host"}}), [false, false, false]),
        (serde_json::json!({"label": "zone=a"}), [true, false, false]),
        (serde_json::json!({"label": "zone"}), [true, false, false]),
        (serde_json::json!({"label": "zone=b"}), [false, false, false]),
        (serde_json::json!({"label": "tier=gold"}), [false, true, false]),
        (serde_json::json!({"label": "tier=gold", "rule": "gpu_hot"}), [false, false, false]),
    ] {
        let world = world();
        let id = world.add(matcher.clone(), 60).await.unwrap();
        let silenced = [&host, &service, &fleet].map(|alert| {
            let by = world.silences.silenced_by(alert, now());
            assert!(by.is_none() || by == Some(Arc::clone(&id)));
            by.is_some()
        });
        assert_eq!(silenced, expected, "{matcher}");
    }
}

#[tokio::test]
async fn one_is_over_at_its_end_or_when_it_is_removed() {
    let world = world();
    let hot = alert("gpu_hot", SubjectKind::Host, "h", "gpu-1");
    let at = |seconds: i64| Timestamp::from_unix_ms(now().unix_ms() + 1000 * seconds);
    let matcher = serde_json::json!({"rule": "gpu_hot"});
    let short = world.add(matcher.clone(), 60).await.unwrap();
    let long = world.add(matcher, 100).await.unwrap();
    assert_eq!(world.silences.silenced_by(&hot, at(59)), Some(Arc::clone(&long)));
    assert!(world.silences.remove(&world.store, &long).await.unwrap());
    assert!(!world.silences.remove(&world.store, &long).await.unwrap());
    assert_eq!(world.silences.silenced_by(&hot, at(59)), Some(Arc::clone(&short)));
    assert_eq!(world.silences.silenced_by(&hot, at(60)), None);
    assert_eq!((world.silences.list(at(59)).len(), world.silences.list(at(60)).len()), (1, 0));
    world.silences.prune(&world.store, at(60)).await;
    assert_eq!(world.silences.list(at(0)).len(), 0);
}

#[tokio::test]
async fn they_outlive_the_collector_and_what_was_removed_does_not() {
    let world = world();
    let kept = world.add(serde_json::json!({"label": "zone=a"}), 60).await.unwrap();
    let gone = world.add(serde_json::json!({"rule": "gpu_hot"}), 60).await.unwrap();
    world.silences.remove(&world.store, &gone).await.unwrap();
    world.store.close().await;
    let (_store, loaded) = Store::open(world.dir.path()).unwrap();
    let docs: Vec<_> = loaded.silences.into_iter().chain(["{}".to_owned()]).collect();
    let again = Silences::of_docs(&docs, Arc::clone(&world.silences.registry));
    assert_eq!(again.list(now()), world.silences.list(now()));
    assert_eq!(again.list(now())[0].id, kept);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_field() {
    let world = world();
    for (matcher, seconds, words) in [
        (serde_json::json!({}), 60, "matcher must be an object that says at least one of"),
        (serde_json::json!({"subject": {}}), 60, "matcher must be"),
        (serde_json::json!({"rule": "gpu_cold"}), 60, "matcher.rule must be one of host_offline"),
        (serde_json::json!({"severity": "bad"}), 60, "one of info, warning, critical"),
        (serde_json::json!({"subject": {"kind": "gpu"}}), 60, "matcher.subject.kind must be one"),
        (serde_json::json!({"subject": {"name": ""}}), 60, "matcher.subject.name must be 1 to 256"),
        (serde_json::json!({"label": "a\nb"}), 60, "matcher.label must be"),
        (serde_json::json!({"rule": "gpu_hot"}), 0, "until must be a time to come"),
        (serde_json::json!({"rule": "gpu_hot"}), 400 * 86_400, "within a year"),
    ] {
        let refused = world.add(matcher.clone(), seconds).await.unwrap_err();
        assert!(refused.contains(words), "{matcher}: {refused}");
    }
    assert_eq!(world.silences.list(now()).len(), 0);
}

#[tokio::test]
async fn there_is_room_for_some_and_a_full_disk_takes_none() {
    let world = world();
    let many = (0..SILENCES_MAX).map(|n| {
        let id: Arc<str> = n.to_string().into();
        let until = Timestamp::from_unix_ms(now().unix_ms() + 1000);
        let comment = String::new();
        let matcher = Matcher::default();
        (Arc::clone(&id), Arc::new(Silence { id, matcher, until, comment, created_at: now() }))
    });
    world.silences.all.store(Arc::new(many.collect()));
    let refused = world.add(serde_json::json!({"rule": "gpu_hot"}), 60).await.unwrap_err();
    assert!(refused.contains("1000 silences already"), "{refused}");

    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_bounded(dir.path(), 40).unwrap();
    let filler = "x".repeat(200_000);
    let filled = store.write(vec![row("filler", Some(filler))]).await;
    assert!(matches!(filled, Err(WriteError::DiskFull)), "{filled:?}");
    let mut n_added = 0;
    world.silences.all.store(Arc::default());
    let matcher = Matcher { rule: Some("gpu_hot".to_owned()), ..Matcher::default() };
    let until = Timestamp::from_unix_ms(now().unix_ms() + 1000);
    let refused = loop {
        let comment = "x".repeat(COMMENT_BYTES);
        match world.silences.add(&store, matcher.clone(), until, comment, now()).await {
            Ok(_) => n_added += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SilenceError::Write(WriteError::DiskFull)), "{refused:?}");
    assert_eq!(world.silences.list(now()).len(), n_added, "what was not kept does not hold");
}

#[tokio::test]
async fn those_that_are_over_make_room_for_others_the_first_that_was_first() {
    let world = world();
    let many = (0..SILENCES_MAX).map(|n| {
        let id: Arc<str> = n.to_string().into();
        let until = Timestamp::from_unix_ms(now().unix_ms() - i64::try_from(n).unwrap());
        let (matcher, comment) = (Matcher::default(), String::new());
        (Arc::clone(&id), Arc::new(Silence { id, matcher, until, comment, created_at: now() }))
    });
    world.silences.all.store(Arc::new(many.collect()));
    let added = world.add(serde_json::json!({"rule": "gpu_hot"}), 60).await.unwrap();
    let all = world.silences.all.load_full();
    assert_eq!((all.len(), all.contains_key("999")), (SILENCES_MAX, false));
    assert!(all.contains_key("998") && all.contains_key(&*added));
}
