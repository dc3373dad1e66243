//! An enrolled host that exists only on the wire: the agent's own key, TLS and greeting, and what a
//! simulated host has to say. It counts what it said and how often it was cut off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_agent::enrol::{JoinLine, Target};
use herdbook_agent::key::Key;
use herdbook_agent::link::End;
use herdbook_agent::link::dial::{Dial as _, TcpDial};
use herdbook_agent::link::greeting::{Credentials, greet};
use herdbook_agent::link::transport::Transport;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::{encode, split};
use herdbook_shared::wire::hello::{Goodbye, GoodbyeReason, Hello, Welcome};
use tokio::time::{Duration, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::swarm::SimulatedHost;

/// How often a host samples.
const EVERY: Duration = Duration::from_secs(1);
/// Before a host that was cut off dials again.
const PAUSE: Duration = Duration::from_millis(200);

/// The socket of an enrolled agent.
pub type Socket = WebSocketStream<Transport>;

/// What a host said, and what became of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Samples that the socket took.
    pub sent: AtomicU64,
    /// Sessions that ended though the host wanted to go on.
    pub lost: AtomicU64,
    /// Dials that led to no session.
    pub failed: AtomicU64,
}

/// See the module's words.
#[derive(Debug)]
pub struct Member {
    /// What it reports.
    pub host: SimulatedHost,
    key: Key,
    line: JoinLine,
}

impl Member {
    /// With a key of its own, which it keeps in `dir`. The first session makes it a member, if the
    /// line still lets it.
    ///
    /// # Panics
    ///
    /// Where it cannot make a key.
    #[must_use]
    pub fn new(host: SimulatedHost, line: &JoinLine, dir: &Path) -> Self {
        let name = format!("key-{}", host.host_id);
        let key = Key::make(dir, &name, Timestamp::now()).expect("a key");
        Self { host, key, line: line.clone() }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where it dials.
    #[must_use]
    pub fn target(&self) -> Target {
        self.line.target()
    }

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn connect(&self) -> Result<(Socket, Welcome), End> {
        self.connect_as(&self.host.hello()).await
    }

    /// The same with another hello.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn connect_as(&self, hello: &Hello) -> Result<(Socket, Welcome), End> {
        let mut dial = TcpDial;
        let mut socket = dial.dial(&self.target()).await.map_err(End::Unreachable)?;
        let channel = dial.channel(&socket);
        let token = Some(self.line.token());
        let credentials = channel.map(|channel| Credentials { key: &self.key, channel, token });
        let greeted = greet(&mut socket, hello, credentials).await?;
        Ok((socket, greeted.welcome))
    }

    /// Reports every second until `stop`, over one session after the other where it has to; says
    /// goodbye at the end.
    pub async fn report(mut self, tally: Arc<Tally>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.connect().await {
                Ok((socket, welcome)) => {
                    if self.converse(socket, &welcome, &tally, &stop).await.is_err() {
                        tally.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(_) => {
                    tally.failed.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn converse(
        &mut self,
        mut socket: Socket,
        welcome: &Welcome,
        tally: &Tally,
        stop: &CancellationToken,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for part in split(self.host.inventory()) {
            say(&mut socket, &AgentMessage::Inventory(Box::new(part))).await?;
        }
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {
                    let sample = self.host.sample();
                    say(&mut socket, &AgentMessage::Sample(Box::new(sample))).await?;
                    tally.sent.fetch_add(1, Ordering::Relaxed);
                }
                frame = socket.next() => match frame {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return Err(format!("{other:?}").into()),
                },
            }
        }
        let session_id = welcome.session_id.clone();
        let goodbye = Goodbye { reason: GoodbyeReason::Shutdown, session_id };
        say(&mut socket, &AgentMessage::Goodbye(goodbye)).await?;
        // Closed over something unread, the goodbye could be lost.
        while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
        Ok(())
    }
}

/// Says it as one frame.
///
/// # Errors
///
/// Where the connection is lost.
pub async fn say(
    socket: &mut Socket,
    message: &AgentMessage,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    socket.send(Message::text(encode(message))).await
}
