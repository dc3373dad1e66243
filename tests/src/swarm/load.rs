//! Many simulated agents in one process on one thread, and what they cost the collector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::encode;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, sleep_until};

use super::agent::SimulatedAgent;
use super::enrolled::Member;
use super::host::SimulatedHost;
use super::session::Ended;
use super::usage::{Memory, cpu_time, median, memory};

/// How long the fleet runs before the first window, so that joining is not measured.
const SETTLE: Duration = Duration::from_secs(3);

/// In how many windows the figures are taken.
const N_WINDOWS: u32 = 3;

/// What the hosts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// The wire, as agents speak it.
    Wire,
    /// As many bytes as often, on plain TCP, to somebody who throws them away: the raw limit.
    Bytes,
}

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the collector listens.
    pub collector: SocketAddr,
    /// By which line they join, over TLS and with keys of their own; `None`: on this machine, and
    /// without.
    pub join: Option<Arc<JoinLine>>,
    /// What they say to it.
    pub speech: Speech,
    /// How many hosts.
    pub n_hosts: u32,
    /// How often each sends a sample.
    pub interval: Duration,
    /// GPUs of each host.
    pub n_gpus: u32,
    /// Models of each host's one service.
    pub n_models: u32,
    /// Over how long the hosts join.
    pub ramp: Duration,
    /// How long to measure, in all.
    pub measured: Duration,
    /// The process to measure.
    pub collector_pid: Option<u32>,
}

/// What happened.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Hosts that were to join.
    pub hosts: u32,
    /// Hosts with an open session at the end.
    pub connected: u64,
    /// Samples sent while measuring.
    pub samples: u64,
    /// Sessions that failed or ended.
    pub errors: u64,
    /// Why the first of them did.
    pub first_error: Option<String>,
    /// What the collector used; absent where no process was named.
    pub cost: Option<Cost>,
}

/// What the collector used.
#[derive(Debug, Default, Serialize)]
pub struct Cost {
    /// CPU time for one sample, microseconds, of each window.
    pub cpu_us_per_sample: Vec<f64>,
    /// Their median.
    pub cpu_us_per_sample_median: f64,
    /// Memory before the first host.
    pub before: Memory,
    /// Memory at the end.
    pub after: Memory,
    /// RSS that one agent added.
    pub rss_kib_per_agent: f64,
    /// Private memory that one agent added.
    pub private_kib_per_agent: f64,
}

#[derive(Debug, Default)]
struct Counters {
    connected: AtomicU64,
    samples: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
}

/// Counts a connection for as long as it lives.
struct Connected<'a>(&'a AtomicU64);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Counters {
    fn connected(&self) -> Connected<'_> {
        self.connected.fetch_add(1, Relaxed);
        Connected(&self.connected)
    }

    fn ended(&self, why: &Ended) {
        self.errors.fetch_add(1, Relaxed);
        let mut first = self.first_error.lock().expect("no panic under the lock");
        first.get_or_insert_with(|| why.to_string());
    }
}

impl Load {
    /// Joins the hosts, lets them live, and measures.
    ///
    /// # Errors
    ///
    /// Where the process to measure cannot be read.
    pub async fn run(self) -> std::io::Result<Outcome> {
        let before = self.collector_pid.map(memory).transpose()?;
        let counters = Arc::new(Counters::default());
        let mut agents = JoinSet::new();
        let base = Instant::now();
        for index in 0..self.n_hosts {
            agents.spawn(simulate(self.clone(), index, base, Arc::clone(&counters)));
        }
        sleep_until(base + self.ramp + SETTLE).await;

        let started_with = counters.samples.load(Relaxed);
        let windows = self.windows(&counters).await?;
        let samples = counters.samples.load(Relaxed) - started_with;
        let after = self.collector_pid.map(memory).transpose()?;
        let first_error = counters.first_error.lock().expect("no panic under the lock").take();
        Ok(Outcome {
            hosts: self.n_hosts,
            connected: counters.connected.load(Relaxed),
            samples,
            errors: counters.errors.load(Relaxed),
            first_error,
            cost: before.zip(after).map(|memory| self.cost(windows, memory)),
        })
    }

    /// CPU time for one sample, microseconds, window by window.
    async fn windows(&self, counters: &Counters) -> std::io::Result<Vec<f64>> {
        let mut figures = Vec::new();
        for _ in 0..N_WINDOWS {
            let n_before = counters.samples.load(Relaxed);
            let cpu_before = self.collector_pid.map(cpu_time).transpose()?;
            sleep(self.measured / N_WINDOWS).await;
            let cpu_after = self.collector_pid.map(cpu_time).transpose()?;
            let n = counters.samples.load(Relaxed) - n_before;
            if let Some((after, before)) = cpu_after.zip(cpu_before) {
                figures.push((after - before).as_secs_f64() * 1e6 / (n.max(1) as f64));
            }
        }
        Ok(figures)
    }

