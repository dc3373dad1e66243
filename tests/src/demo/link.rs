//! The agent of a simulated host: it says what its host tells it to say, and is silent, cut off or
//! gone when its host is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::hello::GoodbyeReason;
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::clock::Clock;
use super::host::{DemoHost, Presence};
use crate::swarm::session::{Ended, Session};

/// How often a host sends a sample.
const INTERVAL: Duration = Duration::from_secs(1);
/// Every how many seconds of the fleet's time the slow part of a sample comes along.
const SLOW_EVERY_S: u32 = 10;
/// How long until an agent that lost its collector dials again.
const REDIAL: Duration = Duration::from_secs(1);

/// A host that several look after: its agent, and whoever lets things happen to it.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<DemoHost>>);

impl Shared {
    pub(super) fn new(host: DemoHost) -> Self {
        Self(Arc::new(Mutex::new(host)))
    }

    /// The host as it is in that second. Never held across an await.
    pub(super) fn at(&self, now_s: u64) -> MutexGuard<'_, DemoHost> {
        let mut host = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        host.advance_to(now_s);
        host
    }
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) host: Shared,
    pub(super) clock: Clock,
    pub(super) collector: SocketAddr,
}

/// What the agent does in one turn.
enum Turn {
    Say(Option<Box<Inventory>>, Box<Sample>),
    Freeze,
    Cut,
    Leave(GoodbyeReason),
}

impl Link {
    /// Lives for ever, and begins after `delay`, so that not all hosts speak at once.
    pub(super) async fn live(self, delay: Duration) {
        sleep(delay).await;
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_known = false;
        loop {
            // Its first session is held even by a host that is about to leave.
            while is_known && self.presence() != Presence::Here {
                ticks.tick().await;
            }
            match self.session(&mut ticks).await {
                Ok(()) => is_known = true,
                Err(Ended::Refused(_) | Ended::Lost(_)) => sleep(REDIAL).await,
            }
        }
    }

    fn presence(&self) -> Presence {
        self.host.at(self.clock.now_s()).presence()
    }

    /// One session, to its end on purpose.
    async fn session(&self, ticks: &mut Interval) -> Result<(), Ended> {
        let interval_ms = u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX);
        let hello = self.host.at(self.clock.now_s()).hello(interval_ms);
        let mut session = Session::open(self.collector, hello).await?;
        let mut told = None;
        let mut n_turns = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                ended = session.end() => return Err(ended),
            }
            match self.turn(&mut told, n_turns) {
                Turn::Say(inventory, sample) => say(&mut session, inventory, sample).await?,
                Turn::Freeze => self.stand_still(ticks).await,
                Turn::Cut => return Ok(()),
                Turn::Leave(reason) => return session.goodbye(reason).await,
            }
            n_turns += 1;
        }
    }

    fn turn(&self, told: &mut Option<u64>, n_turns: u32) -> Turn {
        let mut host = self.host.at(self.clock.now_s());
        match host.presence() {
            Presence::Frozen if told.is_some() => return Turn::Freeze,
            Presence::Cut if told.is_some() => return Turn::Cut,
            Presence::Left(reason) if told.is_some() => return Turn::Leave(reason),
            _ => {}
        }
        let is_news = *told != Some(host.revision());
        *told = Some(host.revision());
        let inventory = is_news.then(|| Box::new(host.inventory()));
        let slow_every = (SLOW_EVERY_S / self.clock.speed()).max(1);
        Turn::Say(inventory, Box::new(host.sample(n_turns.is_multiple_of(slow_every))))
    }

    /// Neither reads nor writes.
    async fn stand_still(&self, ticks: &mut Interval) {
        while self.presence() == Presence::Frozen {
            ticks.tick().await;
        }
    }
}

async fn say(
    session: &mut Session,
    inventory: Option<Box<Inventory>>,
    sample: Box<Sample>,
) -> Result<(), Ended> {
    if let Some(inventory) = inventory {
        session.send_inventory(*inventory).await?;
    }
    session.send(&AgentMessage::Sample(sample)).await
}
