//! One viewer: the loop that joins its socket with the registry's ring. It holds a cursor and no
//! queue; a slow one lags behind in the ring, alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::ingest::ping::{Due, Pings};
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::frames::{self, ViewerMessage};
use super::pulse::{Frame, Pulse};

/// How long a viewer may take to read one batch.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Changes sent before the socket is looked at again.
const BATCH: usize = 256;

/// Serves one viewer until its connection ends or `stop`.
pub async fn run<S, E>(
    socket: S,
    view: View,
    registry: Arc<Registry>,
    pulse: Pulse,
    stop: CancellationToken,
) where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let (woken, fleet) = (registry.watch(), pulse.frames());
    let now = Instant::now();
    let viewer = Viewer {
        socket,
        view,
        registry,
        woken,
        fleet,
        seq: 0,
        hosts_changed_seq: 0,
        watched: Watched::default(),
        samples: ticks(1.0),
        pings: Pings::new(now),
    };
    // Why a viewer left is its own business: it comes back with a new snapshot.
    let _ = viewer.serve(&stop).await;
}

/// The viewer left, or does not read.
struct Gone;

struct Viewer<S> {
    socket: S,
    view: View,
    registry: Arc<Registry>,
    woken: watch::Receiver<u64>,
    fleet: watch::Receiver<Frame>,
    /// The last change that was sent.
    seq: u64,
    /// The last change that was sent by which the set of hosts changed.
    hosts_changed_seq: u64,
    watched: Watched,
    samples: Interval,
    pings: Pings,
}

/// What the viewer looks at, and when each was heard as it was sent last.
#[derive(Debug, Default)]
struct Watched {
    hosts: HashMap<String, u64>,
    services: HashMap<String, i64>,
}

impl Watched {
    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.services.is_empty()
    }
}

impl<S, E> Viewer<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    async fn serve(mut self, stop: &CancellationToken) -> Result<(), Gone> {
        self.send_snapshot().await?;
        loop {
            let ping_at = self.pings.deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.say_goodbye().await,
                message = self.socket.next() => self.receive(message).await?,
                Ok(()) = self.fleet.changed() => self.send_fleet().await?,
                Ok(()) = self.woken.changed() => self.send_changes(u64::MAX).await?,
                _ = self.samples.tick(), if !self.watched.is_empty() => self.send_samples().await?,
                () = tokio::time::sleep_until(ping_at) => self.ping().await?,
            }
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, E>>) -> Result<(), Gone> {
        let now = Instant::now();
        self.pings.heard(now);
        match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => Err(Gone),
            Some(Ok(Message::Text(text))) => match ViewerMessage::read(&text) {
                Ok(message) => {
                    self.watch(message);
                    Ok(())
                }
                Err(detail) => self.send(frames::error(&detail)).await,
            },
            Some(Ok(_)) => Ok(()),
        }
    }

    fn watch(&mut self, message: ViewerMessage) {
        let ViewerMessage::Watch { hosts, services, samples_per_second } = message;
        self.watched.hosts = hosts.into_iter().map(|id| (id, 0)).collect();
        self.watched.services = services.into_iter().map(|id| (id, 0)).collect();
        self.samples = ticks(samples_per_second);
    }

    async fn send_snapshot(&mut self) -> Result<(), Gone> {
        let (registry, view) = (Arc::clone(&self.registry), self.view);
        let encoded = tokio::task::spawn_blocking(move || {
            let snapshot = registry.snapshot(Moment::now());
            (snapshot.seq, snapshot.fields(view))
        });
        let (seq, fields) = encoded.await.map_err(|_| Gone)?;
        (self.seq, self.hosts_changed_seq) = (seq, seq);
        self.send(format!("{{\"type\":\"snapshot\",\"view\":\"{}\",{fields}}}", view.word())).await
    }

    /// Sends what happened up to `last`, or a new snapshot where the ring does not reach back.
    async fn send_changes(&mut self, last: u64) -> Result<(), Gone> {
        loop {
            let Ok(changes) = self.registry.changes_since(self.seq, BATCH) else {
                return self.send_snapshot().await;
            };
            let due = changes.into_iter().take_while(|change| change.seq <= last);
            let mut n_sent = 0;
            for change in due {
                self.feed(frames::change(&change.encoded(self.view))).await?;
                self.seq = change.seq;
                if moves_columns(change.kind) {
                    self.hosts_changed_seq = change.seq;
                }
                n_sent += 1;
            }
            self.flush().await?;
            if n_sent < BATCH {
                return Ok(());
            }
        }
    }

    /// The columns of a fleet frame stand in the order of the hosts at its `seq`: one that is
    /// older than the last host that came or went would be read wrongly, and is left out.
    async fn send_fleet(&mut self) -> Result<(), Gone> {
        let frame = self.fleet.borrow_and_update().clone();
        if frame.seq > self.seq {
            self.send_changes(frame.seq).await?;
        }
        if frame.seq >= self.hosts_changed_seq {
            self.send(frame.text).await?;
        }
        Ok(())
    }

    async fn send_samples(&mut self) -> Result<(), Gone> {
        self.send_changes(u64::MAX).await?;
        let mut hosts = Vec::new();
        for (id, sent) in &mut self.watched.hosts {
            let Some(host) = self.registry.host(id) else { continue };
            let heard = host.live.heard_ms();
            if heard != *sent {
                *sent = heard;
                hosts.push(host);
            }
        }
        let mut services = Vec::new();
        for (id, sent) in &mut self.watched.services {
            let Some(service) = self.registry.service(id) else { continue };
            let checked = service.live.checked_at().map_or(0, |at| at.unix_ms());
            if checked != *sent {
                *sent = checked;
                services.push(service);
            }
        }
        if hosts.is_empty() && services.is_empty() {
            return Ok(());
        }
        self.send(frames::samples(self.seq, &hosts, &services)).await
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        match self.pings.due(Instant::now()) {
            Due::Nothing => Ok(()),
            Due::Dead => Err(Gone),
            Due::Ping(payload) => {
                self.feed_message(Message::Ping(payload.to_vec().into())).await?;
                self.flush().await
            }
        }
    }

    async fn say_goodbye(&mut self) -> Result<(), Gone> {
        let reason = Utf8Bytes::from_static("the collector shuts down");
        let frame = CloseFrame { code: close_code::RESTART, reason };
        self.feed_message(Message::Close(Some(frame))).await?;
        self.flush().await
    }

    async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Gone> {
        self.feed(text).await?;
        self.flush().await
    }

    async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Gone> {
        self.feed_message(Message::Text(text.into())).await
    }

    async fn feed_message(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(SEND_WITHIN, self.socket.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match timeout(SEND_WITHIN, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

fn moves_columns(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::HostRegistered | ChangeKind::HostCloned | ChangeKind::HostRemoved)
}

fn ticks(per_second: f64) -> Interval {
    let every = Duration::from_secs_f64(1.0 / per_second);
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
