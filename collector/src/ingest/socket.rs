//! One agent's connection: the loop that joins its socket, the protocol and the registry. It is
//! generic over the socket, so that tests run it over a pair of channels.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::{Goodbye, GoodbyeReason, Hello, RefusalCode, Refused, Welcome};
use herdbook_shared::wire::{CollectorMessage, PROTOCOL};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::enrol::{Asked, Pass};
use crate::registry::Registry;
use crate::registry::arrive::{Link, Opened};
use crate::registry::moment::Moment;
use crate::registry::session::CloseReason;

use super::Desk;
use super::door::Door;
use super::dropped::DropReason;
use super::ping::{Due, Pings};
use super::protocol::{HELLO_WITHIN, Protocol, Step, refused};
use crate::budget::Budget;

/// How long a peer may take to read what is sent to it.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Lines that one connection may log at once, and each second.
const LOG_LINES: (f64, f64) = (10.0, 10.0 / 60.0);
/// After a refusal for want of room or for a double identity.
pub(super) const RETRY_LATER_MS: u64 = 60_000;
/// After another connection took over.
const RETRY_SUPERSEDED_MS: u64 = 10_000;

/// The addresses of a connection, as its socket says.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The agent's.
    pub remote: IpAddr,
    /// The collector's.
    pub local: Option<IpAddr>,
}

/// Serves one agent until its connection ends or `stop`.
pub async fn run<S, E>(
    socket: S,
    (ends, door): (Ends, Door),
    registry: Arc<Registry>,
    desk: Desk,
    stop: CancellationToken,
) where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: std::fmt::Display,
{
    let now = Instant::now();
    let mut connection = Connection {
        socket,
        ends,
        protocol: Protocol::new(door.begins(), now),
        pins: desk.pins_changed().filter(|_| !matches!(door, Door::Open)),
        door,
        asked: None,
        pass: None,
        registry,
        desk,
        pings: Pings::new(now),
        hello_by: now + HELLO_WITHIN,
        log_lines: Budget::new(LOG_LINES.0, LOG_LINES.1, now),
        n_dropped: 0,
        opened: None,
        ending: stop.child_token(),
    };
    let reason = connection.serve(&stop).await;
    connection.close(reason);
}

pub(super) struct Connection<S> {
    socket: S,
    pub(super) ends: Ends,
    pub(super) door: Door,
    /// Wakes when the collector is to be known by other keys.
    pins: Option<watch::Receiver<()>>,
    /// What the agent was asked to sign.
    pub(super) asked: Option<Asked>,
    /// What it has once it did.
    pub(super) pass: Option<Pass>,
    pub(super) registry: Arc<Registry>,
    pub(super) desk: Desk,
    protocol: Protocol,
    pings: Pings,
    hello_by: Instant,
    pub(super) log_lines: Budget,
    /// Frames that were not used.
    pub(super) n_dropped: u64,
    pub(super) opened: Option<Opened>,
    /// Cancelled when the collector stops or another connection of the host takes over.
    pub(super) ending: CancellationToken,
}

/// The connection goes on, or ends.
pub(super) type Flow = Result<(), CloseReason>;

impl<S, E> Connection<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: std::fmt::Display,
{
    /// The two futures that hardly ever end are made once and not at each frame, of which there
    /// are many.
    async fn serve(&mut self, stop: &CancellationToken) -> CloseReason {
        let ending = self.ending.clone();
        let mut ended = pin!(ending.cancelled());
        let mut alarm = pin!(sleep_until(self.deadline()));
        loop {
            // What has arrived is read before the clock is asked, so that a collector that was
            // paused takes nobody for dead whose frames lie in the socket.
            let flow = tokio::select! {
                biased;
                () = &mut ended => self.end(stop).await,
                message = self.socket.next() => self.receive(message).await,
                () = changed(&mut self.pins) => self.tell_pins().await,
                () = &mut alarm => {
                    let flow = self.tick().await;
                    alarm.as_mut().reset(self.deadline());
                    flow
                }
            };
            if let Err(reason) = flow {
                return reason;
            }
        }
    }

    async fn end(&mut self, stop: &CancellationToken) -> Flow {
        if stop.is_cancelled() {
            return self.shut_down().await;
        }
        match self.pass.as_ref().and_then(Pass::why_ended) {
            Some(refused) => self.turn_out(refused).await,
            None => self.give_way().await,
        }
    }

