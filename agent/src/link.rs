//! The link to the collector: one outbound WebSocket, dialled again whenever it ends.
//!
//! Read in this order: what the link tells ([`HostView`]), how it connects ([`dial`], [`tls`]), how a
//! conversation begins ([`greeting`]) and goes on ([`session`], apart from the socket, which
//! [`socket`] drives), why it ends ([`End`]), and when to dial again ([`backoff`]).
//!
//! Nothing here samples or discovers, and nothing that the collector says can do more than name
//! an interval or end the connection.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{Sink, Stream};
use herdbook_shared::wire::hello::{Hello, Welcome};
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::enrol::{Membership, Next, Target};
use crate::error_chain::Chain;
use crate::sampling::Depth;

mod beat;
mod inbound;
mod outage;
mod outbox;
mod rekeying;

pub mod backoff;
pub mod dial;
pub mod end;
pub mod greeting;
pub mod session;
pub mod socket;
pub mod tls;
pub mod transport;

pub use end::End;

use backoff::Backoff;
use dial::Dial;
use greeting::{Credentials, Greeted};
use outage::Outage;
use rekeying::{Rekeying, Wish};
use session::Session;

/// A connection that lasted this long has lived: its loss is a new outage.
const LIVED_AFTER: Duration = Duration::from_secs(10);

/// What the link tells of its host.
pub trait HostView {
    /// A session begins, over a socket with this address of the host as its own end.
    fn connected(&mut self, own_end: Option<IpAddr>, now: Instant);

    /// Measures the host now.
    fn sample(&mut self, depth: Depth, now: Instant) -> Sample;

    /// Another number than before where the inventory is another one, apart from what moves in it.
    /// `None` while too little is known for an inventory.
    fn revision(&mut self, now: Instant) -> Option<u64>;

    /// What the host has.
    fn inventory(&mut self) -> Inventory;
}

/// A WebSocket, or what stands for one in a test.
pub trait Socket:
    Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin
{
}

/// The link to the collector.
pub struct Link<D, V> {
    dial: D,
    view: V,
    hello: Hello,
    membership: Membership,
    /// Where the last dial went.
    target: Option<Target>,
    resumed: watch::Receiver<u64>,
    random: fastrand::Rng,
    backoff: Backoff,
    outage: Outage,
}

impl<D: Dial, V: HostView> Link<D, V> {
    /// A link that greets the collector of `membership` with `hello`, and starts anew whenever
    /// `resumed` changes: a socket from before the host slept is dead, and does not know.
    pub fn new(
        dial: D,
        view: V,
        hello: Hello,
        membership: Membership,
        resumed: watch::Receiver<u64>,
        random: fastrand::Rng,
    ) -> Self {
        let (backoff, outage) = (Backoff::default(), Outage::default());
        Self { dial, view, hello, membership, target: None, resumed, random, backoff, outage }
    }

