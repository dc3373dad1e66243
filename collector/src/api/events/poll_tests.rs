//! Long polls, asked of the whole API on the paused clock.

use serde_json::{Value, json};
use tokio::time::{advance, sleep};

use crate::api::events::story::{now, overrun};
use crate::api::testing::{Answer, App};
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;

use super::*;

fn tell(app: &App, kind: ChangeKind) {
    app.registry.tell_any(kind, Moment::now());
}

fn types(answer: &Answer) -> Vec<&str> {
    let events = answer.body["events"].as_array().unwrap();
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn without_a_cursor_it_begins_now_and_without_a_wait_it_answers_at_once() {
    let app = App::new();
    tell(&app, ChangeKind::GpuLost);
    let begun = Instant::now();
    let answer = app.get("/api/v1/events").await;
    let (epoch, seq) = app.registry.cursor();
    let expected =
        json!({"epoch": &*epoch, "seq": seq, "events": [], "next": format!("{epoch}:{seq}")});
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_eq!(answer.header("content-type"), "application/json");
    let same = app.get("/api/v1/events?since=&wait=&types=&host=&service=&model=&view=").await;
    assert_eq!(same.body, expected, "what is empty is not said");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_happened_since_is_told_once_and_in_order() {
    let app = App::new();
    let since = now(&app.registry);
    tell(&app, ChangeKind::GpuLost);
    tell(&app, ChangeKind::ServiceDown);
    tell(&app, ChangeKind::GpuRecovered);
    let first = app.get(&format!("/api/v1/events?since={since}&limit=2&wait=60")).await;
    assert_eq!(types(&first), ["gpu.lost", "service.down"]);
    let next = first.body["next"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/events?since={next}&limit=2")).await;
    assert_eq!(types(&second), ["gpu.recovered"]);
    assert_eq!(second.body["next"], now(&app.registry));
    let event = &second.body["events"][0];
    assert_eq!((&event["seq"], &event["epoch"]), (&second.body["seq"], &second.body["epoch"]));
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_what_is_wanted_and_the_cursor_moves_on_over_the_rest() {
    let app = App::new();
    let since = now(&app.registry);
    let path = format!("/api/v1/events?since={since}&wait=30&types=service.");
    let begun = Instant::now();
    let happening = async {
        tell(&app, ChangeKind::GpuLost);
        sleep(Duration::from_secs(10)).await;
        tell(&app, ChangeKind::HostOffline);
    };
    let (answer, ()) = tokio::join!(app.get(&path), happening);
    assert_eq!(begun.elapsed().as_secs(), 30, "nothing that is wanted happened");
    assert_eq!(types(&answer), [""; 0]);
    assert_eq!(
        (&answer.body["next"], &answer.body["seq"]),
        (&json!(now(&app.registry)), &json!(2))
    );

    let next = answer.body["next"].as_str().unwrap();
    let path = format!("/api/v1/events?since={next}&wait=30&types=service.");
    let happening = async {
        sleep(Duration::from_secs(7)).await;
        tell(&app, ChangeKind::GpuLost);
        tell(&app, ChangeKind::ServiceDown);
    };
    let (answer, ()) = tokio::join!(app.get(&path), happening);
    assert_eq!(begun.elapsed().as_secs(), 37, "it answers at once");
    assert_eq!(types(&answer), ["service.down"]);
}

#[tokio::test(start_paused = true)]
async fn the_stop_answers_who_waits() {
    let app = App::new();
    let stopping = async {
        sleep(Duration::from_secs(3)).await;
        app.stop.cancel();
    };
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(app.get("/api/v1/events?wait=60"), stopping);
    assert_eq!((answer.status, begun.elapsed().as_secs()), (200, 3));
    assert_eq!(answer.body["events"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_leads_nowhere_is_gone() {
    let app = App::new();
    let old = now(&app.registry);
    overrun(&app.registry);
    let ahead = format!("{}:999999", app.registry.cursor().0);
    for (since, why) in [
        (old.as_str(), "not kept any more"),
        ("0123456789abcdef:0", "another run"),
        (&ahead, "ahead"),
    ] {
        let answer = app.get(&format!("/api/v1/events?since={since}&wait=5")).await;
        assert_eq!((answer.status, answer.field()), (410, "since"), "{since}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("reset: ") && detail.contains(why), "{detail}");
        let expected = answer.body["expected"].as_str().unwrap();
        assert!(expected.ends_with(&now(&app.registry)), "{expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_ring_runs_over_is_told_so() {
    let app = App::new();
    let running_over = async { overrun(&app.registry) };
    let (answer, ()) = tokio::join!(app.get("/api/v1/events?wait=60&types=gpu.lost"), running_over);
    assert_eq!(answer.status, 410);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_wrongly_is_named() {
    let app = App::new();
    for (query, field) in [
        ("since=17", "since"),
        ("since=a:b", "since"),
        ("wait=61", "wait"),
        ("wait=-1", "wait"),
        ("wait=1.5", "wait"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("types=service.dwon", "types"),
        ("types=service.down,nonsense", "types"),
        ("view=half", "view"),
        ("type=service.down", "type"),
        ("wait=1&wait=2", "wait"),
    ] {
        let answer = app.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!((answer.status, answer.field()), (422, field), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_at_its_limit_of_bytes() {
    let app = App::new();
    let since = now(&app.registry);
    let large = json!({ "text": "x".repeat(64 * 1024) });
    for _ in 0..200 {
        let kind = ChangeKind::FleetMassOffline;
        app.registry.tell_mass(kind, large.clone(), "a test".to_owned(), Moment::now());
    }
    let (mut n_answers, mut seqs, mut next) = (0, Vec::new(), since);
    while seqs.len() < 200 {
        let answer = app.get(&format!("/api/v1/events?since={next}&limit=10000")).await;
        let events = answer.body["events"].as_array().unwrap();
        assert!(!events.is_empty() && answer.body.to_string().len() < 2 * ANSWER_BYTES);
        seqs.extend(events.iter().map(|event| event["seq"].as_u64().unwrap()));
        next = answer.body["next"].as_str().unwrap().to_owned();
        n_answers += 1;
    }
    assert_eq!(seqs, (1..=200).collect::<Vec<u64>>());
    assert!(n_answers > 2, "{n_answers}");
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_and_it_comes_back() {
    let room = Room::of(1, 0);
    let taken = room.for_poll().unwrap();
    let refused = room.for_poll().unwrap_err();
    assert_eq!(refused.status(), 503);
    let refused = axum::response::IntoResponse::into_response(refused);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert!(room.for_stream().is_err());
    drop(taken);
    assert!(room.for_poll().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_gives_its_room_back() {
    let app = App::new();
    let polls = (0..super::super::POLLS_MAX).map(|_| app.get("/api/v1/events?wait=60"));
    let polls: Vec<_> = polls.map(Box::pin).collect();
    let mut polls = futures_util::stream::FuturesUnordered::from_iter(polls);
    assert!(
        futures_util::FutureExt::now_or_never(futures_util::StreamExt::next(&mut polls)).is_none()
    );
    let answer = app.get("/api/v1/events?wait=1").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    assert_eq!(app.get("/api/v1/events").await.status, 200, "who does not wait needs no room");
    drop(polls);
    let begun = Instant::now();
    assert_eq!(app.get("/api/v1/events?wait=1").await.status, 200);
    advance(Duration::ZERO).await;
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_view_is_that_of_who_asks() {
    let app = App::over(&[("10.0.0.9:1", json!({"name": "a", "url": "http://10.0.0.9:1"}))]);
    let since = now(&app.registry);
    let body = json!({"role": "canary"});
    app.post("/api/v1/services/10.0.0.9%3A1/promote", body).await;
    let event = async |view: &str| -> Value {
        let answer = app.get(&format!("/api/v1/events?since={since}&view={view}")).await;
        answer.body["events"][0].clone()
    };
    let (full, summary) = (event("full").await, event("summary").await);
    assert_eq!(
        (&full["type"], &full["data"]["role"]),
        (&json!("service.promoted"), &json!("canary"))
    );
    assert!(summary["data"]["role"].is_null() && summary["data"]["id"] == "10.0.0.9:1");
}
