//! The samples of a host over HTTP.

use herdbook_shared::wire::sample::Sample;
use serde_json::Value;

use crate::api::testing::App;
use crate::registry::testing::{connect, gpu_sample, sample};
use crate::series::Until;

use super::*;

/// A host that sampled each second for so long, until now.
pub(in crate::api) fn sampled(app: &App, seconds: i64) -> String {
    let now = Moment::now();
    let opened = connect(&app.registry, 1, now);
    for ago in (0..seconds).rev() {
        let at = Timestamp::from_unix_ms(now.at.unix_ms() - 1000 * ago);
        let gpus = Some(vec![gpu_sample("GPU-0")]);
        let seq = u64::try_from(seconds - ago).unwrap();
        let sample = Sample { seq, gpus, ..sample() };
        app.registry.take_sample(&opened, sample, Moment { at, ..now });
    }
    opened.host_id.to_string()
}

fn column(body: &Value, name: &str) -> Vec<Value> {
    let columns = body["columns"].as_array().unwrap();
    let index = columns.iter().position(|column| column == name).unwrap();
    body["rows"].as_array().unwrap().iter().map(|row| row[index].clone()).collect()
}

#[tokio::test]
async fn the_last_minutes_are_told_by_the_second_and_longer_ones_by_the_minute() {
    let app = App::new();
    let id = sampled(&app, 400);
    let path = format!("/api/v1/hosts/{id}/samples");
    let answer = app.get(&path).await;
    assert_eq!((answer.status, &answer.body["step_s"]), (200, &1.into()), "{answer:?}");
    assert_eq!(column(&answer.body, "cpu_percent"), vec![Value::from(12.5); 400]);
    assert_eq!(answer.body["missing"]["load1"], "cannot_tell");

    let now = Moment::now();
    app.keeper.lock().unwrap().tick(&app.registry, Until::Step, now).unwrap();
    let answer = app.get(&format!("{path}?minutes=60")).await;
    assert_eq!((&answer.body["step_s"], &answer.body["complete"]), (&60.into(), &true.into()));
    let n_samples = column(&answer.body, "n_samples");
    assert_eq!(n_samples.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 400);
    assert!((7..=8).contains(&n_samples.len()), "{n_samples:?}");
    let at = column(&answer.body, "at");
    let second = at[1].as_str().unwrap();
    assert!(second.ends_with(":00.000Z"), "{second}");
    let fourth = at[3].as_str().unwrap();
    let answer = app.get(&format!("{path}?from={second}&to={fourth}&step=30")).await;
    assert_eq!((&answer.body["step_s"], column(&answer.body, "at").len()), (&30.into(), 4));
    assert_eq!(column(&answer.body, "gpus.GPU-0.utilization_percent_max"), vec![50.0; 4]);
}

#[tokio::test]
async fn what_is_misspelt_or_makes_no_sense_is_named() {
    let app = App::new();
    let id = sampled(&app, 1);
    for (query, field) in [
        ("minute=5", "minute"),
        ("minutes=0", "minutes"),
        ("minutes=ten", "minutes"),
        ("minutes=5&minutes=6", "minutes"),
        ("minutes=5&from=2026-11-20T10:00:00Z", "minutes"),
        ("from=yesterday", "from"),
        ("from=2026-11-20T10:00:00Z&to=2026-11-20T09:00:00Z", "from"),
        ("from=2999-11-20T10:00:00Z", "from"),
        ("to=1795000000", "to"),
        ("to=2026-11-20T10:00:00%2B25:00", "to"),
        ("to=2026-11-20T10:00:00-24:00", "to"),
        ("to=9999-12-32T10:00:00Z", "to"),
        ("to=9999", "to"),
        ("step=0", "step"),
        ("step=1m", "step"),
        ("step=99999999999", "step"),
    ] {
        let answer = app.get(&format!("/api/v1/hosts/{id}/samples?{query}")).await;
        assert_eq!((answer.status, answer.field()), (422, field), "{query}: {answer:?}");
    }
    assert_eq!(app.get("/api/v1/hosts/nobody/samples").await.status, 404);
    for query in [
        "from=0001-01-01T00:00:00Z",
        "to=0001-01-01T00:00:00Z",
        "minutes=5270400",
        "to=9999-12-31T23:59:59Z",
        "to=2026-11-20T10:00:00-23:59",
    ] {
        let answer = app.get(&format!("/api/v1/hosts/{id}/samples?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
    }
}
