//! What comes in: frames to messages, with the bounds of a collector that means harm.

use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::wire::CollectorMessage;
use herdbook_shared::wire::codec::{DecodeError, decode_collector};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as SocketError, ProtocolError};

use super::End;

/// A collector says one thing and pings every 15 s; this is far more than it needs.
const FRAMES_A_WINDOW: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

/// Reads and counts what comes in over one connection.
#[derive(Debug)]
pub struct Inbound {
    window_start: Instant,
    frames: u32,
    ignored: u64,
}

impl Inbound {
    pub(super) fn new(now: Instant) -> Self {
        Self { window_start: now, frames: 0, ignored: 0 }
    }

    /// The message in a frame; none in one that only proves life.
    pub(super) fn read(
        &mut self,
        frame: Option<Result<Message, SocketError>>,
        now: Instant,
    ) -> Result<Option<CollectorMessage>, End> {
        let frame = frame.ok_or(End::Closed)?.map_err(broken)?;
        self.count(now)?;
        match frame {
            Message::Text(text) => self.message(text.as_str()),
            Message::Ping(_) | Message::Pong(_) => Ok(None),
            Message::Close(_) => Err(End::Closed),
            Message::Binary(_) | Message::Frame(_) => {
                Err(End::Misbehaved("a binary frame, expected text"))
            }
        }
    }

    /// How many messages of unknown types were ignored.
    pub(super) fn ignored(&self) -> u64 {
        self.ignored
    }

    /// A message that means nothing here.
    pub(super) fn ignore(&mut self) {
        self.ignored += 1;
    }

    fn message(&mut self, text: &str) -> Result<Option<CollectorMessage>, End> {
        match decode_collector(text).map_err(End::Garbage)? {
            CollectorMessage::Unknown => {
                self.ignore();
                Ok(None)
            }
            CollectorMessage::Welcome(welcome)
                if !is_short(welcome.session_id.as_str()) || !is_short(&welcome.collector_id) =>
            {
                Err(End::Misbehaved("a welcome with an id that is too long"))
            }
            CollectorMessage::Refused(mut refused) => {
                truncate(&mut refused.message, limits::MESSAGE_BYTES);
                Err(End::Refused(refused))
            }
            message @ (CollectorMessage::Welcome(_)
            | CollectorMessage::Challenge(_)
            | CollectorMessage::Rekeyed(_)
            | CollectorMessage::Pins(_)) => Ok(Some(message)),
        }
    }

    fn count(&mut self, now: Instant) -> Result<(), End> {
        if now - self.window_start >= WINDOW {
            (self.window_start, self.frames) = (now, 0);
        }
        self.frames += 1;
        if self.frames > FRAMES_A_WINDOW {
            return Err(End::Misbehaved("more than 100 frames in 10 s"));
        }
        Ok(())
    }
}

fn is_short(word: &str) -> bool {
    word.len() <= limits::WORD_BYTES
}

fn truncate(text: &mut String, max_bytes: usize) {
    text.truncate(text.floor_char_boundary(max_bytes));
}

fn broken(error: SocketError) -> End {
    match error {
        SocketError::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            End::Garbage(DecodeError::TooLarge(size))
        }
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => End::Closed,
        // A connection that is cut has not misbehaved.
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Lost(error),
        SocketError::Protocol(_) | SocketError::Utf8(_) => {
            End::Misbehaved("what is no WebSocket frame")
        }
        other => End::Lost(other),
    }
}
