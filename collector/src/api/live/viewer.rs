//! One viewer: the loop that joins its socket with the registry's ring. It holds a cursor and no
//! queue; a slow one lags behind in the ring, alone.

use std::time::Duration;

use axum::extract::ws::{Message, close_code};
use futures_util::{Sink, Stream};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::api::events::filter::Filter;
use crate::registry::change::ChangeKind;
use crate::registry::view::View;

use super::Feed;
use super::frames::{self, ViewerMessage};
use super::line::{Gone, Line, Said, Until};
use super::pulse::Frame;
use super::watched::Watched;

/// Changes sent before the socket is looked at again, and which the first viewer to get them
/// encodes for all, on the thread that carries all sockets.
const BATCH: usize = 64;

/// What a viewer is sent.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How much of each host and service.
    pub view: View,
    /// Which changes. The snapshot is whole, but whoever leaves out changes cannot tell the hosts
    /// of a fleet frame apart, and gets none.
    pub filter: Filter,
    /// The change up to which it knows everything, so that it needs no snapshot.
    pub known: Option<u64>,
}

/// Serves one viewer until its connection ends, or from our side, even in the middle of a message.
pub async fn run<S, E>(socket: S, wanted: Wanted, feed: Feed, until: Until)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let now = Instant::now();
    let Wanted { view, filter, known } = wanted;
    let mut viewer = Viewer {
        line: Line::new(socket, now),
        view,
        filter,
        woken: feed.registry.watch(),
        fleet: feed.pulse.frames(),
        feed,
        seq: 0,
        hosts_changed_seq: 0,
        watched: Watched::default(),
        samples: ticks(now, Duration::from_secs(1)),
        sampled: None,
    };
    // Why a viewer left is its own business: it comes back and gets a new snapshot.
    if let Some((code, why)) = until.serve(viewer.follow(known)).await {
        viewer.line.close(code, why).await;
    }
}

struct Viewer<S> {
    line: Line<S>,
    view: View,
    filter: Filter,
    feed: Feed,
    woken: watch::Receiver<u64>,
    fleet: watch::Receiver<Frame>,
    /// The last change that was sent.
    seq: u64,
    /// The last change that was sent by which the set of hosts changed.
    hosts_changed_seq: u64,
    watched: Watched,
    samples: Interval,
    /// When samples were looked for last.
    sampled: Option<Instant>,
}

impl<S, E> Viewer<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    async fn follow(&mut self, known: Option<u64>) -> Result<(), Gone> {
        match known {
            Some(seq) => self.go_on(seq),
            None => self.send_snapshot().await?,
        }
        loop {
            let ping_at = self.line.ping_at();
            // Changes come last: there may always be more of them.
            tokio::select! {
                biased;
                said = self.line.next() => self.receive(said?).await?,
                () = sleep_until(ping_at) => self.line.ping().await?,
                Ok(()) = self.fleet.changed() => self.send_fleet().await?,
                _ = self.samples.tick(), if !self.watched.is_empty() => self.send_samples().await?,
                Ok(()) = self.woken.changed() => self.send_news().await?,
            }
        }
    }

    async fn receive(&mut self, said: Said) -> Result<(), Gone> {
        match said {
            Said::Control => Ok(()),
            Said::Text(text) => match ViewerMessage::read(&text) {
                Ok(message) => {
                    self.watch(message);
                    Ok(())
                }
                Err(detail) => self.line.send(frames::error(&detail)).await,
            },
            Said::Binary => self.line.send(frames::error("messages are text")).await,
            Said::TooMuch => {
                self.line.send(frames::error("too many messages")).await?;
                self.line.close(close_code::POLICY, "too many messages").await;
                Err(Gone)
            }
        }
    }

    /// The next samples are due when they were, however often this is said.
    fn watch(&mut self, message: ViewerMessage) {
        let ViewerMessage::Watch { hosts, services, samples_per_second } = message;
        self.watched = Watched::new(hosts, services);
        let every = Duration::from_secs_f64(1.0 / samples_per_second);
        let first = self.sampled.map_or_else(Instant::now, |sampled| sampled + every);
        self.samples = ticks(first, every);
    }

    async fn send_snapshot(&mut self) -> Result<(), Gone> {
        let snapshot =
            self.feed.snapshots.take(&self.feed.registry, self.view).await.ok_or(Gone)?;
        self.go_on(snapshot.seq);
        self.line.send(snapshot.text).await
    }

    /// Goes on from what the viewer knows, which may be older than the last time that we were
    /// woken.
    fn go_on(&mut self, seq: u64) {
        (self.seq, self.hosts_changed_seq) = (seq, seq);
        self.woken.mark_changed();
    }

    async fn send_news(&mut self) -> Result<(), Gone> {
        self.send_changes(u64::MAX).await?;
        if self.is_behind() {
            self.woken.mark_changed();
        }
        Ok(())
    }

    fn is_behind(&self) -> bool {
        self.seq < *self.woken.borrow()
    }

    /// Sends one batch of what happened up to `last`, or a new snapshot where the ring does not
    /// reach back.
    async fn send_changes(&mut self, last: u64) -> Result<(), Gone> {
        let Ok(changes) = self.feed.registry.changes_since(self.seq, BATCH) else {
            return self.send_snapshot().await;
        };
        for change in changes.into_iter().take_while(|change| change.seq <= last) {
            if self.filter.lets_through(&change) {
                self.line.feed(frames::change(&change.encoded(self.view))).await?;
            }
            self.seq = change.seq;
            if moves_columns(change.kind) {
                self.hosts_changed_seq = change.seq;
            }
        }
        self.line.flush().await
    }

    /// The columns of a fleet frame stand in the order of the hosts at its `seq`: one that is
    /// older than the last host that came or went would be read wrongly, and is left out. One
    /// that is newer than what was sent waits for that.
    async fn send_fleet(&mut self) -> Result<(), Gone> {
        let frame = self.fleet.borrow_and_update().clone();
        if !self.filter.is_open() {
            return Ok(());
        }
        if frame.seq > self.seq {
            self.send_changes(frame.seq).await?;
        }
        if frame.seq > self.seq {
            self.fleet.mark_changed();
            return Ok(());
        }
        if frame.seq >= self.hosts_changed_seq { self.line.send(frame.text).await } else { Ok(()) }
    }

    /// Samples wait, too, for the changes before them.
    async fn send_samples(&mut self) -> Result<(), Gone> {
        if self.is_behind() {
            self.samples.reset_immediately();
            return self.send_changes(u64::MAX).await;
        }
        self.sampled = Some(Instant::now());
        let moved = self.watched.take_moved(&self.feed.registry);
        if moved.is_empty() {
            return Ok(());
        }
        let text = moved.encode(self.seq).await.ok_or(Gone)?;
        self.line.send(text).await
    }
}

fn moves_columns(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::HostRegistered | ChangeKind::HostCloned | ChangeKind::HostRemoved)
}

fn ticks(first: Instant, every: Duration) -> Interval {
    let mut ticks = interval_at(first, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
#[path = "viewer_tests.rs"]
mod tests;
