//! Server-sent events. The body of the answer is made piece by piece, when the connection takes
//! the next one: nothing waits for a slow reader, whom the connection itself ends.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::registry::change::Change;
use crate::registry::encode;
use crate::registry::view::View;

use super::cursor::Cursor;
use super::follower::{Follower, Lost};
use super::stream::Begin;
use super::{BATCH, KEEP_ALIVE, Notice};

/// Whoever loses the stream comes back after so many milliseconds, and up to as many more, so that
/// not all come back at once.
const RETRY_MS: u64 = 2_000;
/// So many bytes end a piece.
const PIECE_BYTES: usize = 256 * 1024;
/// A proxy shall pass on each piece at once.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// The stream as an answer. Its room is free once the body is dropped.
pub(super) fn answer(
    begin: Begin,
    stop: CancellationToken,
    room: OwnedSemaphorePermit,
) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let pieces = stream::unfold(Pieces::new(begin, stop, room), async |mut pieces| {
        let piece = pieces.next().await?;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    ([kind, UNBUFFERED], Body::from_stream(pieces)).into_response()
}

/// What makes the pieces.
struct Pieces {
    follower: Follower,
    view: View,
    /// What was encoded and did not go into the last piece.
    left: std::vec::IntoIter<Arc<Change>>,
    /// What is to be told before anything else.
    first: Option<Bytes>,
    /// When the reader is to hear of it at the latest.
    silent_until: Instant,
    /// The cursor that the reader knows.
    told: Cursor,
    stop: CancellationToken,
    _room: OwnedSemaphorePermit,
}

impl Pieces {
    fn new(begin: Begin, stop: CancellationToken, room: OwnedSemaphorePermit) -> Self {
        let Begin { follower, lost, view } = begin;
        let told = follower.cursor();
        let retry_ms = RETRY_MS + fastrand::u64(0..=RETRY_MS);
        let first = match lost {
            Some(why) => reset(&told, why),
            None => place(&told),
        };
        let first = Some(format!("retry: {retry_ms}\n{first}").into());
        let silent_until = Instant::now() + KEEP_ALIVE;
        let left = Vec::new().into_iter();
        Self { follower, view, left, first, silent_until, told, stop, _room: room }
    }

    /// The next piece, once there is one. `None` at the stop.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let stop = self.stop.clone();
        let piece = stop.run_until_cancelled(self.news()).await?;
        self.silent_until = Instant::now() + KEEP_ALIVE;
        Some(piece)
    }

    async fn news(&mut self) -> Bytes {
        loop {
            if let Some(piece) = self.changes() {
                return piece;
            }
            match self.follower.look(BATCH) {
                Ok(changes) => self.left = changes.into_iter(),
                Err(why) => return self.begin_anew(why),
            }
            if self.left.len() > 0 {
                continue;
            }
            if self.follower.is_behind() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.follower.changed() => (),
                () = sleep_until(self.silent_until) => return self.sign_of_life(),
            }
        }
    }

    /// As many of the changes that are left as go into one piece.
    fn changes(&mut self) -> Option<Bytes> {
        let mut text = String::new();
        while text.len() < PIECE_BYTES
            && let Some(change) = self.left.next()
        {
            self.told = Cursor::new(Arc::clone(&change.epoch), change.seq);
            push(&mut text, &change, self.view);
        }
        (!text.is_empty()).then(|| text.into())
    }

    fn begin_anew(&mut self, why: Lost) -> Bytes {
        self.follower.skip_to_now();
        self.told = self.follower.cursor();
        reset(&self.told, why).into()
    }

    /// What is not wanted moves the reader's cursor as well, lest the ring leave it behind.
    fn sign_of_life(&mut self) -> Bytes {
        let at = self.follower.cursor();
        if at == self.told {
            return Bytes::from_static(b":\n\n");
        }
        let text = place(&at);
        self.told = at;
        text.into()
    }
}

fn push(text: &mut String, change: &Change, view: View) {
    let data = change.encoded(view);
    let data = std::str::from_utf8(&data).unwrap_or("null");
    let (epoch, seq, kind) = (&change.epoch, change.seq, change.kind);
    // Writing to a string cannot fail.
    let _ = write!(text, "id: {epoch}:{seq}\nevent: {kind}\ndata: {data}\n\n");
}

/// An id without data is no event, but what the reader comes back with.
fn place(at: &Cursor) -> String {
    format!("id: {at}\n:\n\n")
}

fn reset(at: &Cursor, why: Lost) -> String {
    let data = encode::json(&Notice::reset(at, why));
    format!("id: {at}\nevent: reset\ndata: {data}\n\n")
}
