//! A host that does not exist: its identity, what it has, and how its load wanders.

use herdbook_shared::ids::InstanceId;
use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::hello::{Hello, ProtocolRange};
use herdbook_shared::wire::inventory::{
    Address, Gpu, Inventory, MemoryKind, Model, Scope, Service, ServiceState, System, ToldBy,
    Vendor,
};
use herdbook_shared::wire::sample::{Disk, GpuProcess, GpuSample, Pressure, Sample};
use herdbook_shared::wire::{PROTOCOL, sample};
use uuid::{Builder, Uuid};

use super::depth;

const GIB: u64 = 1 << 30;
const MEMORY_BYTES: u64 = 256 * GIB;
const GPU_BYTES: u64 = 80 * GIB;

/// Every how many samples the slow fields come along.
const SLOW_EVERY: u64 = 10;

/// The unit that runs the Ollama.
const UNIT: &str = "ollama.service";

const FAMILIES: [&str; 5] = ["llama", "qwen3", "gemma3", "mistral", "phi4"];

/// One simulated host, as one instance of its agent reports it.
#[derive(Clone, Debug)]
pub struct SimulatedHost {
    /// Its id, as a random UUID.
    pub host_id: String,
    /// Its name.
    pub name: String,
    /// This boot.
    pub boot_id: String,
    /// This run of its agent.
    pub instance_id: InstanceId,
    /// How often it wishes to send a sample.
    pub sample_interval_ms: u64,
    /// The address on which its Ollama listens.
    pub listens_on: String,
    n_gpus: u32,
    n_models: u32,
    random: fastrand::Rng,
    cpu_percent: f64,
    seq: u64,
}

impl SimulatedHost {
    /// The host that `seed` stands for, without GPUs and models.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            host_id: uuid(&mut random),
            name: format!("sim-{seed:05}"),
            boot_id: uuid(&mut random),
            instance_id: InstanceId::random(),
            sample_interval_ms: limits::SAMPLE_INTERVAL_MS_MIN,
            listens_on: "127.0.0.1".to_owned(),
            n_gpus: 0,
            n_models: 0,
            cpu_percent: random.f64() * 100.0,
            random,
            seq: 0,
        }
    }

    /// With GPUs, and one Ollama with models.
    #[must_use]
    pub fn having(self, n_gpus: u32, n_models: u32) -> Self {
        Self { n_gpus, n_models, ..self }
    }

    /// Called so.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// With its Ollama on this address.
    #[must_use]
    pub fn listening_on(self, address: &str) -> Self {
        Self { listens_on: address.to_owned(), ..self }
    }

    /// The same host once its agent was started anew.
    #[must_use]
    pub fn restarted(self) -> Self {
        Self { instance_id: InstanceId::random(), seq: 0, ..self }
    }

    /// The same host after a reboot.
    #[must_use]
    pub fn rebooted(mut self) -> Self {
        self.boot_id = uuid(&mut self.random);
        self.restarted()
    }

    /// How it introduces itself.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            protocol: ProtocolRange { min: PROTOCOL, max: PROTOCOL },
            capabilities: Vec::new(),
            host_id: self.host_id.clone(),
            instance_id: self.instance_id,
            boot_id: self.boot_id.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.name.clone(),
            role: "worker".to_owned(),
            labels: [("zone".to_owned(), "simulated".to_owned())].into(),
            sample_interval_ms: self.sample_interval_ms,
            proof: None,
        }
    }

    /// What it has.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        Inventory {
            system: Some(System {
                os: "Debian 12".to_owned(),
                kernel: "6.1.0".to_owned(),
                arch: "x86_64".to_owned(),
                cpu_model: Some("AMD EPYC 9654".to_owned()),
                cpu_cores: Some(depth::N_CORES),
                memory_total_bytes: Some(MEMORY_BYTES),
                boot_time: Some(Timestamp::from_unix_ms(1_795_000_000_000)),
                container: None,
            }),
            addresses: vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()],
            address_details: ["10.0.0.7", "fd00::7"].map(address).into(),
            gpus: Some((0..self.n_gpus).map(|index| self.gpu(index)).collect()),
            services: if self.n_models > 0 { vec![self.service()] } else { Vec::new() },
            ..Inventory::empty()
        }
    }

    fn gpu_id(&self, index: u32) -> String {
        format!("GPU-{}-{index}", self.host_id)
    }

    fn gpu(&self, index: u32) -> Gpu {
        Gpu {
            id: self.gpu_id(index),
            index,
            vendor: Vendor::Nvidia,
            name: "NVIDIA H100".to_owned(),
            driver: Some("580.159".to_owned()),
            memory_kind: MemoryKind::Dedicated,
            memory_total_bytes: Some(GPU_BYTES),
            power_limit_watts: Some(700.0),
            cuda_version: Some("13.0".to_owned()),
            compute_capability: Some("9.0".to_owned()),
            pci_address: Some(format!("0000:{:02x}:00.0", index + 1)),
            pcie_generation_max: Some(5),
            pcie_width_max: Some(16),
            ecc_enabled: Some(true),
            mig_enabled: Some(false),
            ..Gpu::default()
        }
    }

    fn service(&self) -> Service {
        let models: Vec<Model> = (0..self.n_models).map(model).collect();
        Service {
            kind: "ollama".to_owned(),
            address: self.listens_on.clone(),
            port: 11434,
            version: Some("0.33.0".to_owned()),
            state: ServiceState::Resident,
            state_told_by: Some(ToldBy::Runner),
            asks_credential: Some(false),
            unit: Some(UNIT.to_owned()),
            gpu_ids: (0..self.n_gpus.min(1)).map(|index| self.gpu_id(index)).collect(),
            models,
            ..Service::default()
        }
    }

    /// The next sample.
    #[must_use]
    pub fn sample(&mut self) -> Sample {
        let slow = self.seq.is_multiple_of(SLOW_EVERY);
        self.seq += 1;
        self.cpu_percent = (self.cpu_percent + self.random.f64() * 10.0 - 5.0).clamp(0.0, 100.0);
        let gpus = (0..self.n_gpus).map(|index| self.gpu_sample(index, slow)).collect();
        Sample {
            seq: self.seq,
            at: Timestamp::now(),
            cpu_percent: Some(rounded(self.cpu_percent)),
            load1: Some(rounded(self.cpu_percent / 3.0)),
            memory_used_bytes: Some(self.random.u64(64 * GIB..65 * GIB)),
            memory_total_bytes: Some(MEMORY_BYTES),
            swap_used_bytes: Some(0),
            network_receive_bytes_per_second: Some(self.random.u64(0..1_000_000)),
            network_transmit_bytes_per_second: Some(self.random.u64(0..1_000_000)),
            pressure: Some(Pressure {
                cpu_some_avg10: Some(0.5),
                memory_some_avg10: Some(0.0),
                io_some_avg10: Some(0.0),
            }),
            disk: slow.then_some(Disk { used_bytes: 400 * GIB, total_bytes: 1900 * GIB }),
            detail: slow.then(|| Box::new(depth::detail(&mut self.random, self.seq))),
            gpus: Some(gpus),
            services: slow.then(|| self.service_samples()),
            ..Sample::default()
        }
    }

    fn gpu_sample(&mut self, index: u32, slow: bool) -> GpuSample {
        let process = GpuProcess {
            pid: 4242 + index,
            name: Some("llama-server".to_owned()),
            memory_bytes: Some(40 * GIB),
            unit: Some(UNIT.to_owned()),
            ..GpuProcess::default()
        };
        GpuSample {
            id: self.gpu_id(index),
            utilization_percent: Some(f64::from(self.random.u32(0..=100))),
            memory_used_bytes: Some(self.random.u64(40 * GIB..41 * GIB)),
            temperature_celsius: slow.then_some(64.0),
            power_watts: Some(rounded(self.random.f64() * 700.0)),
            sm_clock_mhz: Some(1980),
            fan_percent: Some(40.0),
            throttle_reasons: Some(Vec::new()),
            processes: slow.then(|| vec![process]),
            detail: slow.then(|| Box::new(depth::gpu_detail())),
            ..GpuSample::default()
        }
    }

    fn service_samples(&self) -> Vec<sample::ServiceSample> {
        let one = sample::ServiceSample {
            address: self.listens_on.clone(),
            port: 11434,
            checked_at: Some(Timestamp::now()),
            latency_ms: Some(2),
            requests_running: Some(1),
            ..sample::ServiceSample::default()
        };
        if self.n_models > 0 { vec![one] } else { Vec::new() }
    }
}