    /// Keeps the host connected until `stop`, then says goodbye.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut resumed = self.resumed.clone();
        loop {
            let end = self.connect_or_resume(&stop, &mut resumed).await;
            if stop.is_cancelled() {
                return;
            }
            if matches!(end, End::Stopped) {
                // Left to join another one.
                self.rejoin();
                continue;
            }
            let delay = self.ended(&end);
            let (dir, known) = self.membership.waits_for();
            tokio::select! {
                () = stop.cancelled() => return,
                () = Membership::asked(dir, known) => self.rejoin(),
                () = self.wait(delay, &mut resumed) => {}
            }
        }
    }

    /// One connection; it is left where the host slept, or is asked to join a collector.
    async fn connect_or_resume(
        &mut self,
        stop: &CancellationToken,
        resumed: &mut watch::Receiver<u64>,
    ) -> End {
        let (dir, known) = self.membership.waits_for();
        let leave = stop.child_token();
        let connection = self.connect(&leave);
        tokio::pin!(connection);
        tokio::select! {
            biased;
            () = resumed_before(stop, resumed) => End::Resumed,
            () = Membership::asked(dir, known) => {
                leave.cancel();
                connection.await
            }
            end = &mut connection => end,
        }
    }

    fn rejoin(&mut self) {
        self.membership.look_for_join();
        self.backoff = Backoff::default();
        self.outage = Outage::default();
    }

    /// Waits before dialling again; less where the host slept meanwhile.
    async fn wait(&mut self, delay: Duration, resumed: &mut watch::Receiver<u64>) {
        debug!(delay_ms = delay.as_millis(), "dialling again");
        let mut until = Instant::now() + delay;
        loop {
            tokio::select! {
                () = changed(resumed) => {
                    until = until.min(Instant::now() + self.backoff.resumed(&mut self.random));
                }
                () = sleep_until(until) => return,
            }
        }
    }

    /// Dials the collector and is welcomed by it.
    async fn open(&mut self) -> Result<(D::Socket, Greeted), End> {
        self.membership.saw(None);
        let target = &*self.target.insert(self.membership.target().await);
        let mut socket = self.dial.dial(target).await.map_err(End::Unreachable)?;
        let channel = self.dial.channel(&socket);
        self.membership.saw(channel);
        if channel.is_some() {
            self.membership.need_key().map_err(End::NoKey)?;
        }
        let (key, token) = (self.membership.key(), self.membership.token());
        let credentials =
            channel.zip(key).map(|(channel, key)| Credentials { key, channel, token });
        let greeted = greeting::greet(&mut socket, &self.hello, credentials).await?;
        match &channel {
            Some(channel) => self.membership.welcomed(&greeted.welcome, target, channel),
            None => self.membership.welcomed_here(target),
        }
        Ok((socket, greeted))
    }

    /// One connection, from the dial to its end.
    async fn connect(&mut self, stop: &CancellationToken) -> End {
        let (mut socket, greeted) = tokio::select! {
            biased;
            () = stop.cancelled() => return End::Stopped,
            opened = self.open() => match opened {
                Ok(opened) => opened,
                Err(end) => return end,
            },
        };
        let Greeted { welcome, mut inbound, opened } = greeted;
        self.welcomed(&welcome);
        self.view.connected(self.dial.own_end(&socket), Instant::now());
        let wish = Duration::from_millis(self.hello.sample_interval_ms);
        let now = Instant::now();
        let mut session = Session::open(&welcome, wish, self.random.fork(), now);
        let asked = if welcome.rotate_key { Wish::Asked } else { Wish::None };
        let mut rekeying = Rekeying::new(self.membership.keys().zip(opened), asked, now);
        let conversation = socket::converse(
            &mut socket,
            &mut session,
            &mut inbound,
            &mut self.view,
            &mut rekeying,
            stop,
        );
        tokio::pin!(conversation);
        tokio::select! {
            biased;
            end = &mut conversation => return end,
            () = sleep(LIVED_AFTER) => {}
        }
        self.backoff.lived();
        if self.outage.lived() {
            info!("connected to the collector at {}", Where(self.target.as_ref()));
        }
        conversation.await
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        self.backoff.welcomed(Duration::from_millis(welcome.reconnect_spread_ms));
        let (session, collector) = (welcome.session_id.as_str(), welcome.collector_id.as_str());
        if self.outage.over() {
            let place = Where(self.target.as_ref());
            info!(collector, session, "connected to the collector at {place}");
        } else {
            debug!(collector, session, "connected to the collector again");
        }
    }

    /// Says why, and returns how long to wait.
    fn ended(&mut self, end: &End) -> Duration {
        if matches!(end, End::Resumed) {
            debug!("left the connection: {end}");
            return self.backoff.resumed(&mut self.random);
        }
        if let Some(floor) = end.retry_after() {
            self.backoff.refused(floor);
        }
        let fingerprint = self.membership.fingerprint();
        let why = Chain(end).to_string();
        let next = self.membership.failed(&why, end.refused(), Instant::now());
        let (aloud, place) = (self.outage.began(&end.kind()), Where(self.target.as_ref()));
        if !aloud {
            debug!("no connection to the collector: {why}");
        } else if let (true, Some(pin)) = (end.is_pending(), self.membership.seen()) {
            info!(
                "this agent waits to be approved by the collector at {place}: its key is \
                 {fingerprint}, the collector's is {pin}; compare them, and approve it on the \
                 collector's page or with herdbook-collector host approve {fingerprint}"
            );
        } else {
            warn!("no connection to the collector at {place}: {why}; trying again");
        }
        if next == Next::Other {
            // What the one said is not what the other is to wait for.
            self.backoff = Backoff::default();
        }
        if end.is_pending() {
            // Nothing is wrong, so nothing grows.
            self.backoff.lived();
        }
        self.backoff.next_delay(&mut self.random)
    }
}

/// Where the last dial went.
struct Where<'a>(Option<&'a Target>);

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |target| target.fmt(f))
    }
}

/// The host slept. What stops meanwhile still says goodbye.
async fn resumed_before(stop: &CancellationToken, resumed: &mut watch::Receiver<u64>) {
    changed(resumed).await;
    if stop.is_cancelled() {
        std::future::pending().await
    }
}

/// Waits for a change; for ever, where nobody is left to make one.
async fn changed(resumed: &mut watch::Receiver<u64>) {
    if resumed.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod fake;

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "../tests/support/door.rs"]
#[expect(dead_code, reason = "the tests of the process use more of it")]
mod door;

#[cfg(test)]
mod door_tests;
