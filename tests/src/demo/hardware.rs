//! What machines there are: processors, memory and GPUs that are sold together.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::inventory::{Gpu, MemoryKind, System, Vendor};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A kind of GPU.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) memory_bytes: u64,
    pub(super) limit_watts: f64,
    pub(super) idle_watts: f64,
    /// The clock at full load, and at rest.
    pub(super) clock_mhz: (u32, u32),
    pub(super) memory_clock_mhz: u32,
    pub(super) pcie_generation: u32,
    compute_capability: &'static str,
    /// A card for data centres: its memory corrects errors, the chassis has its fans.
    pub(super) is_datacentre: bool,
    /// How much warmer than the air it is with each watt.
    pub(super) celsius_per_watt: f64,
    /// What the driver itself takes of its memory.
    pub(super) reserved_bytes: u64,
    /// How fast weights come into its memory.
    pub(super) load_bytes_per_second: u64,
}

/// NVIDIA H200.
pub(super) const H200: Card = Card {
    name: "NVIDIA H200",
    memory_bytes: 143_771 * MIB,
    limit_watts: 700.0,
    idle_watts: 77.0,
    clock_mhz: (1_980, 345),
    memory_clock_mhz: 3_201,
    pcie_generation: 5,
    compute_capability: "9.0",
    is_datacentre: true,
    celsius_per_watt: 0.062,
    reserved_bytes: 530 * MIB,
    load_bytes_per_second: 5 * GIB,
};

/// NVIDIA A100, 80 GB.
pub(super) const A100: Card = Card {
    name: "NVIDIA A100-SXM4-80GB",
    memory_bytes: 81_920 * MIB,
    limit_watts: 400.0,
    idle_watts: 61.0,
    clock_mhz: (1_410, 210),
    memory_clock_mhz: 1_593,
    pcie_generation: 4,
    compute_capability: "8.0",
    is_datacentre: true,
    celsius_per_watt: 0.105,
    reserved_bytes: 428 * MIB,
    load_bytes_per_second: 3 * GIB,
};

/// NVIDIA GeForce RTX 4090.
pub(super) const RTX4090: Card = Card {
    name: "NVIDIA GeForce RTX 4090",
    memory_bytes: 24_564 * MIB,
    limit_watts: 450.0,
    idle_watts: 18.0,
    clock_mhz: (2_730, 210),
    memory_clock_mhz: 10_501,
    pcie_generation: 4,
    compute_capability: "8.9",
    is_datacentre: false,
    celsius_per_watt: 0.108,
    reserved_bytes: 312 * MIB,
    load_bytes_per_second: 2 * GIB,
};

/// A kind of machine.
#[derive(Debug)]
pub(super) struct Chassis {
    pub(super) card: Option<&'static Card>,
    pub(super) n_gpus: u32,
    cpu_model: &'static str,
    pub(super) n_cores: u32,
    pub(super) memory_bytes: u64,
    arch: &'static str,
    os: &'static str,
    kernel: &'static str,
    driver: &'static str,
    cuda: &'static str,
    /// What the sensor of the processor is called.
    pub(super) cpu_sensor: &'static str,
    pub(super) link_mbps: u64,
    pub(super) interface: &'static str,
    /// The disk of the models.
    pub(super) disk_bytes: u64,
}

const SERVER: Chassis = Chassis {
    card: None,
    n_gpus: 0,
    cpu_model: "AMD EPYC 9354P 32-Core Processor",
    n_cores: 64,
    memory_bytes: 251 * GIB,
    arch: "x86_64",
    os: "Ubuntu 24.04.3 LTS",
    kernel: "6.8.0-87-generic",
    driver: "580.95.05",
    cuda: "13.0",
    cpu_sensor: "k10temp Tctl",
    link_mbps: 25_000,
    interface: "eno1np0",
    disk_bytes: 3_480 * GIB,
};

/// Eight H200.
pub(super) const EIGHT_H200: Chassis = Chassis {
    card: Some(&H200),
    n_gpus: 8,
    cpu_model: "Intel(R) Xeon(R) Platinum 8480+",
    n_cores: 224,
    memory_bytes: 2_015 * GIB,
    cpu_sensor: "coretemp Package id 0",
    link_mbps: 100_000,
    interface: "ens1f0np0",
    disk_bytes: 14_000 * GIB,
    ..SERVER
};

