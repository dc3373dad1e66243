//! The long one of the agent, run by `make soak`: servers come and go, its GPU child is killed,
//! the GPUs change, and the collector crashes, while memory, threads and open files of the agent
//! and its child are read. Whatever creeps upward is a leak.

use std::time::Duration;

use fake_nvml::{Installed, Script};
use fake_ollama::{FakeOllama, LoadedModel, Story};
use herdbook_tests::footprint::flat::Readings;
use herdbook_tests::harness::{Agent, Fleet, eventually};
use herdbook_tests::swarm::usage::{children, memory, n_open, n_threads};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::soak::{number, pass, say};

/// By how much the fitted line of resident memory may rise over the run, however long it is, KiB.
const GROWTH_KIB: f64 = 256.0;
/// How long the agent runs before it is read: what it allocates once is no leak.
const WARM_UP: Duration = Duration::from_secs(45);
/// The GPU child is left alone from here on, a share of the time, so that one life of it is long
/// enough to be read.
const CHILD_LEFT_ALONE: f64 = 0.5;
/// What happens before all is let come to rest.
const EVENTS_A_ROUND: usize = 4;
/// How often memory is read.
const READ_EVERY: Duration = Duration::from_secs(2);
/// How old a process is before its memory is read.
const YOUNG: Duration = Duration::from_secs(10);
/// How often, and how many times, threads and files are counted at rest.
const CALM_EVERY: Duration = Duration::from_millis(400);
const N_CALM: usize = 8;
/// Fewer readings than this say nothing.
const N_READINGS_MIN: usize = 20;

