//! The link to the collector: one outbound WebSocket, dialled again whenever it ends.
//!
//! Read in this order: what the link tells ([`HostView`]), how it connects ([`dial`]), how a
//! conversation begins ([`greeting`]) and goes on ([`session`], apart from the socket, which
//! [`socket`] drives), why it ends ([`End`]), and when to dial again ([`backoff`]).
//!
//! Nothing here samples or discovers, and nothing that the collector says can do more than name
//! an interval or end the connection.

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

use crate::error_chain::Chain;
use crate::sampling::Depth;

mod beat;
mod inbound;
mod outage;
mod outbox;

pub mod backoff;
pub mod dial;
pub mod end;
pub mod greeting;
pub mod session;
pub mod socket;

pub use end::End;

use backoff::Backoff;
use dial::Dial;
use outage::Outage;
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
    resumed: watch::Receiver<u64>,
    random: fastrand::Rng,
    backoff: Backoff,
    outage: Outage,
}

impl<D: Dial, V: HostView> Link<D, V> {
    /// A link that greets with `hello` wherever `dial` leads, and starts anew whenever `resumed`
    /// changes: a socket from before the host slept is dead, and does not know.
    pub fn new(
        dial: D,
        view: V,
        hello: Hello,
        resumed: watch::Receiver<u64>,
        random: fastrand::Rng,
    ) -> Self {
        let (backoff, outage) = (Backoff::default(), Outage::default());
        Self { dial, view, hello, resumed, random, backoff, outage }
    }

    /// Keeps the host connected until `stop`, then says goodbye.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut resumed = self.resumed.clone();
        loop {
            let end = tokio::select! {
                biased;
                () = resumed_before(&stop, &mut resumed) => End::Resumed,
                end = self.connect(&stop) => end,
            };
            if matches!(end, End::Stopped) {
                return;
            }
            let delay = self.ended(&end);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wait(delay, &mut resumed) => {}
            }
        }
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

    /// One connection, from the dial to its end.
    async fn connect(&mut self, stop: &CancellationToken) -> End {
        let socket = async {
            let mut socket = self.dial.dial().await.map_err(End::Unreachable)?;
            let greeted = greeting::greet(&mut socket, &self.hello).await?;
            Ok::<_, End>((socket, greeted))
        };
        let (mut socket, (welcome, mut inbound)) = tokio::select! {
            biased;
            () = stop.cancelled() => return End::Stopped,
            greeted = socket => match greeted {
                Ok(greeted) => greeted,
                Err(end) => return end,
            },
        };
        self.welcomed(&welcome);
        self.view.connected(self.dial.own_end(&socket), Instant::now());
        let wish = Duration::from_millis(self.hello.sample_interval_ms);
        let mut session = Session::open(&welcome, wish, self.random.fork(), Instant::now());
        let conversation =
            socket::converse(&mut socket, &mut session, &mut inbound, &mut self.view, stop);
        tokio::pin!(conversation);
        tokio::select! {
            biased;
            end = &mut conversation => return end,
            () = sleep(LIVED_AFTER) => {}
        }
        self.backoff.lived();
        if self.outage.lived() {
            info!("connected to the collector at {}", self.dial);
        }
        conversation.await
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        self.backoff.welcomed(Duration::from_millis(welcome.reconnect_spread_ms));
        let (session, collector) = (welcome.session_id.as_str(), welcome.collector_id.as_str());
        if self.outage.over() {
            info!(collector, session, "connected to the collector at {}", self.dial);
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
        if self.outage.began(&end.kind()) {
            warn!("no connection to the collector at {}: {}; trying again", self.dial, Chain(end));
        } else {
            debug!("no connection to the collector: {}", Chain(end));
        }
        self.backoff.next_delay(&mut self.random)
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
