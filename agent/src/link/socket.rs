//! Drives a session over a socket, real or in memory. One frame at a time is given to the socket,
//! and the next one only when it has taken that: what the session would send meanwhile can still
//! be replaced by something newer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::limits;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::sample::Sample;
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::inbound::Inbound;
use super::rekeying::Rekeying;
use super::session::{Outgoing, Session};
use super::{End, HostView, Socket};
use shed::shed;

mod shed;

/// A collector that reads nothing for so long is given up, even where it still talks.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// What a goodbye may take.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(2);

/// Converses until the end.
pub(super) async fn converse(
    socket: &mut impl Socket,
    session: &mut Session,
    inbound: &mut Inbound,
    view: &mut impl HostView,
    rekeying: &mut Rekeying<'_>,
    stop: &CancellationToken,
) -> End {
    let mut wire = Wire { socket, writing_since: None, is_too_large_told: false };
    let end = loop {
        let happened = tokio::select! {
            biased;
            () = stop.cancelled() => break wire.leave(session).await,
            () = sleep_until(session.due()) => session.tick(Instant::now(), view),
            event = wire.event() => on_event(event, session, inbound, rekeying),
        };
        if let Some(rekey) = rekeying.due(Instant::now()) {
            session.say(rekey);
        }
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

fn on_event(
    event: Event,
    session: &mut Session,
    inbound: &mut Inbound,
    rekeying: &mut Rekeying<'_>,
) -> Result<(), End> {
    match event {
        Event::Taken(taken) => taken.map_err(End::Lost),
        Event::Heard(frame) => {
            let now = Instant::now();
            session.heard(now);
            match inbound.read(frame, now)? {
                Some(CollectorMessage::Rekeyed(rekeyed)) => rekeying.heard(rekeyed.fingerprint),
                Some(CollectorMessage::Pins(told)) if rekeying.told(&told.pins, now) => {}
                // A second welcome: nothing that it could say is of use.
                Some(_) => inbound.ignore(),
                None => {}
            }
            Ok(())
        }
    }
}

struct Wire<'a, S> {
    socket: &'a mut S,
    /// Since when the socket has not taken the frame that it was given.
    writing_since: Option<Instant>,
    /// That samples are too large was logged.
    is_too_large_told: bool,
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
        let Some(outgoing) = session.next_outgoing() else { return Ok(()) };
        let Some(frame) = self.frame(outgoing, session) else { return Ok(()) };
        self.writing_since = Some(Instant::now());
        // Nothing is left in the socket after a flush, so it is ready without being asked.
        self.socket.start_send_unpin(frame).map_err(End::Lost)
    }

    /// What goes on the wire. A message that is too large even without what can be left out is lost,
    /// which beats losing the connection.
    fn frame(&mut self, outgoing: Outgoing, session: &mut Session) -> Option<Message> {
        let message = match outgoing {
            Outgoing::Ping => return Some(Message::Ping(Default::default())),
            Outgoing::Message(message) => message,
        };
        let is_sample = matches!(message, AgentMessage::Sample(_));
        let mut text = encode(&message);
        if text.len() > limits::FRAME_BYTES
            && let AgentMessage::Sample(sample) = message
        {
            let (shorter, left_out) = reduced(sample);
            if !self.is_too_large_told {
                warn!(bytes = text.len(), ?left_out, "samples are too large, parts are left out");
                self.is_too_large_told = true;
            }
            text = shorter;
        }
        if text.len() > limits::FRAME_BYTES {
            error!(bytes = text.len(), "a message is too large to be sent");
            if is_sample {
                session.lost_sample();
            }
            return None;
        }
        Some(Message::text(text))
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

/// A sample that cannot be sent whole, made to fit.
fn reduced(mut sample: Box<Sample>) -> (String, Vec<&'static str>) {
    let whole = |sample: &Sample| encode(&AgentMessage::Sample(Box::new(sample.clone())));
    let left_out = shed(&mut sample, |sample| whole(sample).len() <= limits::FRAME_BYTES);
    (encode(&AgentMessage::Sample(sample)), left_out)
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::sample::{GpuProcess, GpuSample};

    use super::*;

    #[test]
    fn a_sample_with_too_many_processes_is_sent_without_them() {
        let process = GpuProcess { name: Some("p".repeat(1024)), ..GpuProcess::default() };
        let gpu = GpuSample {
            utilization_percent: Some(7.0),
            temperature_celsius: Some(64.0),
            processes: Some(vec![process; 512]),
            ..GpuSample::default()
        };
        let sample = Sample { gpus: Some(vec![gpu]), ..Sample::default() };
        let (text, left_out) = reduced(Box::new(sample));
        assert!(text.len() <= limits::FRAME_BYTES && text.contains("temperature_celsius"));
        assert_eq!(left_out, ["GPU processes"]);
    }
}