/// Eight A100.
pub(super) const EIGHT_A100: Chassis = Chassis {
    card: Some(&A100),
    n_gpus: 8,
    cpu_model: "AMD EPYC 7763 64-Core Processor",
    n_cores: 256,
    memory_bytes: 1_007 * GIB,
    os: "Ubuntu 22.04.5 LTS",
    kernel: "5.15.0-161-generic",
    driver: "570.195.03",
    cuda: "12.8",
    link_mbps: 100_000,
    disk_bytes: 7_000 * GIB,
    ..SERVER
};

/// Four A100.
pub(super) const FOUR_A100: Chassis = Chassis {
    n_gpus: 4,
    cpu_model: "AMD EPYC 7543 32-Core Processor",
    n_cores: 128,
    memory_bytes: 503 * GIB,
    disk_bytes: 3_500 * GIB,
    link_mbps: 25_000,
    ..EIGHT_A100
};

/// Two RTX 4090.
pub(super) const TWO_4090: Chassis = Chassis {
    card: Some(&RTX4090),
    n_gpus: 2,
    cpu_model: "AMD Ryzen 9 7950X 16-Core Processor",
    n_cores: 32,
    memory_bytes: 125 * GIB,
    os: "Debian GNU/Linux 13 (trixie)",
    kernel: "6.12.57+deb13-amd64",
    driver: "550.163.01",
    cuda: "12.4",
    link_mbps: 10_000,
    interface: "enp6s0",
    disk_bytes: 1_830 * GIB,
    ..SERVER
};

/// One RTX 4090.
pub(super) const ONE_4090: Chassis = Chassis {
    n_gpus: 1,
    cpu_model: "Intel(R) Core(TM) i9-14900K",
    memory_bytes: 62 * GIB,
    cpu_sensor: "coretemp Package id 0",
    link_mbps: 2_500,
    ..TWO_4090
};

/// No GPU.
pub(super) const CPU_ONLY: Chassis = SERVER;

/// No GPU, and many small cores.
pub(super) const ARM: Chassis = Chassis {
    cpu_model: "Neoverse-N1",
    n_cores: 80,
    arch: "aarch64",
    cpu_sensor: "apm_xgene SoC Temperature",
    interface: "enP3p1s0f0",
    ..SERVER
};

impl Chassis {
    /// The machine, but for when it was booted.
    pub(super) fn system(&self) -> System {
        System {
            os: self.os.to_owned(),
            kernel: self.kernel.to_owned(),
            arch: self.arch.to_owned(),
            cpu_model: Some(self.cpu_model.to_owned()),
            cpu_cores: Some(self.n_cores),
            memory_total_bytes: Some(self.memory_bytes),
            boot_time: None,
            container: None,
        }
    }

    /// The GPU at `index`, called `id`.
    pub(super) fn gpu(&self, id: &str, index: u32) -> Option<Gpu> {
        let card = self.card?;
        let missing = if card.is_datacentre {
            Missing::new()
        } else {
            Missing::from([("mig_enabled".to_owned(), MissingReason::NotSupported)])
        };
        Some(Gpu {
            id: id.to_owned(),
            index,
            vendor: Vendor::Nvidia,
            name: card.name.to_owned(),
            driver: Some(self.driver.to_owned()),
            memory_kind: MemoryKind::Dedicated,
            memory_total_bytes: Some(card.memory_bytes),
            power_limit_watts: Some(card.limit_watts),
            cuda_version: Some(self.cuda.to_owned()),
            compute_capability: Some(card.compute_capability.to_owned()),
            pci_address: Some(format!("0000:{:02x}:00.0", 0x18 + index * 0x11)),
            pcie_generation_max: Some(card.pcie_generation),
            pcie_width_max: Some(16),
            ecc_enabled: Some(card.is_datacentre),
            mig_enabled: card.is_datacentre.then_some(false),
            mig: Vec::new(),
            missing,
        })
    }
}
