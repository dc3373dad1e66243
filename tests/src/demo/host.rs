//! A simulated host: a machine, its GPUs and its model servers, second by second. What it does
//! follows from its seed and from what happens to it, never from a clock.

use herdbook_shared::ids::InstanceId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::PROTOCOL;
use herdbook_shared::wire::hello::{GoodbyeReason, Hello, ProtocolRange};
use herdbook_shared::wire::inventory::{Address, Inventory, Scope, ServiceState};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};
use uuid::{Builder, Uuid};

use super::body::{Asked, Body};
use super::clock::Clock;
use super::gpu::DemoGpu;
use super::models::{Installed, Published};
use super::roster::Slot;
use super::server::{DemoServer, Pace};
use super::story::What;

/// For how long a host runs before anybody looks, so that it looks lived in.
const WARM_UP_S: u64 = 120;
/// Which share of its link a pull gets.
const PULL_SHARE: f64 = 0.3;
/// What a pull gets at most, bytes a second.
const PULL_BYTES_PER_SECOND: f64 = 6e8;
/// How long a new version of the agent takes to come up.
const UPGRADE_S: u64 = 4;
/// The longest that a host was up before the demo.
const UPTIME_MAX_S: u64 = 90 * 86_400;

/// Whether a host's agent can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It says what it has to say.
    Here,
    /// It stands still.
    Frozen,
    /// Its connection is cut.
    Cut,
    /// It left.
    Left(GoodbyeReason),
}

/// A model on its way to the host.
#[derive(Clone, Debug)]
struct Pull {
    pulled: Installed,
    server: usize,
    left_bytes: f64,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct DemoHost {
    slot: Slot,
    host_id: String,
    boot_id: String,
    instance_id: InstanceId,
    gpu_ids: Vec<String>,
    gpus: Vec<DemoGpu>,
    servers: Vec<DemoServer>,
    body: Body,
    pull: Option<Pull>,
    absent: Option<(Presence, u64)>,
    pace: Pace,
    clock: Clock,
    booted_at: Timestamp,
    now_s: u64,
    seq: u64,
    /// Counts what an agent would tell by an inventory.
    revision: u64,
    random: fastrand::Rng,
}

impl DemoHost {
    /// The host of `slot` in the fleet of `seed`.
    pub(super) fn new(slot: &Slot, seed: u64, pace: Pace, clock: Clock) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut random =
            fastrand::Rng::with_seed(random.u64(..) ^ (slot.index as u64 * 0x9e37_79b9));
        let chassis = slot.profile.chassis;
        let gpu_ids: Vec<String> =
            (0..chassis.n_gpus).map(|_| format!("GPU-{}", uuid(&mut random))).collect();
        let with_card = |id: &String| Some(DemoGpu::new(id.clone(), chassis.card?, random.fork()));
        let gpus = gpu_ids.iter().filter_map(with_card).collect();
        let plans = slot.profile.servers.iter();
        let servers = plans.map(|plan| DemoServer::new(plan, chassis.card, pace, random.fork()));
        let servers = servers.collect();
        let up_s = random.u64(86_400..UPTIME_MAX_S);
        let mut host = Self {
            slot: slot.clone(),
            host_id: uuid(&mut random),
            boot_id: uuid(&mut random),
            instance_id: InstanceId::random(),
            gpu_ids,
            gpus,
            servers,
            body: Body::new(chassis, random.fork()),
            pull: None,
            absent: None,
            pace,
            clock,
            booted_at: clock.before(up_s),
            now_s: 0,
            seq: 0,
            revision: 0,
            random,
        };
        (0..WARM_UP_S).for_each(|_| host.step());
        host
    }

    /// Lives up to this second.
    pub(super) fn advance_to(&mut self, now_s: u64) {
        while self.now_s < now_s {
            self.now_s += 1;
            self.step();
        }
    }

