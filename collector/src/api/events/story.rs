//! Readers of events, for tests: each protocol read to the letter.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::Message;
use axum::http::Method;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::live::pipe::{Far, pipe};
use crate::api::testing::App;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::ledger::RING_CHANGES_MIN;
use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::cursor::Cursor;
use super::filter::{Filter, Words};
use super::follower::Follower;
use super::socket;
use super::stream::Begin;

/// As long as nothing more is to come.
const QUIET: Duration = Duration::from_millis(1);

/// The cursor of now.
pub(super) fn now(registry: &Registry) -> String {
    let (epoch, seq) = registry.cursor();
    format!("{epoch}:{seq}")
}

/// Tells so much that the ring forgets what was told before.
pub(super) fn overrun(registry: &Registry) {
    for _ in 0..=RING_CHANGES_MIN {
        registry.tell_any(ChangeKind::FleetMassOffline, Moment::now());
    }
}

/// One event, as a reader of server-sent events is handed it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// The last id of the stream by then.
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) data: Value,
}

/// A reader of server-sent events.
pub(super) struct SseReader {
    body: Body,
    text: String,
    /// What it would come back with.
    pub(super) last_id: String,
    pub(super) retry_ms: Option<u64>,
    /// Blocks that were no event.
    pub(super) n_signs: usize,
}

impl SseReader {
    pub(super) async fn open(app: &App, query: &str, last_id: Option<&str>) -> Self {
        let path = format!("/api/v1/events/stream{query}");
        let headers = last_id.map(|id| ("last-event-id", id));
        let headers = headers.as_slice();
        let response = app.respond(Method::GET, &path, headers, "").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (last_id, body) = (String::new(), response.into_body());
        Self { body, text: String::new(), last_id, retry_ms: None, n_signs: 0 }
    }

    /// Reads one more piece; `None` once the stream has ended.
    async fn read_piece(&mut self) -> Option<()> {
        let frame = self.body.frame().await?.unwrap();
        self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        Some(())
    }

    /// The next event; `None` once the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            match self.block() {
                Some(Some(event)) => return Some(event),
                Some(None) => self.n_signs += 1,
                None => self.read_piece().await?,
            }
        }
    }

    /// The next event, where it is there already.
    pub(super) async fn ready(&mut self) -> Option<Event> {
        timeout(QUIET, self.next()).await.ok().flatten()
    }

    pub(super) async fn all_ready(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.ready().await {
            events.push(event);
        }
        events
    }

    /// Takes a whole block off the text: an event if it has data.
    fn block(&mut self) -> Option<Option<Event>> {
        let (block, rest) = self.text.split_once("\n\n")?;
        let (block, rest) = (block.to_owned(), rest.to_owned());
        self.text = rest;
        let (mut kind, mut data) = ("message".to_owned(), None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_id = id.to_owned(),
                Some(("event", word)) => kind = word.to_owned(),
                Some(("retry", ms)) => self.retry_ms = Some(ms.parse().unwrap()),
                Some(("data", json)) => data = Some(serde_json::from_str(json).unwrap()),
                _ => assert!(line.starts_with(':'), "no line of a stream: {line:?}"),
            }
        }
        let id = self.last_id.clone();
        Some(data.map(|data| Event { id, kind, data }))
    }
}

/// A reader over a WebSocket.
pub(super) struct SocketReader {
    pub(super) far: Far,
    pub(super) served: JoinSet<()>,
    pub(super) stop: CancellationToken,
}

impl SocketReader {
    pub(super) fn open(app: &App, since: Option<&str>, words: Words<'_>) -> Self {
        let filter = Filter::read(words, &app.registry).unwrap();
        let registry = app.registry.clone();
        let (follower, lost) = match since {
            Some(text) => Follower::after(registry, &Cursor::read("since", text).unwrap(), filter),
            None => (Follower::from_now(registry, filter), None),
        };
        let ((socket, far), mut served) = (pipe(), JoinSet::new());
        let stop = CancellationToken::new();
        let begin = Begin { follower, lost, view: View::Full };
        served.spawn(socket::run(socket, begin, stop.clone().into()));
        Self { far, served, stop }
    }

    /// The next frame, pings apart; `None` once the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.far.from.next().await? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Ping(_) => (),
                Message::Close(_) => return None,
                other => panic!("no text but {other:?}"),
            }
        }
    }

    /// The next frame, where it is there already.
    pub(super) async fn ready(&mut self) -> Option<Value> {
        timeout(QUIET, self.next()).await.ok().flatten()
    }
}
