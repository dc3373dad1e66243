//! Drives a session over a socket, real or in memory. One frame at a time is given to the socket,
//! and the next one only when it has taken that: what the session would send meanwhile can still
//! be replaced by something newer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::limits;
use herdbook_shared::wire::codec::encode;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::inbound::Inbound;
use super::session::{Outgoing, Session};
use super::{End, HostView, Socket};

/// A collector that reads nothing for so long is given up, even where it still talks.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// What a goodbye may take.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(2);

/// Converses until the end.
pub async fn converse(
    socket: &mut impl Socket,
    session: &mut Session,
    inbound: &mut Inbound,
    view: &mut impl HostView,
    stop: &CancellationToken,
) -> End {
    let mut wire = Wire { socket, writing_since: None };
    let end = loop {
        let happened = tokio::select! {
            biased;
            () = stop.cancelled() => break wire.leave(session).await,
            () = sleep_until(session.due()) => session.tick(Instant::now(), view),
            event = wire.event() => on_event(event, session, inbound),
        };
        if let Err(end) = happened.and_then(|()| wire.send_waiting(session)) {
            break end;
        }
    };
    debug!(
        samples_dropped = session.samples_dropped(),
        messages_ignored = inbound.ignored(),
        "the session ended"
    );
    end
}

fn on_event(event: Event, session: &mut Session, inbound: &mut Inbound) -> Result<(), End> {
    match event {
        Event::Taken(taken) => taken.map_err(End::Lost),
        Event::Heard(frame) => {
            let now = Instant::now();
            session.heard(now);
            if inbound.read(frame, now)?.is_some() {
                // A second welcome: nothing that it could say is of use.
                inbound.ignore();
            }
            Ok(())
        }
    }
}

struct Wire<'a, S> {
    socket: &'a mut S,
    /// Since when the socket has not taken the frame that it was given.
    writing_since: Option<Instant>,
}

enum Event {
    /// The socket has taken the frame, or broke over it.
    Taken(Result<(), SocketError>),
    Heard(Option<Result<Message, SocketError>>),
}

impl<S: Socket> Wire<'_, S> {
    /// Dropping this loses nothing: all state is in the socket.
    async fn event(&mut self) -> Event {
        poll_fn(|cx| {
            if self.writing_since.is_some()
                && let Poll::Ready(taken) = self.socket.poll_flush_unpin(cx)
            {
                self.writing_since = None;
                return Poll::Ready(Event::Taken(taken));
            }
            self.socket.poll_next_unpin(cx).map(Event::Heard)
        })
        .await
    }

    /// Gives the socket the next frame, if it can take one.
    fn send_waiting(&mut self, session: &mut Session) -> Result<(), End> {
        if let Some(since) = self.writing_since {
            return if since.elapsed() < STUCK_AFTER { Ok(()) } else { Err(End::Stuck) };
        }
        let Some(frame) = session.next_outgoing().and_then(frame) else { return Ok(()) };
        self.writing_since = Some(Instant::now());
        // Nothing is left in the socket after a flush, so it is ready without being asked.
        self.socket.start_send_unpin(frame).map_err(End::Lost)
    }

    /// Says goodbye as far as the collector lets it.
    async fn leave(&mut self, session: &Session) -> End {
        let goodbye = Message::text(encode(&session.goodbye()));
        let leaving = async {
            self.socket.send(goodbye).await?;
            self.socket.send(Message::Close(None)).await?;
            // A socket closed with something unread in it resets, and the goodbye may be lost.
            while self.socket.next().await.is_some_and(|frame| frame.is_ok()) {}
            Ok::<(), SocketError>(())
        };
        match timeout(GOODBYE_DEADLINE, leaving).await {
            Ok(Ok(())) => debug!("said goodbye"),
            Ok(Err(error)) => debug!(%error, "could not say goodbye"),
            Err(_) => debug!("could not say goodbye in time"),
        }
        End::Stopped
    }
}

fn frame(outgoing: Outgoing) -> Option<Message> {
    let message = match outgoing {
        Outgoing::Ping => return Some(Message::Ping(Default::default())),
        Outgoing::Message(message) => message,
    };
    let text = encode(&message);
    if text.len() > limits::FRAME_BYTES {
        // No part is cut as large as this; should one be, losing it beats losing the connection.
        error!(bytes = text.len(), "a message is too large to be sent");
        return None;
    }
    Some(Message::text(text))
}
