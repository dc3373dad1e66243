//! Streams of both kinds, on the paused clock.

use std::time::Duration;

use axum::extract::ws::{Message, close_code};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::api::events::story::{SocketReader, SseReader, now, overrun};
use crate::api::events::{KEEP_ALIVE, STREAMS_MAX};
use crate::api::testing::App;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;

use super::*;

fn tell(app: &App, kind: ChangeKind) {
    app.registry.tell_any(kind, Moment::now());
}

#[tokio::test(start_paused = true)]
async fn events_carry_their_cursor_their_type_and_the_change() {
    let app = App::new();
    tell(&app, ChangeKind::GpuLost);
    let mut reader = SseReader::open(&app, "", None).await;
    assert_eq!(reader.ready().await, None, "it begins now");
    assert_eq!(reader.last_id, now(&app.registry), "and who loses it at once can come back");
    assert!(reader.retry_ms.is_some_and(|ms| (2_000..=4_000).contains(&ms)));
    tell(&app, ChangeKind::ServiceDown);
    let event = reader.next().await.unwrap();
    assert_eq!((event.id, event.kind.as_str()), (now(&app.registry), "service.down"));
    assert_eq!((&event.data["type"], &event.data["seq"]), (&json!("service.down"), &json!(2)));
    assert_eq!(event.data["cause"], "a test");
}