    fn deadline(&self) -> Instant {
        let pings = self.pings.deadline();
        if self.protocol.awaits_hello() { pings.min(self.hello_by) } else { pings }
    }

    async fn receive(&mut self, message: Option<Result<Message, E>>) -> Flow {
        let now = Instant::now();
        self.pings.heard(now);
        match message {
            None | Some(Ok(Message::Close(_))) => Err(CloseReason::Lost),
            Some(Err(error)) => self.broken(&error).await,
            Some(Ok(Message::Text(text))) => {
                let step = self.protocol.text(&text, now);
                self.take(step).await
            }
            Some(Ok(Message::Binary(_))) => {
                let step = self.protocol.binary();
                self.take(step).await
            }
            Some(Ok(Message::Ping(_))) => {
                let step = self.protocol.control(now);
                self.take(step).await
            }
            Some(Ok(Message::Pong(payload))) => {
                if let (Some(trip), Some(opened)) = (self.pings.pong(&payload, now), &self.opened) {
                    let ms = u64::try_from(trip.as_millis()).unwrap_or(u64::MAX);
                    opened.live.write_latency(ms);
                    opened.session.live.write_latency(ms);
                }
                let step = self.protocol.control(now);
                self.take(step).await
            }
        }
    }

    /// The socket failed. A frame over the limit is told by its words, since that is all that
    /// reaches us of it.
    async fn broken(&mut self, error: &E) -> Flow {
        let words = error.to_string();
        if words.contains("too long") || words.contains("too big") {
            let refused = refused(RefusalCode::TooLarge, words, RETRY_LATER_MS);
            return self.take(Step::Refuse(DropReason::TooLarge, refused)).await;
        }
        tracing::debug!(remote = %self.ends.remote, error = words, "agent connection broke");
        Err(CloseReason::Lost)
    }

    pub(super) async fn take(&mut self, step: Step) -> Flow {
        match step {
            Step::Nothing => Ok(()),
            Step::Sample(sample) => {
                let moment = Moment::now();
                if let Some(gap) = sample.gap {
                    self.log_gap(gap);
                }
                self.registered(|registry, opened| {
                    registry.record_sample(&opened.host_id, &opened.session.id, *sample, moment)
                })
            }
            Step::Inventory(inventory) => {
                let moment = Moment::now();
                self.registered(|registry, opened| {
                    registry.apply_inventory(
                        &opened.host_id,
                        &opened.session.id,
                        *inventory,
                        moment,
                    )
                })
            }
            Step::Knock(knock) => self.knock(&knock).await,
            Step::Hello(host_id, mut hello, knock) => {
                if let Err(refused) = self.prove(&host_id, &mut hello, knock).await {
                    return Box::pin(self.take(Step::Refuse(DropReason::Refused, refused))).await;
                }
                self.welcome(&host_id, &hello).await
            }
            Step::Rekey(rekey) => self.rekey(&rekey).await,
            Step::Goodbye(goodbye) => self.goodbye(&goodbye),
            Step::Drop(reason, words) => {
                self.dropped(reason, &words);
                Ok(())
            }
            Step::Refuse(reason, mut refused) => {
                self.refused(reason, &mut refused);
                self.refuse(refused).await;
                Err(CloseReason::Refused)
            }
        }
    }

    fn registered<T>(&mut self, apply: impl FnOnce(&Registry, &Opened) -> Result<(), T>) -> Flow {
        let Some(opened) = &self.opened else { return Err(CloseReason::Refused) };
        if apply(&self.registry, opened).is_err() {
            self.desk.dropped.count(DropReason::Superseded);
        }
        Ok(())
    }