    fn cost(&self, windows: Vec<f64>, (before, after): (Memory, Memory)) -> Cost {
        let per_agent = |before: u64, after: u64| {
            after.saturating_sub(before) as f64 / f64::from(self.n_hosts.max(1))
        };
        Cost {
            cpu_us_per_sample_median: median(windows.clone()),
            cpu_us_per_sample: windows,
            before,
            after,
            rss_kib_per_agent: per_agent(before.rss_kib, after.rss_kib),
            private_kib_per_agent: per_agent(before.private_kib, after.private_kib),
        }
    }

    /// The share of `span` that falls to the `index`th host.
    fn share(&self, span: Duration, index: u32) -> Duration {
        span.mul_f64(f64::from(index) / f64::from(self.n_hosts.max(1)))
    }

    /// The `index`th host's next turn: turns are spread evenly over the interval.
    fn next_turn(&self, index: u32, base: Instant, now: Instant) -> Instant {
        let first = base + self.share(self.interval, index);
        let behind = now.saturating_duration_since(first);
        let n = behind.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        first + self.interval * u32::try_from(n).unwrap_or(u32::MAX)
    }
}

async fn simulate(load: Load, index: u32, base: Instant, counters: Arc<Counters>) {
    sleep_until(base + load.share(load.ramp, index)).await;
    let mut host =
        SimulatedHost::from_seed(u64::from(index) + 1).having(load.n_gpus, load.n_models);
    host.sample_interval_ms = u64::try_from(load.interval.as_millis()).unwrap_or(u64::MAX);
    let start = || load.next_turn(index, base, Instant::now());
    let why = match load.speech {
        Speech::Wire => match join(&load, index, host).await {
            Ok(agent) => speak_wire(agent, start, &counters).await,
            Err(why) => why,
        },
        Speech::Bytes => speak_bytes(&load, host, start, &counters).await,
    };
    counters.ended(&why);
}

async fn join(load: &Load, index: u32, host: SimulatedHost) -> Result<SimulatedAgent, Ended> {
    let Some(line) = &load.join else { return SimulatedAgent::join(load.collector, host).await };
    let member = Member::by_line(line, u64::from(index) + 1);
    let member = member.ok_or_else(|| Ended::Lost("there is no key of this seed".to_owned()))?;
    Ok(SimulatedAgent::enrol(&member, host).await?)
}

async fn speak_wire(
    mut agent: SimulatedAgent,
    start: impl Fn() -> Instant,
    counters: &Counters,
) -> Ended {
    if let Err(why) = agent.send_inventory().await {
        return why;
    }
    let _connected = counters.connected();
    let mut sent = || {
        counters.samples.fetch_add(1, Relaxed);
    };
    agent.live_from(start(), &mut sent).await
}

async fn speak_bytes(
    load: &Load,
    mut host: SimulatedHost,
    start: impl Fn() -> Instant,
    counters: &Counters,
) -> Ended {
    let lost = |error: std::io::Error| Ended::Lost(error.to_string());
    let mut stream = match TcpStream::connect(load.collector).await {
        Ok(stream) => stream,
        Err(error) => return lost(error),
    };
    let _connected = counters.connected();
    let mut ticks = interval_at(start(), load.interval);
    loop {
        ticks.tick().await;
        let sample = encode(&AgentMessage::Sample(Box::new(host.sample())));
        if let Err(error) = stream.write_all(sample.as_bytes()).await {
            return lost(error);
        }
        counters.samples.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(n_hosts: u32) -> Load {
        Load {
            collector: "127.0.0.1:6121".parse().unwrap(),
            join: None,
            speech: Speech::Wire,
            n_hosts,
            interval: Duration::from_secs(1),
            n_gpus: 0,
            n_models: 0,
            ramp: Duration::ZERO,
            measured: Duration::from_secs(1),
            collector_pid: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_spread_evenly_and_never_in_the_past() {
        let load = load(4);
        let base = Instant::now();
        let now = base + Duration::from_millis(2600);
        let turns: Vec<u128> =
            (0..4).map(|i| (load.next_turn(i, base, now) - base).as_millis()).collect();
        assert_eq!(turns, [3000, 3250, 3500, 2750]);
    }
}
