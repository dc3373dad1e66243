//! The series over HTTP, with the guard in front.

use std::sync::Arc;

use crate::api::testing::App;
use crate::ingest::dropped::DropReason;
use crate::metrics::exposition::PIECE_BYTES;
use crate::metrics::meters::SCRAPES_MAX;
use crate::metrics::testing::Parsed;
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::finding::Severity;
use crate::registry::moment::Moment;
use crate::registry::testing::*;

fn with_hosts(n_hosts: u8) -> App {
    let app = App::new();
    for n in 1..=n_hosts {
        let opened = connect(&app.registry, n, Moment::now());
        let ollama = service("0.0.0.0", 11434, vec![model("a", true)]);
        app.registry.take_inventory(&opened, vec![ollama], Moment::now());
        app.registry.take_sample(&opened, sample(), Moment::now());
    }
    app
}

async fn told(app: &App) -> Parsed {
    let (text, kind) = app.text("/metrics").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    Parsed::of(&text)
}

#[tokio::test]
async fn the_collector_tells_of_itself_and_counts_only_up() {
    let app = with_hosts(2);
    let before = told(&app).await;
    let get = |told: &Parsed, name: &str| told.get(name, &[]).unwrap();
    assert_eq!(
        before.get("herdbook_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        Some(1.0)
    );
    assert_eq!(get(&before, "herdbook_collector_agents"), 2.0);
    assert_eq!(get(&before, "herdbook_collector_samples_total"), 2.0);
    assert_eq!(get(&before, "herdbook_collector_sessions_opened_total"), 2.0);
    assert_eq!(before.get("herdbook_collector_hosts", &[("status", "online")]), Some(2.0));
    assert_eq!(before.get("herdbook_collector_hosts", &[("status", "stale")]), Some(0.0));
    assert_eq!(before.get("herdbook_collector_store_state", &[("state", "ok")]), Some(1.0));
    assert_eq!(before.get("herdbook_collector_store_state", &[("state", "failing")]), Some(0.0));
    assert!(get(&before, "process_resident_memory_bytes") > 1e6);

    app.desk.dropped.count(DropReason::BadField);
    let (kind, id) = (SubjectKind::Collector, "collector".into());
    let subject = AlertSubject { kind, name: Arc::clone(&id), id };
    let (rule, severity) = ("a_rule".into(), Severity::Critical);
    let (id, message, raised_at) = ("1".into(), "told".to_owned(), Moment::now().at);
    let (part, cause, resolved_at) = (None, None, None);
    let alert = Alert { id, rule, severity, subject, part, message, cause, raised_at, resolved_at };
    app.registry.raise_alert(Arc::new(alert), Moment::now()).unwrap();
    let after = told(&app).await;
    let bad_field = [("reason", "bad_field")];
    let dropped = |told: &Parsed| told.get("herdbook_collector_dropped_total", &bad_field);
    assert_eq!((dropped(&before), dropped(&after)), (Some(0.0), Some(1.0)));
    let open = [("severity", "critical")];
    assert_eq!(after.get("herdbook_collector_alerts_open", &open), Some(1.0));
    for (name, _) in before.families.iter().filter(|(_, kind)| kind == "counter") {
        for ((_, labels), value) in before.samples.iter().filter(|((own, _), _)| own == name) {
            let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert!(after.get(name, &labels).unwrap() >= *value, "{name} {labels:?}");
        }
    }
}

#[tokio::test]
async fn one_host_is_told_by_id_or_name_without_the_collector() {
    let app = with_hosts(3);
    let by_id = Parsed::of(&app.text(&format!("/metrics?host={}", host_id(2))).await.0);
    let by_name = Parsed::of(&app.text("/metrics?host=gpu-2").await.0);
    assert_eq!(by_id.samples.len(), by_name.samples.len());
    assert_eq!(by_id.all("herdbook_host_up", &[]), [1.0]);
    assert_eq!(by_id.all("herdbook_service_up", &[]).len(), 1);
    assert_eq!(by_id.all("herdbook_model_loaded", &[("service", "gpu-2:11434")]), [1.0]);
    assert_eq!(by_id.all("herdbook_build_info", &[]), [0.0; 0]);
    assert_eq!(app.get("/metrics?host=nobody").await.status, 404);
}

#[tokio::test]
async fn an_answer_that_is_not_read_holds_its_room_and_one_that_is_dropped_gives_it_back() {
    let app = with_hosts(1);
    let mut open = Vec::new();
    for _ in 0..SCRAPES_MAX {
        open.push(app.open("/metrics").await);
    }
    let refused = app.get("/metrics").await;
    assert_eq!((refused.status, refused.header("content-type")), (503, "application/problem+json"));
    open.pop();
    told(&app).await;
    drop(open);
    told(&app).await;
}

#[tokio::test]
async fn an_answer_comes_in_pieces() {
    use http_body_util::BodyExt;

    let app = with_hosts(100);
    let mut body = app.open("/metrics").await.into_body();
    let mut sizes = Vec::new();
    while let Some(frame) = body.frame().await {
        sizes.push(frame.unwrap().into_data().unwrap().len());
    }
    assert!(sizes.len() > 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < PIECE_BYTES + 4096), "{sizes:?}");
}