    async fn welcome(&mut self, host_id: &HostId, hello: &Hello) -> Flow {
        let moment = Moment::now();
        if let Some(refused) = self.kept_out(host_id) {
            return Box::pin(self.take(Step::Refuse(DropReason::Refused, refused))).await;
        }
        let opened = self.registry.open_session(host_id, hello, self.link(), moment);
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let refused = refused(error.code(), error.to_string(), RETRY_LATER_MS);
                return Box::pin(self.take(Step::Refuse(DropReason::Refused, refused))).await;
            }
        };
        let welcome = CollectorMessage::Welcome(Welcome {
            collector_id: self.desk.collector_id.to_string(),
            session_id: opened.session.id.clone(),
            protocol: PROTOCOL,
            sample_interval_ms: opened.interval_ms,
            reconnect_spread_ms: reconnect_spread_ms(self.registry.n_hosts()),
            server_time: moment.at,
            pins: self.desk.pins(),
            rotate_key: self.pass.as_ref().is_some_and(|pass| pass.rotate),
        });
        tracing::info!(
            host = %opened.host_id, name = hello.name, remote = %self.ends.remote,
            version = hello.agent_version, "agent connected"
        );
        self.registry.note_offence(&opened.host_id, None, moment);
        self.opened = Some(opened);
        self.send(Message::Text(Utf8Bytes::from(encode(&welcome)))).await
    }

    fn link(&self) -> Link {
        let Ends { remote, local } = self.ends;
        let superseded = self.ending.clone();
        Link { remote_address: remote, local_address: local, superseded }
    }

    /// A goodbye counts only where it names this very session.
    fn goodbye(&mut self, goodbye: &Goodbye) -> Flow {
        let is_mine =
            self.opened.as_ref().is_some_and(|opened| opened.session.id == goodbye.session_id);
        if !is_mine {
            self.desk.dropped.count(DropReason::Unexpected);
            return Ok(());
        }
        Err(match goodbye.reason {
            GoodbyeReason::Shutdown => CloseReason::Shutdown,
            GoodbyeReason::Suspend => CloseReason::Suspend,
            GoodbyeReason::Upgrade => CloseReason::Upgrade,
            GoodbyeReason::Unknown => CloseReason::Lost,
        })
    }

    async fn tick(&mut self) -> Flow {
        let now = Instant::now();
        if self.protocol.awaits_hello() && now >= self.hello_by {
            let refused = self.protocol.hello_is_late();
            return self.take(Step::Refuse(DropReason::Refused, refused)).await;
        }
        match self.pings.due(now) {
            Due::Nothing => Ok(()),
            Due::Dead => Err(CloseReason::Silent),
            Due::Ping(payload) => self.send(Message::Ping(payload.to_vec().into())).await,
        }
    }

    async fn give_way(&mut self) -> Flow {
        let words = "another connection of this host took over".to_owned();
        self.refuse(refused(RefusalCode::Superseded, words, RETRY_SUPERSEDED_MS)).await;
        Err(CloseReason::Superseded)
    }

    async fn shut_down(&mut self) -> Flow {
        let words = "the collector shuts down".to_owned();
        let refused =
            Refused { code: RefusalCode::ShuttingDown, message: words, retry_after_ms: None };
        self.refuse(refused).await;
        Err(CloseReason::CollectorShutdown)
    }

    /// Says why, then closes. Whether it arrives is not our business any more.
    pub(super) async fn refuse(&mut self, refused: Refused) {
        let code = match refused.code {
            RefusalCode::TooLarge => close_code::SIZE,
            RefusalCode::ShuttingDown => close_code::RESTART,
            _ => close_code::POLICY,
        };
        let text = encode(&CollectorMessage::Refused(refused));
        if self.send(Message::Text(Utf8Bytes::from(text))).await.is_ok() {
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static("refused") };
            let _ = self.send(Message::Close(Some(frame))).await;
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Flow {
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(CloseReason::Lost),
            Err(_) => Err(CloseReason::Silent),
        }
    }
}

impl<S> Connection<S> {
    fn close(&mut self, reason: CloseReason) {
        let Some(opened) = self.opened.take() else { return };
        tracing::info!(host = %opened.host_id, reason = reason.word(), "agent disconnected");
        let moment = Moment::now();
        self.registry.close_session(&opened.host_id, &opened.session.id, reason, moment);
    }
}

/// Waits for another key of the collector, for ever where none can come.
async fn changed(pins: &mut Option<watch::Receiver<()>>) {
    let changes = match pins {
        Some(pins) => pins.changed().await.is_ok(),
        None => false,
    };
    if !changes {
        std::future::pending::<()>().await;
    }
}

/// However the connection ends, by a panic or because the runtime does, its session ends with it.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.close(CloseReason::Lost);
    }
}

/// Over which span a fleet of `n_hosts` spreads its first redial: wide enough that 10,000 agents
/// put at most 3 % of them into any 100 ms.
fn reconnect_spread_ms(n_hosts: usize) -> u64 {
    500 + u64::try_from(n_hosts).unwrap_or(u64::MAX / 10) * 6 / 10
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
