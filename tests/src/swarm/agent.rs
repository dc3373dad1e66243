//! The agent's side of the conversation, for a simulated host: hello, welcome, inventory, samples.

use std::net::SocketAddr;
use std::time::Duration;

use herdbook_agent::link::End;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::hello::{GoodbyeReason, Refused, Welcome};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::enrolled::Member;
use super::host::SimulatedHost;
use super::session::{Ended, Session};

/// A simulated host with an open session.
#[derive(Debug)]
pub struct SimulatedAgent {
    host: SimulatedHost,
    session: Session,
}

impl SimulatedAgent {
    /// Connects and introduces `host`.
    ///
    /// # Errors
    ///
    /// Where the collector cannot be reached or refuses the host.
    pub async fn join(collector: SocketAddr, host: SimulatedHost) -> Result<Self, Ended> {
        let session = Session::open(collector, host.hello()).await?;
        Ok(Self { host, session })
    }

    /// Connects over TLS and introduces `host`, which proves who it is.
    ///
    /// # Errors
    ///
    /// Where the collector cannot be reached, is another one, or refuses the host.
    pub async fn enrol(member: &Member, host: SimulatedHost) -> Result<Self, End> {
        let session = member.open(&host.hello()).await?;
        Ok(Self { host, session })
    }

    /// How the collector took it in.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        self.session.welcome()
    }

    /// The host that it reports.
    #[must_use]
    pub fn host(&self) -> &SimulatedHost {
        &self.host
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn send(&mut self, message: &AgentMessage) -> Result<(), Ended> {
        self.session.send(message).await
    }

    /// Says something that is no message, and returns how the session ends.
    pub async fn say(self, frame: &str) -> Ended {
        self.session.say(frame).await
    }

    /// Sends what the host has.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn send_inventory(&mut self) -> Result<(), Ended> {
        self.session.send_inventory(self.host.inventory()).await
    }

    /// Sends the next sample.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn send_sample(&mut self) -> Result<(), Ended> {
        let sample = self.host.sample();
        self.send(&AgentMessage::Sample(Box::new(sample))).await
    }

    /// Takes its leave.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn goodbye(self, reason: GoodbyeReason) -> Result<(), Ended> {
        self.session.goodbye(reason).await
    }

    /// Lives for ever: joins again after a loss, spread as the collector asked, until refused.
    pub async fn persist(mut self, collector: SocketAddr) -> Refused {
        let mut ended = self.live().await;
        loop {
            if let Ended::Refused(refused) = ended {
                return refused;
            }
            let spread_ms = self.welcome().reconnect_spread_ms.clamp(1, 20_000);
            sleep(Duration::from_millis(fastrand::u64(0..spread_ms))).await;
            ended = match self.rejoin(collector).await {
                Ok(()) => self.live().await,
                Err(ended) => ended,
            };
        }
    }

    async fn rejoin(&mut self, collector: SocketAddr) -> Result<(), Ended> {
        *self = Self::join(collector, self.host.clone()).await?;
        self.send_inventory().await
    }

    /// Samples at the agreed interval until the session ends, and returns why it did.
    pub async fn live(&mut self) -> Ended {
        self.live_from(Instant::now(), &mut || ()).await
    }

    /// As [`SimulatedAgent::live`], with the first sample at `start` and a word after each.
    pub async fn live_from(&mut self, start: Instant, sent: &mut impl FnMut()) -> Ended {
        let mut ticks =
            interval_at(start, Duration::from_millis(self.welcome().sample_interval_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => match self.send_sample().await {
                    Ok(()) => sent(),
                    Err(ended) => return ended,
                },
                ended = self.session.end() => return ended,
            }
        }
    }
}
