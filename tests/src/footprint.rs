//! What one agent costs the host on which it runs, beside the least that a program could do that
//! reads the same files: CPU, memory, threads, open files, and what it sends.
//!
//! Figures are medians over windows, of this machine and this run. Nothing here judges the agent:
//! that is `flat` in the soak, and whoever reads the table.

pub mod bare;

pub mod relay;

pub mod flat;

mod table;

use std::path::Path;
use std::time::Duration;

use fake_nvml::{Installed, Script};
use fake_ollama::{FakeOllama, LoadedModel, Story};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::harness::{Fleet, Program, eventually};
use crate::swarm::usage::{children, median, memory, n_open, n_threads, threads_cpu_time};

use relay::Relay;

pub use table::table;

/// GPUs of the busy host.
const N_GPUS: u32 = 8;
/// Models of the busy host's Ollama.
const N_MODELS: usize = 10;
/// How long an agent may take until it shows all that its host has.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// How long to measure what.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long each runs before it is measured: the first probes and readings are not idling.
    pub settle: Duration,
    /// In how many windows.
    pub n_windows: u32,
    /// How long each is.
    pub window: Duration,
}

/// What one process, and what it started, used.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// CPU of one core, percent, of each window.
    pub cpu_percent: Vec<f64>,
    /// Resident memory, MiB.
    pub rss_mib: f64,
    /// Threads.
    pub n_threads: f64,
    /// Open files and sockets.
    pub n_open: f64,
}

/// What one subject used.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub subject: &'static str,
    /// The process.
    pub own: Cost,
    /// The GPU child, where there is one.
    pub child: Option<Cost>,
    /// What went to the collector, KiB a second.
    pub wire_kib_per_second: Option<f64>,
    /// What it may use.
    pub budget: Budget,
}

/// What a subject may use; the child counts with its parent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// CPU of one core, percent.
    pub cpu_percent: Option<f64>,
    /// Resident memory of the process alone, MiB.
    pub rss_mib: Option<f64>,
    /// KiB a second.
    pub wire_kib_per_second: Option<f64>,
}

/// Measures a bare reader, an agent of a host that has nothing, and one of a host that has much.
/// `bare` starts the first of them.
///
/// # Errors
///
/// Where a process goes that is measured.
pub async fn measure(plan: Plan, bare: impl FnOnce(&Path) -> Program) -> std::io::Result<Vec<Row>> {
    Ok(vec![plan.bare(bare).await?, plan.idle().await?, plan.busy().await?])
}

impl Plan {
    async fn bare(self, start: impl FnOnce(&Path) -> Program) -> std::io::Result<Row> {
        let dir = tempfile::tempdir()?;
        let program = start(dir.path());
        self.row("bare reader of the same files", program.pid(), None, Budget::default()).await
    }

    async fn idle(self) -> std::io::Result<Row> {
        let fleet = Fleet::start().await;
        let relay = Relay::start(fleet.address()).await?;
        let mut agent = fleet.agent("idle").through(relay.address()).start();
        fleet.host_online("idle").await;
        let budget =
            Budget { cpu_percent: Some(0.08), rss_mib: Some(6.0), wire_kib_per_second: Some(0.5) };
        self.row("agent: no GPU, no server", agent.program().pid(), Some(&relay), budget).await
    }

    async fn busy(self) -> std::io::Result<Row> {
        let fleet = Fleet::start().await;
        let relay = Relay::start(fleet.address()).await?;
        let nvml = Installed::new(fleet.dir(), &Script::with_gpus(N_GPUS))?;
        let story = Story::with_models(N_MODELS);
        let first = story.models.first().map(|model| LoadedModel::named(&model.name));
        let ollama =
            FakeOllama::start(Story { loaded: first.into_iter().collect(), ..story }).await?;
        let setup = fleet.agent("busy").through(relay.address()).nvml_lib(&nvml.library);
        let mut agent = setup.ollama_host(&ollama.url()).start();
        is_shown(&fleet).await;
        let budget =
            Budget { cpu_percent: Some(0.4), rss_mib: None, wire_kib_per_second: Some(2.0) };
        let subject = "agent: 8 H200, Ollama with 10 models";
        self.row(subject, agent.program().pid(), Some(&relay), budget).await
    }

    async fn row(
        self,
        subject: &'static str,
        pid: u32,
        relay: Option<&Relay>,
        budget: Budget,
    ) -> std::io::Result<Row> {
        sleep(self.settle).await;
        let child = children(pid)?.first().copied();
        let mut own = Readings::default();
        let mut childs = Readings::default();
        let mut wire = Vec::new();
        for _ in 0..self.n_windows {
            let n_sent = relay.map(Relay::n_sent);
            let begun = Instant::now();
            let before = (threads_cpu_time(pid)?, child.map(threads_cpu_time).transpose()?);
            sleep(self.window).await;
            own.take(pid, before.0, begun.elapsed())?;
            if let (Some(child), Some(before)) = (child, before.1) {
                childs.take(child, before, begun.elapsed())?;
            }
            if let (Some(relay), Some(before)) = (relay, n_sent) {
                let n_bytes = relay.n_sent() - before;
                wire.push(n_bytes as f64 / 1024.0 / begun.elapsed().as_secs_f64());
            }
        }
        Ok(Row {
            subject,
            own: own.cost(),
            child: child.map(|_| childs.cost()),
            wire_kib_per_second: relay.map(|_| median(wire)),
            budget,
        })
    }
}

/// Waits until the collector shows all GPUs at work and all models.
async fn is_shown(fleet: &Fleet) {
    let id = fleet.id_of("busy").await;
    let all = async || {
        let (host, services) = (fleet.rest().host(&id).await, fleet.rest().services().await);
        let at_work = |gpu: &&Value| gpu["utilization_percent"].is_number();
        let n_gpus = host["gpus"].as_array().into_iter().flatten().filter(at_work).count();
        let n_models = services.first().and_then(|service| service["models"].as_array());
        let n_models = n_models.map_or(0, Vec::len);
        if (n_gpus, n_models) == (N_GPUS as usize, N_MODELS) {
            Ok(())
        } else {
            Err(format!("{n_gpus} GPUs, {n_models} models"))
        }
    };
    eventually("all GPUs and models", SHOWN_WITHIN, all).await;
}

#[derive(Default)]
struct Readings {
    cpu_percent: Vec<f64>,
    rss_mib: Vec<f64>,
    n_threads: Vec<f64>,
    n_open: Vec<f64>,
}

impl Readings {
    /// At the end of a window that began when `before` had been used.
    fn take(&mut self, pid: u32, before: Duration, window: Duration) -> std::io::Result<()> {
        let used = threads_cpu_time(pid)?.saturating_sub(before);
        self.cpu_percent.push(100.0 * used.as_secs_f64() / window.as_secs_f64());
        self.rss_mib.push(memory(pid)?.rss_kib as f64 / 1024.0);
        self.n_threads.push(n_threads(pid)? as f64);
        self.n_open.push(n_open(pid)? as f64);
        Ok(())
    }

    fn cost(self) -> Cost {
        Cost {
            cpu_percent: self.cpu_percent,
            rss_mib: median(self.rss_mib),
            n_threads: median(self.n_threads),
            n_open: median(self.n_open),
        }
    }
}
