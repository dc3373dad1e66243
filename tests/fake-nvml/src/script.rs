//! What the library is to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Return codes of NVML.
pub mod code {
    /// All is well.
    pub const SUCCESS: u32 = 0;
    /// An argument makes no sense.
    pub const INVALID_ARGUMENT: u32 = 2;
    /// This GPU does not have it.
    pub const NOT_SUPPORTED: u32 = 3;
    /// This user may not.
    pub const NO_PERMISSION: u32 = 4;
    /// There is no such thing.
    pub const NOT_FOUND: u32 = 6;
    /// The buffer is too small.
    pub const INSUFFICIENT_SIZE: u32 = 7;
    /// The kernel module is not loaded.
    pub const DRIVER_NOT_LOADED: u32 = 9;
    /// The GPU fell off the bus.
    pub const GPU_IS_LOST: u32 = 15;
    /// The kernel module is of another version.
    pub const LIB_RM_VERSION_MISMATCH: u32 = 18;
    /// Something else.
    pub const UNKNOWN: u32 = 999;
}

/// The whole story. As JSON, every field may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Driver version.
    pub driver: String,
    /// The GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// Faults by C symbol (`nvmlInit_v2`), on any GPU; `*` is every symbol.
    pub faults: BTreeMap<String, Fault>,
    /// Where each call's symbol is written, one a line.
    pub calls: Option<PathBuf>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            driver: "580.95.05".to_owned(),
            gpus: Vec::new(),
            faults: BTreeMap::new(),
            calls: None,
        }
    }
}

impl Script {
    /// A machine with so many healthy GPUs.
    #[must_use]
    pub fn with_gpus(n: u32) -> Self {
        Self { gpus: (0..n).map(Gpu::numbered).collect(), ..Self::default() }
    }

    /// The same with a fault on any GPU.
    #[must_use]
    pub fn with_fault(mut self, symbol: &str, fault: Fault) -> Self {
        self.faults.insert(symbol.to_owned(), fault);
        self
    }
}

/// One GPU. `None` is answered with [`code::NOT_SUPPORTED`]; any other value as it stands, be it
/// nonsense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// `GPU-…`
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// PCI bus: its address is `0000:{bus}:00.0`.
    pub pci_bus: u32,
    /// All memory.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Share of time with a kernel running.
    pub utilization_percent: Option<u32>,
    /// Of the chip.
    pub temperature_celsius: Option<u32>,
    /// Drawn now.
    pub power_milliwatts: Option<u32>,
    /// Enforced limit.
    pub power_limit_milliwatts: Option<u32>,
    /// Every clock.
    pub clock_mhz: Option<u32>,
    /// The only fan.
    pub fan_percent: Option<u32>,
    /// Bits of `nvmlClocksThrottleReason…`.
    pub throttle_reasons: Option<u64>,
    /// Processes with a compute context.
    pub compute: Vec<Process>,
    /// Processes with a graphics context.
    pub graphics: Vec<Process>,
    /// Faults of this GPU by C symbol; `*` is every symbol.
    pub faults: BTreeMap<String, Fault>,
}

impl Default for Gpu {
    fn default() -> Self {
        Self::numbered(0)
    }
}

impl Gpu {
    /// A healthy GPU, in the middle of its work.
    #[must_use]
    pub fn numbered(n: u32) -> Self {
        Self {
            uuid: format!("GPU-00000000-0000-0000-0000-{n:012}"),
            name: "NVIDIA H200".to_owned(),
            pci_bus: n + 1,
            memory_total_bytes: Some(150_754_820_096),
            memory_used_bytes: 42_949_672_960,
            utilization_percent: Some(93),
            temperature_celsius: Some(64),
            power_milliwatts: Some(512_300),
            power_limit_milliwatts: Some(700_000),
            clock_mhz: Some(1980),
            fan_percent: None,
            throttle_reasons: Some(0x4),
            compute: Vec::new(),
            graphics: Vec::new(),
            faults: BTreeMap::new(),
        }
    }

    /// The same with a fault.
    #[must_use]
    pub fn with_fault(mut self, symbol: &str, fault: Fault) -> Self {
        self.faults.insert(symbol.to_owned(), fault);
        self
    }
}

/// A process with a context on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// In the host's PID namespace.
    pub pid: u32,
    /// What it holds; `None`: the driver cannot tell.
    pub memory_bytes: Option<u64>,
}

/// What happens instead of an answer, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This return code.
    Code(u32),
    /// No return, ever.
    Hang,
    /// The answer, so many milliseconds late.
    SleepMs(u64),
    /// The process dies of SIGSEGV.
    Segfault,
    /// The process dies of SIGABRT.
    Abort,
}
