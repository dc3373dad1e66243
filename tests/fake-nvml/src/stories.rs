//! GPUs as they are sold, and the states in which they are found.

use std::collections::BTreeMap;

use crate::script::{Gpu, MigInstance, Process};

const GIB: u64 = 1 << 30;

impl Gpu {
    /// A healthy H200, in the middle of its work.
    #[must_use]
    pub fn numbered(n: u32) -> Self {
        Self {
            uuid: format!("GPU-00000000-0000-0000-0000-{n:012}"),
            name: "NVIDIA H200".to_owned(),
            pci_bus: n + 1,
            compute_capability: Some((9, 0)),
            memory_total_bytes: Some(150_754_820_096),
            memory_used_bytes: 42_949_672_960,
            utilization_percent: Some(93),
            memory_utilization_percent: 41,
            temperature_celsius: Some(64),
            memory_temperature_celsius: Some(71),
            power_milliwatts: Some(512_300),
            power_limit_milliwatts: Some(700_000),
            clock_mhz: Some(1980),
            memory_clock_mhz: Some(3201),
            fan_percent: None,
            throttle_reasons: Some(0x4),
            pcie: Some((5, 16)),
            pcie_max: Some((5, 16)),
            pcie_replays: Some(0),
            ecc_enabled: Some(true),
            ecc_corrected: 0,
            ecc_uncorrected: 0,
            mig_enabled: Some(false),
            mig: Vec::new(),
            compute: Vec::new(),
            graphics: Vec::new(),
            returns_at_init: false,
            faults: BTreeMap::new(),
        }
    }

    /// An A100 cut into three instances, the second slot of which is empty; a process in the
    /// first. A GPU that is cut does not tell its utilisation.
    #[must_use]
    pub fn cut_a100(n: u32) -> Self {
        let part = |index: u32, profile: &str, gib| {
            Some(MigInstance {
                uuid: format!("MIG-00000000-0000-0000-{n:04}-{index:012}"),
                profile: profile.to_owned(),
                memory_total_bytes: Some(gib * GIB),
                memory_used_bytes: GIB,
                compute: Vec::new(),
            })
        };
        let mut first = part(0, "3g.40gb", 40);
        if let Some(first) = &mut first {
            first.compute = vec![Process { pid: 700, memory_bytes: Some(GIB / 2) }];
        }
        let mut gpu = Self::numbered(n);
        gpu.name = "NVIDIA A100-SXM4-80GB".to_owned();
        gpu.compute_capability = Some((8, 0));
        gpu.memory_total_bytes = Some(80 * GIB);
        gpu.memory_used_bytes = 3 * GIB;
        gpu.utilization_percent = None;
        gpu.mig_enabled = Some(true);
        gpu.mig = vec![first, None, part(2, "1g.10gb", 10), part(3, "1g.10gb", 10)];
        gpu.pcie = Some((4, 16));
        gpu.pcie_max = Some((4, 16));
        gpu
    }

    /// A part that shares the host's memory (GB10, say): it tells no memory of its own, no limit,
    /// no ECC; what its processes hold it tells.
    #[must_use]
    pub fn unified(n: u32) -> Self {
        let mut gpu = Self::numbered(n);
        gpu.name = "NVIDIA GB10".to_owned();
        gpu.compute_capability = Some((12, 1));
        gpu.memory_total_bytes = None;
        gpu.memory_temperature_celsius = None;
        gpu.memory_clock_mhz = None;
        gpu.power_limit_milliwatts = None;
        gpu.ecc_enabled = None;
        gpu.mig_enabled = None;
        gpu.pcie_replays = None;
        gpu.pcie = Some((1, 1));
        gpu.compute = vec![Process { pid: 900, memory_bytes: Some(30 * GIB) }];
        gpu
    }

    /// A card under a driver model that leaves memory to Windows (WDDM, and WSL with it): who
    /// holds how much of it cannot be told. It has a fan, and neither ECC nor MIG.
    #[must_use]
    pub fn under_wddm(n: u32) -> Self {
        let mut gpu = Self::numbered(n);
        gpu.name = "NVIDIA GeForce RTX 4090".to_owned();
        gpu.compute_capability = Some((8, 9));
        gpu.memory_total_bytes = Some(24 * GIB);
        gpu.memory_used_bytes = 7 * GIB;
        gpu.memory_temperature_celsius = None;
        gpu.fan_percent = Some(38);
        gpu.pcie_max = Some((4, 16));
        gpu.ecc_enabled = None;
        gpu.mig_enabled = None;
        gpu.compute = vec![Process { pid: 1200, memory_bytes: None }];
        gpu
    }

    /// Idle, with a model in its memory.
    #[must_use]
    pub fn idle(mut self) -> Self {
        self.utilization_percent = self.utilization_percent.map(|_| 0);
        self.memory_utilization_percent = 0;
        self.throttle_reasons = Some(0x1);
        self
    }
}
