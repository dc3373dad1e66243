//! The figures over HTTP.

use serde_json::json;

use crate::api::testing::App;
use crate::ingest::dropped::DropReason;
use crate::registry::moment::Moment;
use crate::registry::testing::*;

#[tokio::test]
async fn the_fleet_is_counted_and_the_collector_too() {
    let app = App::new();
    let opened = connect(&app.registry, 1, Moment::now());
    app.registry.take_sample(&opened, sample(), Moment::now());
    app.desk.dropped.count(DropReason::TooLarge);
    let stats = app.get("/api/v1/stats").await.body;
    assert_eq!(stats["hosts"]["online"], 1, "{stats}");
    let snapshot = app.get("/api/v1/snapshot").await.body;
    assert_eq!(stats["counts"], snapshot["counts"]);
    for (field, value) in snapshot["counts"].as_object().unwrap() {
        assert_eq!(&stats[field], value, "{field}");
    }
    assert_eq!((&stats["epoch"], &stats["seq"]), (&snapshot["epoch"], &snapshot["seq"]));
    assert_eq!(stats["changes_total"], snapshot["seq"]);
    assert_eq!((&stats["samples_total"], &stats["agents"]), (&json!(1), &json!(1)));
    let dropped = &stats["dropped"];
    assert_eq!((&dropped["too_large"], &dropped["bad_frame"]), (&json!(1), &json!(0)));
    assert_eq!(stats["sessions_closed"]["lost"], 0);
    assert_eq!(stats["store_state"], "ok");
    assert_eq!(stats["disk"], json!(null), "nothing measures it here");
    for field in
        ["samples_per_second", "store_queue", "sweep_lateness_ms", "uptime_s", "stalls_total"]
    {
        assert!(stats[field].is_number(), "{field}: {stats}");
    }
}
