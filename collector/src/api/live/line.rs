//! A viewer's socket with its deadlines: what is fed to it must leave in time, what comes from it
//! keeps to a budget, and who is silent is dead. What is said is decided by the viewer's loop.

use std::time::Duration;

use axum::extract::ws::{CloseCode, CloseFrame, Message, Utf8Bytes, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::auth::Lapse;
use crate::budget::Budget;
use crate::ingest::ping::{Due, Pings};

/// How long a viewer may take to read, besides what the size allows it.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// The slowest line that is good enough, bytes a second. The socket does not tell how far it is
/// within a message, so its deadline grows with its size: a snapshot of 8 MB gets four minutes. A
/// peer that stops to read altogether is noticed by the kernel's own timeout long before.
const FLOOR_BYTES_PER_SECOND: f64 = 32.0 * 1024.0;
/// A send that took this long and went through has shown that the peer reads.
const WAITED: Duration = Duration::from_secs(1);
/// How long a close frame may take to leave: less than the grace at shutdown.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Frames that a viewer may burst, and send each second. The page sends one when scrolling rests
/// for 150 ms, so at most seven.
const MESSAGES: (f64, f64) = (64.0, 8.0);

/// The viewer left, does not read, or had to leave.
#[derive(Debug)]
pub(in crate::api) struct Gone;

/// See the module's words.
#[derive(Debug)]
pub(in crate::api) struct Line<S> {
    socket: S,
    pings: Pings,
    messages: Budget,
    /// What was fed since all had left.
    unsent: Option<Unsent>,
}

#[derive(Clone, Copy, Debug)]
struct Unsent {
    since: Instant,
    n_bytes: usize,
}

impl Unsent {
    #[expect(clippy::cast_precision_loss, reason = "messages are far below 2^52 bytes")]
    fn leaves_by(self) -> Instant {
        let extra = self.n_bytes as f64 / FLOOR_BYTES_PER_SECOND;
        self.since + SEND_WITHIN + Duration::from_secs_f64(extra)
    }
}

/// What came from the viewer.
#[derive(Debug, PartialEq)]
pub(in crate::api) enum Said {
    Text(Utf8Bytes),
    /// A ping or a pong.
    Control,
    Binary,
    TooMuch,
}

impl<S, E> Line<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    pub(in crate::api) fn new(socket: S, now: Instant) -> Self {
        let messages = Budget::new(MESSAGES.0, MESSAGES.1, now);
        Self { socket, pings: Pings::new(now), messages, unsent: None }
    }

    pub(in crate::api) async fn next(&mut self) -> Result<Said, Gone> {
        let message = self.socket.next().await;
        let now = Instant::now();
        self.pings.heard(now);
        let said = match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(Gone),
            Some(Ok(Message::Text(text))) => Said::Text(text),
            Some(Ok(Message::Binary(_))) => Said::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Said::Control,
        };
        Ok(if self.messages.take(1, now) { said } else { Said::TooMuch })
    }

    pub(in crate::api) async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Gone> {
        self.feed(text).await?;
        self.flush().await
    }

    pub(in crate::api) async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Gone> {
        let text = text.into();
        let n_bytes = text.len();
        self.feed_message(Message::Text(text), n_bytes).await
    }

    async fn feed_message(&mut self, message: Message, n_bytes: usize) -> Result<(), Gone> {
        let unsent = self.unsent.get_or_insert(Unsent { since: Instant::now(), n_bytes: 0 });
        let fed = timeout_at(unsent.leaves_by(), self.socket.feed(message)).await;
        unsent.n_bytes += n_bytes;
        on_time(fed)
    }

    pub(in crate::api) async fn flush(&mut self) -> Result<(), Gone> {
        let Some(unsent) = self.unsent else { return Ok(()) };
        on_time(timeout_at(unsent.leaves_by(), self.socket.flush()).await)?;
        self.unsent = None;
        // Nobody was asked for a pong in the meantime.
        let now = Instant::now();
        if now - unsent.since >= WAITED {
            self.pings.heard(now);
        }
        Ok(())
    }

    /// When to call [`Line::ping`].
    pub(in crate::api) fn ping_at(&self) -> Instant {
        self.pings.deadline()
    }

    pub(in crate::api) async fn ping(&mut self) -> Result<(), Gone> {
        match self.pings.due(Instant::now()) {
            Due::Nothing => Ok(()),
            Due::Dead => Err(Gone),
            Due::Ping(payload) => {
                let ping = Message::Ping(payload.to_vec().into());
                self.feed_message(ping, payload.len()).await?;
                self.flush().await
            }
        }
    }

    /// Says why, then that this is the end. Whether it arrives is not our business any more.
    pub(in crate::api) async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_WITHIN, self.socket.send(Message::Close(Some(frame)))).await;
    }
}

/// What ends a connection from our side.
#[derive(Clone, Debug)]
pub struct Until {
    /// The collector shuts down.
    pub stop: CancellationToken,
    /// The right to it ends.
    pub lapse: Lapse,
}

impl Until {
    /// Serves until the other side is gone, else says how to close.
    pub(in crate::api) async fn serve<T>(
        &self,
        serving: impl Future<Output = T>,
    ) -> Option<(CloseCode, &'static str)> {
        tokio::select! {
            _ = serving => None,
            () = self.stop.cancelled() => Some((close_code::RESTART, "the collector shuts down")),
            () = self.lapse.ended() => Some((close_code::POLICY, "the right to this has ended")),
        }
    }
}

#[cfg(test)]
impl From<CancellationToken> for Until {
    fn from(stop: CancellationToken) -> Self {
        Self { stop, lapse: Lapse::default() }
    }
}

fn on_time<E>(sent: Result<Result<(), E>, tokio::time::error::Elapsed>) -> Result<(), Gone> {
    match sent {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::super::pipe::{Far, pipe};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_message_may_take_as_long_as_a_slow_line_needs() {
        let (socket, mut far) = pipe();
        let start = Instant::now();
        let mut line = Line::new(socket, start);
        let read_late = async |far: &mut Far| {
            sleep(Duration::from_secs(100)).await;
            far.from.next().await
        };
        let text = "x".repeat(4 * 1024 * 1024);
        let (sent, read) = tokio::join!(line.send(text), read_late(&mut far));
        assert!(sent.is_ok() && read.is_some());
        // No ping could be sent for longer than a peer may be silent, yet this one reads.
        let read = timeout(SEND_WITHIN, far.from.next());
        let (pinged, ping) = tokio::join!(line.ping(), read);
        assert!(pinged.is_ok() && matches!(ping, Ok(Some(Message::Ping(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_below_the_floor_is_gone() {
        let (socket, _far) = pipe();
        let start = Instant::now();
        let mut line = Line::new(socket, start);
        assert!(line.send("small").await.is_err());
        assert_eq!(start.elapsed().as_secs(), 10);
        let (socket, _far) = pipe();
        let start = Instant::now();
        let mut line = Line::new(socket, start);
        assert!(line.send("x".repeat(64 * 32 * 1024)).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 74);
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_messages_share_one_deadline() {
        let (socket, mut far) = pipe();
        let start = Instant::now();
        let mut line = Line::new(socket, start);
        let feed = async {
            while line.feed("small").await.is_ok() {}
            start.elapsed().as_secs()
        };
        let read = async {
            while far.from.next().await.is_some() {
                sleep(Duration::from_secs(3)).await;
            }
        };
        tokio::select! {
            seconds = feed => assert_eq!(seconds, 10),
            () = read => panic!("the line went away"),
        }
    }
}
