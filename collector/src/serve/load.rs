//! A bound on the bytes of big answers that wait until slow readers take them, over all
//! connections. Small answers never wait and never count. Not here: how long one may take
//! (`connection`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Rarely;
use crate::api::problem::{Kind, Problem};

/// Answers up to this size are small.
const SMALL_BYTES: u64 = 64 * 1024;
/// Refusals are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// When whoever is refused may ask again, seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// What tells of a body that is not sent.
const OF_BODY: [header::HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ETAG];

/// See the module's words.
#[derive(Clone, Debug)]
pub(super) struct Load {
    room: Arc<Semaphore>,
    bytes: usize,
    complaints: Arc<Rarely>,
}

/// Bytes of an answer. Their room is free once all of them were written.
struct Held {
    bytes: Bytes,
    _room: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Load {
    /// So many bytes at most.
    pub(super) fn of(bytes: usize) -> Self {
        let complaints = Arc::new(Rarely::every(LOG_EVERY));
        Self { room: Arc::new(Semaphore::new(bytes)), bytes, complaints }
    }

    /// The same answer, or a refusal where it is too much now.
    pub(super) fn carry(&self, response: Response) -> Response {
        let n_bytes = response.body().size_hint().lower();
        if n_bytes <= SMALL_BYTES {
            return response;
        }
        // One that is larger than all the room takes all of it: alone, it may go.
        let n_bytes = usize::try_from(n_bytes).unwrap_or(usize::MAX).min(self.bytes);
        let n_bytes = u32::try_from(n_bytes).unwrap_or(u32::MAX);
        match Arc::clone(&self.room).try_acquire_many_owned(n_bytes) {
            Ok(room) => response.map(|body| held(body, room)),
            Err(_) => self.refuse(response),
        }
    }

    fn refuse(&self, response: Response) -> Response {
        if let Some(unlogged) = self.complaints.allow() {
            tracing::warn!(unlogged, "big answers are refused: slow readers hold too much");
        }
        let detail = "too many big answers wait for slow readers; ask again in a few seconds";
        let mut refusal = Problem::new(Kind::Unavailable, detail).into_response();
        // What browsers obey stands in the answer that is not sent.
        let mut headers = response.into_parts().0.headers;
        for of_body in OF_BODY {
            headers.remove(of_body);
        }
        refusal.headers_mut().extend(headers);
        refusal.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        refusal
    }
}

/// The room goes with the bytes, not with the body: what was taken from the body still waits in
/// the connection's queue.
fn held(body: Body, room: OwnedSemaphorePermit) -> Body {
    let room = Arc::new(room);
    let hold = move |bytes| Bytes::from_owner(Held { bytes, _room: Arc::clone(&room) });
    Body::new(body.map_frame(move |frame| frame.map_data(&hold)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(n_bytes: u64) -> Response {
        Response::new(Body::from(vec![b' '; usize::try_from(n_bytes).unwrap()]))
    }

    #[tokio::test]
    async fn an_answer_larger_than_all_the_room_goes_alone() {
        let load = Load::of(usize::try_from(2 * SMALL_BYTES).unwrap());
        let alone = load.carry(answer(3 * SMALL_BYTES));
        assert_eq!(alone.status(), 200);
        assert_eq!(load.carry(answer(SMALL_BYTES + 1)).status(), 503);
        assert_eq!(load.carry(answer(SMALL_BYTES)).status(), 200, "a small one never counts");
        let written = alone.into_body().collect().await.unwrap().to_bytes();
        drop(written);
        assert_eq!(load.carry(answer(3 * SMALL_BYTES)).status(), 200);
    }
}