#[tokio::test]
#[ignore = "runs for minutes: make soak"]
async fn an_agent_under_churn_stays_as_large_as_it_is() {
    let span = Duration::from_secs(number("HERDBOOK_SOAK_S").unwrap_or(600));
    let seed = number("HERDBOOK_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    say(&format!("soak of the agent: {} s, HERDBOOK_SOAK_SEED={seed}", span.as_secs()));
    let mut churn = Churn::start(seed).await;
    churn.all_is_shown().await;
    pass(WARM_UP).await;

    let (mut agent, mut child) = (Watched::new("agent"), Watched::new("GPU child"));
    let begun = Instant::now();
    while begun.elapsed() < span {
        let spare_child = begun.elapsed() >= span.mul_f64(CHILD_LEFT_ALONE);
        for _ in 0..EVENTS_A_ROUND {
            churn.something_happens(spare_child).await;
            for _ in 0..churn.random.u64(1..4) {
                pass(READ_EVERY).await;
                churn.read_memory(&mut agent, &mut child);
            }
        }
        churn.all_is_shown().await;
        churn.read_calm(&mut agent, &mut child).await;
    }
    say(&format!("soak of the agent: {:?} events", churn.n_events));
    agent.is_flat();
    child.is_flat();
}

/// An agent with GPUs and two model servers, and what happens to it.
struct Churn {
    random: fastrand::Rng,
    fleet: Fleet,
    agent: Agent,
    nvml: Installed,
    /// Where each server listens when it lives.
    servers: [(std::net::SocketAddr, Option<FakeOllama>); 2],
    n_gpus: u32,
    n_events: [u32; 5],
}

const N_GPUS: u32 = 4;

impl Churn {
    async fn start(seed: u64) -> Self {
        let fleet = Fleet::start().await;
        let nvml = Installed::new(fleet.dir(), &Script::with_gpus(N_GPUS)).expect("the library");
        let mut servers = Vec::new();
        for _ in 0..2 {
            let server = FakeOllama::start(Story::with_models(10)).await.expect("a free port");
            servers.push((server.addr(), Some(server)));
        }
        let servers: [_; 2] = servers.try_into().expect("two of them");
        let setup = fleet.agent("soaked").nvml_lib(&nvml.library);
        let setup = setup.ollama_host(&servers[0].0.to_string());
        let agent = setup.ollama(&format!("http://{}", servers[1].0)).start();
        let random = fastrand::Rng::with_seed(seed);
        Self { random, fleet, agent, nvml, servers, n_gpus: N_GPUS, n_events: [0; 5] }
    }

    async fn something_happens(&mut self, spare_child: bool) {
        let event = self.random.usize(0..5);
        self.n_events[event] += 1;
        match event {
            0 => self.server_comes_or_goes().await,
            1 => self.model_comes_or_goes(),
            2 => {
                self.n_gpus = if self.n_gpus == N_GPUS { N_GPUS - 1 } else { N_GPUS };
                self.nvml.tell(&Script::with_gpus(self.n_gpus)).expect("the script");
            }
            3 if !spare_child => {
                let pid = self.child().and_then(|pid| Pid::from_raw(pid.cast_signed()));
                if let Some(pid) = pid {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            _ => self.fleet.restart_collector().await,
        }
    }

    async fn server_comes_or_goes(&mut self) {
        let (address, server) = &mut self.servers[self.random.usize(0..2)];
        match server.take() {
            Some(living) => living.stop().await,
            None => {
                let story = Story::with_models(10).at(*address);
                // Somebody else may have the port by now: then it stays away.
                *server = FakeOllama::start(story).await.ok();
            }
        }
    }

    fn model_comes_or_goes(&mut self) {
        let name = Story::with_models(10).models[self.random.usize(0..10)].name.clone();
        for (_, server) in &self.servers {
            let Some(server) = server else { continue };
            if self.random.bool() {
                server.script().load(LoadedModel::named(&name));
            } else {
                server.script().unload(&name);
            }
        }
    }

    /// The GPU child, while one lives.
    fn child(&mut self) -> Option<u32> {
        children(self.agent.program().pid()).expect("a running agent").first().copied()
    }

    /// The agent still does what it is there for.
    async fn all_is_shown(&mut self) {
        for (address, server) in &mut self.servers {
            if server.is_none() {
                *server = FakeOllama::start(Story::with_models(10).at(*address)).await.ok();
            }
        }
        let n_servers = self.servers.iter().filter(|(_, server)| server.is_some()).count();
        self.nvml.tell(&Script::with_gpus(N_GPUS)).expect("the script");
        self.n_gpus = N_GPUS;
        let shown = async || {
            let (hosts, services) =
                (self.fleet.rest().hosts().await, self.fleet.rest().services().await);
            let gpus = hosts.first().map(|host| host["gpus"].clone()).unwrap_or_default();
            let at_work = |gpu: &&serde_json::Value| gpu["utilization_percent"].is_number();
            let n_gpus = gpus.as_array().into_iter().flatten().filter(at_work).count();
            let n_healthy = services.iter().filter(|s| s["status"] == "healthy").count();
            let is_all = n_gpus == N_GPUS as usize && n_healthy >= n_servers;
            if is_all { Ok(()) } else { Err(format!("{n_gpus} GPUs, {n_healthy} servers")) }
        };
        // The longest pause before another child is 60 s.
        eventually("all GPUs and servers", Duration::from_secs(120), shown).await;
    }
}

impl Churn {
    fn read_memory(&mut self, agent: &mut Watched, child: &mut Watched) {
        agent.follow(Some(self.agent.program().pid()));
        child.follow(self.child());
        agent.read_memory();
        child.read_memory();
    }

    /// Counts what is held while nothing happens: the least of some counts, since a probe in
    /// between holds a socket for a moment.
    async fn read_calm(&mut self, agent: &mut Watched, child: &mut Watched) {
        pass(READ_EVERY).await;
        self.read_memory(agent, child);
        let mut least = [(usize::MAX, usize::MAX); 2];
        for _ in 0..N_CALM {
            pass(CALM_EVERY).await;
            for (least, watched) in least.iter_mut().zip([&*agent, &*child]) {
                let Some(pid) = watched.pid else { continue };
                let (Ok(n_threads), Ok(n_open)) = (n_threads(pid), n_open(pid)) else { continue };
                *least = (least.0.min(n_threads), least.1.min(n_open));
            }
        }
        for (least, watched) in least.into_iter().zip([agent, child]) {
            if least != (usize::MAX, usize::MAX) {
                let at = watched.since.elapsed().as_secs_f64();
                watched.n_threads.take(at, least.0 as f64);
                watched.n_open.take(at, least.1 as f64);
            }
        }
    }
}

/// A process, and what it holds over time.
struct Watched {
    name: &'static str,
    pid: Option<u32>,
    since: Instant,
    rss_kib: Readings,
    n_threads: Readings,
    n_open: Readings,
}

impl Watched {
    fn new(name: &'static str) -> Self {
        let none = Readings::default;
        let since = Instant::now();
        Self { name, pid: None, since, rss_kib: none(), n_threads: none(), n_open: none() }
    }

    /// Begins anew with another process.
    fn follow(&mut self, pid: Option<u32>) {
        if self.pid != pid {
            *self = Self { pid, ..Self::new(self.name) };
        }
    }

    /// Takes a reading, unless the process is young or has just gone.
    fn read_memory(&mut self) {
        let age = self.since.elapsed();
        if let Some(Ok(memory)) = self.pid.filter(|_| age >= YOUNG).map(memory) {
            self.rss_kib.take(age.as_secs_f64(), memory.rss_kib as f64);
        }
    }

    /// # Panics
    ///
    /// Where something creeps upward, or too little was read to tell.
    fn is_flat(&self) {
        let Self { name, rss_kib, n_threads, n_open, .. } = self;
        say(&format!(
            "soak of the agent: {name}: RSS {:?} KiB, {:+.0} by the fitted line of {}; threads \
             {:?}, open files {:?} in {} calm moments",
            rss_kib.ends(),
            rss_kib.growth(),
            rss_kib.n(),
            n_threads.ends(),
            n_open.ends(),
            n_open.n(),
        ));
        assert!(rss_kib.n() >= N_READINGS_MIN, "{name}: only {} readings", rss_kib.n());
        assert!(n_open.n() >= 3, "{name}: only {} calm moments", n_open.n());
        assert!(rss_kib.growth() <= GROWTH_KIB, "{name}: memory grows");
        assert!(n_threads.creep() <= 0.0, "{name}: threads grow");
        assert!(n_open.creep() <= 0.0, "{name}: open files grow");
    }
}