#[tokio::test(start_paused = true)]
async fn the_header_counts_more_than_the_parameter() {
    let app = App::new();
    let begin = now(&app.registry);
    tell(&app, ChangeKind::GpuLost);
    let later = now(&app.registry);
    tell(&app, ChangeKind::GpuRecovered);
    let query = format!("?since={begin}");
    let kinds = async |last_id: Option<&str>| {
        let events = SseReader::open(&app, &query, last_id).await.all_ready().await;
        events.into_iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(None).await, ["gpu.lost", "gpu.recovered"]);
    assert_eq!(kinds(Some("")).await, ["gpu.lost", "gpu.recovered"]);
    assert_eq!(kinds(Some(&later)).await, ["gpu.recovered"]);
    let path = "/api/v1/events/stream";
    let headers = [("last-event-id", "17")];
    let refused = app.send(axum::http::Method::GET, path, &headers, "").await;
    assert_eq!((refused.status, refused.field()), (422, "Last-Event-ID"));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_too_late_is_told_to_begin_anew_and_goes_on() {
    let app = App::new();
    let old = now(&app.registry);
    overrun(&app.registry);
    for last_id in [old.as_str(), "0123456789abcdef:4"] {
        let mut reader = SseReader::open(&app, "?types=gpu.", Some(last_id)).await;
        let reset = reader.next().await.unwrap();
        assert_eq!((reset.kind.as_str(), &reset.id), ("reset", &now(&app.registry)));
        assert_eq!(reset.data["next"], reset.id);
        assert!(reset.data["cause"].as_str().is_some_and(|cause| cause.contains("cursor")));
        tell(&app, ChangeKind::GpuLost);
        assert_eq!(reader.next().await.unwrap().kind, "gpu.lost");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_told_so_in_the_stream() {
    let app = App::new();
    let mut reader = SseReader::open(&app, "", None).await;
    assert_eq!(reader.ready().await, None);
    tell(&app, ChangeKind::GpuLost);
    overrun(&app.registry);
    let reset = reader.next().await.unwrap();
    assert_eq!((reset.kind.as_str(), &reset.id), ("reset", &now(&app.registry)));
    tell(&app, ChangeKind::GpuLost);
    assert_eq!(reader.next().await.unwrap().kind, "gpu.lost");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_every_15_seconds_and_moves_the_cursor_on() {
    let app = App::new();
    let mut reader = SseReader::open(&app, "?types=gpu.", None).await;
    assert_eq!(reader.ready().await, None);
    let begun = Instant::now();
    let later = async {
        sleep(2 * KEEP_ALIVE + KEEP_ALIVE / 2).await;
        tell(&app, ChangeKind::ServiceDown);
        let passed_over = now(&app.registry);
        sleep(KEEP_ALIVE).await;
        tell(&app, ChangeKind::GpuLost);
        passed_over
    };
    let before = reader.last_id.clone();
    let (event, passed_over) = tokio::join!(reader.next(), later);
    assert_eq!(begun.elapsed(), 3 * KEEP_ALIVE + KEEP_ALIVE / 2);
    // One when it opened, two in silence, one with the cursor after what is not wanted.
    assert_eq!((reader.n_signs, event.unwrap().kind.as_str()), (4, "gpu.lost"));
    assert_ne!(before, passed_over);
    // The sign of life had moved its cursor.
    let mut reader = SseReader::open(&app, "?types=gpu.", Some(&passed_over)).await;
    tell(&app, ChangeKind::ServiceDown);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(reader.ready().await.unwrap().kind, "gpu.lost");
    assert_eq!(reader.ready().await, None);
    let passing = tokio::time::timeout(KEEP_ALIVE + KEEP_ALIVE / 2, reader.next()).await;
    assert!(passing.is_err());
    assert_eq!(reader.last_id, now(&app.registry));
}

#[tokio::test(start_paused = true)]
async fn the_stop_ends_it() {
    let app = App::new();
    let mut reader = SseReader::open(&app, "", None).await;
    assert_eq!(reader.ready().await, None);
    let stopping = async {
        sleep(Duration::from_secs(3)).await;
        app.stop.cancel();
    };
    let begun = Instant::now();
    let (end, ()) = tokio::join!(reader.next(), stopping);
    assert_eq!((end, begun.elapsed().as_secs()), (None, 3));
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_streams_and_who_leaves_makes_room() {
    let app = App::new();
    let mut readers = Vec::new();
    for _ in 0..STREAMS_MAX {
        readers.push(SseReader::open(&app, "", None).await);
    }
    let refused = app.get("/api/v1/events/stream").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    readers.pop();
    SseReader::open(&app, "", None).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_wrongly_is_named() {
    let app = App::new();
    for (query, field) in [
        ("since=x", "since"),
        ("types=nonsense", "types"),
        ("view=half", "view"),
        ("wait=3", "wait"),
        ("limit=3", "limit"),
    ] {
        let answer = app.get(&format!("/api/v1/events/stream?{query}")).await;
        assert_eq!((answer.status, answer.field()), (422, field), "{query}");
    }
    let headers = [("upgrade", "websocket")];
    let answer = app.send(axum::http::Method::GET, "/api/v1/events/stream", &headers, "").await;
    assert!((400..500).contains(&answer.status), "an upgrade that is none: {answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_begins_with_its_cursor_and_tells_changes() {
    let app = App::new();
    let words = Words { types: Some("gpu."), ..Words::default() };
    let mut reader = SocketReader::open(&app, None, words);
    let first = reader.next().await.unwrap();
    assert_eq!((&first["type"], &first["next"]), (&json!("cursor"), &json!(now(&app.registry))));
    tell(&app, ChangeKind::ServiceDown);
    tell(&app, ChangeKind::GpuLost);
    let frame = reader.next().await.unwrap();
    assert_eq!((&frame["type"], &frame["change"]["type"]), (&json!("change"), &json!("gpu.lost")));
    tell(&app, ChangeKind::ServiceDown);
    assert_eq!(reader.ready().await, None);
    let begun = Instant::now();
    let cursor = reader.next().await.unwrap();
    assert_eq!((&cursor["type"], &cursor["seq"]), (&json!("cursor"), &json!(3)));
    assert!(begun.elapsed() <= KEEP_ALIVE);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_comes_too_late_or_reads_too_slowly_is_told_so() {
    let app = App::new();
    let old = now(&app.registry);
    overrun(&app.registry);
    let mut reader = SocketReader::open(&app, Some(&old), Words::default());
    let reset = reader.next().await.unwrap();
    assert_eq!((&reset["type"], &reset["next"]), (&json!("reset"), &json!(now(&app.registry))));
    tell(&app, ChangeKind::GpuLost);
    assert_eq!(reader.next().await.unwrap()["change"]["type"], "gpu.lost");
    assert_eq!(reader.ready().await, None);
    overrun(&app.registry);
    assert_eq!(reader.next().await.unwrap()["type"], "reset");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_does_not_read_is_let_go() {
    let app = App::new();
    let mut reader = SocketReader::open(&app, None, Words::default());
    let begun = Instant::now();
    for _ in 0..10 {
        tell(&app, ChangeKind::GpuLost);
    }
    reader.served.join_next().await.unwrap().unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_told_of_the_stop_and_says_nothing_itself() {
    let app = App::new();
    let mut reader = SocketReader::open(&app, None, Words::default());
    reader.next().await.unwrap();
    reader.far.to.send(Ok(Message::Text("hello".into()))).await.unwrap();
    assert_eq!(reader.next().await.unwrap()["detail"], "nothing is read here");
    reader.stop.cancel();
    let Some(Message::Close(Some(close))) = reader.far.from.next().await else {
        panic!("no close")
    };
    assert_eq!(close.code, close_code::RESTART);
    reader.served.join_next().await.unwrap().unwrap();
}