    fn step(&mut self) {
        let before = self.outline();
        let lost: Vec<bool> = self.gpus.iter().map(DemoGpu::is_lost).collect();
        for server in &mut self.servers {
            server.step(self.now_s, &lost);
        }
        for (index, gpu) in self.gpus.iter_mut().enumerate() {
            let asked = self.servers.iter().map(|server| server.asks_of(index)).sum();
            gpu.step(self.now_s, asked);
        }
        let asked = self.asked();
        self.body.step(asked);
        self.go_on_pulling(asked.pulled_bytes);
        if self.absent.is_some_and(|(_, until_s)| self.now_s >= until_s) {
            self.absent = None;
        }
        self.revision += u64::from(self.outline() != before);
    }

    /// What an agent would send a new inventory for.
    fn outline(&self) -> Vec<(ServiceState, Vec<(&'static str, bool)>)> {
        self.servers.iter().map(|server| (server.state(), server.in_memory())).collect()
    }

    fn asked(&self) -> Asked {
        let mut asked = Asked::default();
        for server in &self.servers {
            let of = server.asks_of_host();
            asked.cpu += of.cpu;
            asked.n_requests += of.n_requests;
            asked.memory_bytes += of.memory_bytes;
            asked.read_bytes += of.read_bytes;
        }
        if self.pull.is_some() {
            let link = self.slot.profile.chassis.link_mbps as f64 * 1e6 / 8.0;
            asked.pulled_bytes = (link * PULL_SHARE).min(PULL_BYTES_PER_SECOND);
        }
        asked
    }

    fn go_on_pulling(&mut self, bytes: f64) {
        let Some(pull) = &mut self.pull else { return };
        pull.left_bytes -= bytes;
        if pull.left_bytes <= 0.0 {
            let (pulled, server) = (pull.pulled, pull.server);
            self.pull = None;
            self.take_in(pulled, server);
        }
    }

    fn take_in(&mut self, pulled: Installed, server: usize) {
        let grown = self.servers[server].pulled(pulled);
        self.body.disk_grows(grown);
        self.revision += 1;
    }

    /// Something happens to it.
    pub(super) fn happen(&mut self, what: What) {
        let until = |for_s: u64| self.now_s + for_s;
        match what {
            What::Freeze { for_s } => self.absent = Some((Presence::Frozen, until(for_s))),
            What::Cut { for_s } => self.absent = Some((Presence::Cut, until(for_s))),
            What::Upgrade => self.leave(GoodbyeReason::Upgrade, until(UPGRADE_S)),
            What::Reboot { for_s } => self.reboot(until(for_s)),
            What::Overheat { for_s } => {
                let (until_s, index) = (until(for_s), self.random.usize(0..self.gpus.len().max(1)));
                if let Some(gpu) = self.gpus.get_mut(index) {
                    gpu.overheat(until_s);
                }
            }
            What::LoseGpu { for_s } => {
                let (until_s, index) = (until(for_s), self.random.usize(0..self.gpus.len().max(1)));
                if let Some(gpu) = self.gpus.get_mut(index) {
                    gpu.lose(until_s);
                }
            }
            What::StopServer { for_s } => {
                let until_s = until(for_s);
                self.servers[0].stop(until_s);
            }
            What::Load => self.servers[0].load_cold(),
            What::Unload => drop(self.servers.iter_mut().any(DemoServer::unload)),
            What::Pull { model, edition } => self.begin_to_pull(model, edition),
            What::Remove { model } => self.remove(model),
        }
        self.revision += 1;
    }

    fn leave(&mut self, reason: GoodbyeReason, until_s: u64) {
        self.instance_id = InstanceId::random();
        self.seq = 0;
        self.absent = Some((Presence::Left(reason), until_s));
    }

    fn reboot(&mut self, until_s: u64) {
        self.leave(GoodbyeReason::Shutdown, until_s);
        self.boot_id = uuid(&mut self.random);
        self.booted_at = self.clock.wall(until_s.saturating_sub(12));
        self.servers.iter_mut().for_each(DemoServer::unload_all);
        self.pull = None;
    }

    fn begin_to_pull(&mut self, model: &'static Published, edition: u32) {
        let servers = || self.servers.iter().enumerate().filter(|(_, server)| server.is_ollama());
        let has_it = servers().find(|(_, server)| server.edition_of(model).is_some());
        let Some((server, _)) = has_it.or_else(|| servers().next()) else { return };
        let is_news = self.servers[server].edition_of(model).is_none_or(|known| known < edition);
        let pulled = Installed { model, edition };
        if is_news && self.pace == Pace::Still {
            self.take_in(pulled, server);
        } else if is_news {
            self.pull = Some(Pull { pulled, server, left_bytes: model.size_bytes as f64 });
        }
    }

    fn remove(&mut self, model: &Published) {
        for server in self.servers.iter_mut().filter(|server| server.is_ollama()) {
            self.body.disk_grows(-server.remove(model));
        }
    }

    /// Whether its agent can be heard.
    pub(super) fn presence(&self) -> Presence {
        self.absent.map_or(Presence::Here, |(presence, _)| presence)
    }

    /// Grows whenever there is a new inventory to send.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// How it introduces itself.
    pub(super) fn hello(&self, sample_interval_ms: u64) -> Hello {
        let labels = self.slot.labels();
        Hello {
            protocol: ProtocolRange { min: PROTOCOL, max: PROTOCOL },
            capabilities: Vec::new(),
            host_id: self.host_id.clone(),
            instance_id: self.instance_id,
            boot_id: self.boot_id.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.slot.name.clone(),
            role: self.slot.profile.role.to_owned(),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            sample_interval_ms,
            proof: None,
        }
    }

    /// What it has.
    pub(super) fn inventory(&self) -> Inventory {
        let chassis = self.slot.profile.chassis;
        let mut system = chassis.system();
        system.boot_time = Some(self.booted_at);
        let gpus = self.gpu_ids.iter().zip(0..);
        let addresses = self.slot.addresses();
        let wall = |at_s| self.clock.wall(at_s);
        Inventory {
            system: Some(system),
            address_details: addresses.iter().map(|one| self.address(one)).collect(),
            addresses: addresses.into(),
            gpus: Some(gpus.filter_map(|(id, index)| chassis.gpu(id, index)).collect()),
            services: self.servers.iter().map(|one| one.service(&self.gpu_ids, wall)).collect(),
            missing: herdbook_shared::missing::Missing::new(),
            ..Inventory::empty()
        }
    }

    fn address(&self, address: &str) -> Address {
        let interface = Some(self.slot.profile.chassis.interface.to_owned());
        Address { address: address.to_owned(), interface, scope: Scope::Private, is_own_end: false }
    }

    /// The next sample, with what is slow or without.
    pub(super) fn sample(&mut self, slow: bool) -> Sample {
        self.seq += 1;
        let at = self.clock.wall(self.now_s);
        let mut sample = Sample { seq: self.seq, at, ..Sample::default() };
        let uptime_s = at.ms_since(self.booted_at) / 1000;
        self.body.fill(&mut sample, slow, u64::try_from(uptime_s).unwrap_or_default());
        let gpus = (0..self.gpus.len()).map(|index| self.gpu_sample(index, slow));
        sample.gpus = Some(gpus.collect());
        if slow {
            let latency_ms = self.random.u64(1..4);
            let wall = |at_s| self.clock.wall(at_s);
            let services = self.servers.iter().filter_map(|one| one.sample(at, latency_ms, wall));
            sample.services = Some(services.collect());
        }
        sample
    }

    fn gpu_sample(&self, index: usize, slow: bool) -> GpuSample {
        let processes = self.servers.iter().flat_map(|server| server.processes(index));
        self.gpus[index].sample(processes.collect::<Vec<GpuProcess>>(), slow)
    }
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let id: Uuid = Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid();
    id.to_string()
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