fn address(address: &str) -> Address {
    Address {
        address: address.to_owned(),
        interface: Some("eth0".to_owned()),
        scope: Scope::Private,
        is_own_end: false,
    }
}

/// The `index`th model; the same on every host, and the first is warm.
fn model(index: u32) -> Model {
    let family = FAMILIES[index as usize % FAMILIES.len()];
    let warm = index == 0;
    Model {
        name: format!("{family}:{}b", index + 1),
        digest: Some(format!("{index:064x}")),
        size_bytes: Some(u64::from(index + 1) * GIB),
        parameters: Some(format!("{}.0B", index + 1)),
        quantization: Some("Q4_K_M".to_owned()),
        family: Some(family.to_owned()),
        context_length: Some(131_072),
        capabilities: vec!["completion".to_owned(), "tools".to_owned()],
        warm,
        vram_bytes: warm.then_some(2 * GIB),
        loaded_context_length: warm.then_some(8192),
        ..Model::default()
    }
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let id: Uuid = Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid();
    id.to_string()
}

/// Two decimals, as an agent sends.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::AgentMessage;
    use herdbook_shared::wire::codec::{decode_agent, encode};

    use super::*;

    #[test]
    fn what_it_says_is_what_a_collector_takes() {
        let mut host = SimulatedHost::from_seed(7).having(8, 100);
        let hello = AgentMessage::Hello(Box::new(host.hello()));
        let inventory = AgentMessage::Inventory(Box::new(host.inventory()));
        let sample = AgentMessage::Sample(Box::new(host.sample()));
        for message in [hello, inventory, sample] {
            assert_eq!(decode_agent(&encode(&message)).unwrap(), message);
        }
    }

    #[test]
    fn a_seed_is_a_host_and_a_reboot_changes_its_boot_alone() {
        let host = SimulatedHost::from_seed(7);
        assert_eq!(host.host_id, SimulatedHost::from_seed(7).host_id);
        assert_ne!(host.host_id, SimulatedHost::from_seed(8).host_id);
        let after = host.clone().rebooted();
        assert_eq!(after.host_id, host.host_id);
        assert_ne!(after.boot_id, host.boot_id);
        assert_ne!(after.instance_id, host.instance_id);
    }
}
