//! Thousands of agents in one process that enrol, live, and come back as the real agent does when
//! they lose their collector.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use herdbook_agent::error_chain::Chain;
use herdbook_agent::link::End;
use herdbook_agent::link::backoff::Backoff;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::swarm::session::Ended;
use crate::swarm::{Member, SimulatedAgent, SimulatedHost};

/// How often each sends a sample: seldom, since it is not samples that are measured.
const INTERVAL: Duration = Duration::from_secs(10);
/// As in the real agent's link: a session that lasted this long has lived.
const LIVED_AFTER: Duration = Duration::from_secs(10);
/// How often it is looked at how many are there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module's words.
#[derive(Debug)]
pub(super) struct Crowd {
    n_agents: u32,
    arrivals: Arc<Arrivals>,
    living: JoinSet<()>,
}

/// Who was welcomed in this round, which is over when all were.
#[derive(Debug)]
struct Arrivals {
    round: AtomicU32,
    n_there: AtomicU32,
    n_failed: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    arrival: Instant,
    failure: Option<String>,
}

/// How a round went.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// When the last one was welcomed.
    pub(super) last_arrival: Instant,
    /// Dials that came to nothing.
    pub(super) n_failed: u64,
    /// Why the last of those did.
    pub(super) failure: Option<String>,
}

impl Arrivals {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An agent that was last welcomed in `round` is welcomed now.
    fn arrived(&self, round: &mut u32) {
        let now = self.round.load(Relaxed);
        if std::mem::replace(round, now) != now {
            self.n_there.fetch_add(1, Relaxed);
            self.last().arrival = Instant::now();
        }
    }

    fn failed(&self, why: &End) {
        self.n_failed.fetch_add(1, Relaxed);
        self.last().failure = Some(Chain(why).to_string());
    }
}

impl Crowd {
    /// New agents, of which so many join at the same time.
    pub(super) fn join(line: JoinLine, n_agents: u32, n_in_flight: usize) -> Self {
        let last = Mutex::new(Last { arrival: Instant::now(), failure: None });
        let arrivals = Arc::new(Arrivals {
            round: AtomicU32::new(1),
            n_there: AtomicU32::default(),
            n_failed: AtomicU64::default(),
            last,
        });
        let (line, slots) = (Arc::new(line), Arc::new(Semaphore::new(n_in_flight)));
        let mut living = JoinSet::new();
        for index in 0..n_agents {
            let (line, slots) = (Arc::clone(&line), Arc::clone(&slots));
            living.spawn(live(index, line, slots, Arc::clone(&arrivals)));
        }
        Self { n_agents, arrivals, living }
    }

    /// From now on it counts who is welcomed anew.
    pub(super) fn next_round(&self) {
        self.arrivals.round.fetch_add(1, Relaxed);
        self.arrivals.n_there.store(0, Relaxed);
        self.arrivals.n_failed.store(0, Relaxed);
        self.arrivals.last().failure = None;
    }

    /// Waits until all were welcomed in this round.
    pub(super) async fn complete(&mut self, within: Duration) -> io::Result<Round> {
        let begun = Instant::now();
        loop {
            let n_there = self.arrivals.n_there.load(Relaxed);
            let (last_arrival, failure) = {
                let last = self.arrivals.last();
                (last.arrival, last.failure.clone())
            };
            let n_failed = self.arrivals.n_failed.load(Relaxed);
            if n_there == self.n_agents {
                return Ok(Round { last_arrival, n_failed, failure });
            }
            if begun.elapsed() > within {
                let n_agents = self.n_agents;
                let text = format!("{n_there} of {n_agents} were welcomed; last: {failure:?}");
                return Err(io::Error::other(text));
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => (),
                Some(ended) = self.living.join_next() => ended?,
            }
        }
    }
}

async fn live(index: u32, line: Arc<JoinLine>, slots: Arc<Semaphore>, arrivals: Arc<Arrivals>) {
    let seed = u64::from(index) + 1;
    let mut host = SimulatedHost::from_seed(seed);
    host.sample_interval_ms = u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX);
    let Some(mut member) = Member::by_line(&line, seed) else { return };
    let (mut backoff, mut random) = (Backoff::default(), fastrand::Rng::with_seed(seed));
    let mut slot = slots.acquire().await.ok();
    let mut round = 0;
    loop {
        let end = match SimulatedAgent::enrol(&member, host.clone()).await {
            Ok(mut agent) => {
                drop(slot.take());
                member.joined();
                arrivals.arrived(&mut round);
                backoff.welcomed(Duration::from_millis(agent.welcome().reconnect_spread_ms));
                let welcomed = Instant::now();
                let ended = converse(&mut agent, &mut random).await;
                if welcomed.elapsed() >= LIVED_AFTER {
                    backoff.lived();
                }
                host = agent.host().clone();
                match ended {
                    Ended::Refused(refused) => End::Refused(refused),
                    Ended::Lost(_) => End::Closed,
                }
            }
            Err(end) => {
                arrivals.failed(&end);
                end
            }
        };
        if let Some(floor) = end.retry_after() {
            backoff.refused(floor);
        }
        sleep(backoff.next_delay(&mut random)).await;
    }
}

async fn converse(agent: &mut SimulatedAgent, random: &mut fastrand::Rng) -> Ended {
    if let Err(ended) = agent.send_inventory().await {
        return ended;
    }
    let first = Instant::now() + INTERVAL.mul_f64(random.f64());
    agent.live_from(first, &mut || ()).await
}
