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
    /// The driver gave up waiting.
    pub const TIMEOUT: u32 = 10;
    /// The library does not have it.
    pub const FUNCTION_NOT_FOUND: u32 = 13;
    /// The GPU fell off the bus.
    pub const GPU_IS_LOST: u32 = 15;
    /// The GPU wants a reset first.
    pub const RESET_REQUIRED: u32 = 16;
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
    /// The newest CUDA that the driver serves, as NVML counts: 13000 is 13.0.
    pub cuda: i32,
    /// The GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// Faults by C symbol (`nvmlInit_v2`), on any GPU; `*` is every symbol.
    pub faults: BTreeMap<String, Fault>,
    /// Where each call is written, one a line: its symbol, then the GPU's index, if it has one.
    pub calls: Option<PathBuf>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            driver: "580.95.05".to_owned(),
            cuda: 13_000,
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
        Self::of((0..n).map(Gpu::numbered).collect())
    }

    /// A machine with these GPUs.
    #[must_use]
    pub fn of(gpus: Vec<Gpu>) -> Self {
        Self { gpus, ..Self::default() }
    }

    /// The same with a fault on any GPU.
    #[must_use]
    pub fn with_fault(mut self, symbol: &str, fault: Fault) -> Self {
        self.faults.insert(symbol.to_owned(), fault);
        self
    }

    /// The same with a fault on one GPU.
    #[must_use]
    pub fn with_gpu_fault(mut self, gpu: usize, symbol: &str, fault: Fault) -> Self {
        self.gpus[gpu].faults.insert(symbol.to_owned(), fault);
        self
    }

    /// The same, writing down each call.
    #[must_use]
    pub fn noting_calls(mut self, file: &std::path::Path) -> Self {
        self.calls = Some(file.to_owned());
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
    /// CUDA compute capability.
    pub compute_capability: Option<(i32, i32)>,
    /// All memory; `None` on a part that uses the host's.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Share of time with a kernel running.
    pub utilization_percent: Option<u32>,
    /// Share of time with memory read or written.
    pub memory_utilization_percent: u32,
    /// Of the chip.
    pub temperature_celsius: Option<u32>,
    /// Of the memory chips.
    pub memory_temperature_celsius: Option<u32>,
    /// Drawn now.
    pub power_milliwatts: Option<u32>,
    /// Enforced limit.
    pub power_limit_milliwatts: Option<u32>,
    /// Clock of the multiprocessors.
    pub clock_mhz: Option<u32>,
    /// Clock of the memory.
    pub memory_clock_mhz: Option<u32>,
    /// Each fan; none on a passively cooled card.
    pub fan_percent: Option<u32>,
    /// Bits of `nvmlClocksThrottleReason…`.
    pub throttle_reasons: Option<u64>,
    /// The PCIe link now: generation and lanes.
    pub pcie: Option<(u32, u32)>,
    /// The best PCIe link: generation and lanes.
    pub pcie_max: Option<(u32, u32)>,
    /// Frames that were sent again.
    pub pcie_replays: Option<u32>,
    /// Whether ECC is on.
    pub ecc_enabled: Option<bool>,
    /// Errors that were corrected.
    pub ecc_corrected: u64,
    /// Errors that were not.
    pub ecc_uncorrected: u64,
    /// Whether it is cut into instances; `None` where it cannot be.
    pub mig_enabled: Option<bool>,
    /// The instances, by index; `None` is an empty slot.
    pub mig: Vec<Option<MigInstance>>,
    /// Processes with a compute context.
    pub compute: Vec<Process>,
    /// Processes with a graphics context.
    pub graphics: Vec<Process>,
    /// Once lost, it stays lost to this process until the library is initialised anew.
    pub returns_at_init: bool,
    /// Faults of this GPU by C symbol; `*` is every symbol.
    pub faults: BTreeMap<String, Fault>,
}

impl Default for Gpu {
    fn default() -> Self {
        Self::numbered(0)
    }
}

impl Gpu {
    /// The same with a fault.
    #[must_use]
    pub fn with_fault(mut self, symbol: &str, fault: Fault) -> Self {
        self.faults.insert(symbol.to_owned(), fault);
        self
    }

    /// The same, fallen off the bus.
    #[must_use]
    pub fn lost(self) -> Self {
        self.with_fault("*", Fault::Code(code::GPU_IS_LOST))
    }

    /// `0000:01:00.0`
    #[must_use]
    pub fn pci_address(&self) -> String {
        format!("0000:{:02x}:00.0", self.pci_bus)
    }
}

/// A part of a GPU that programs see as a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MigInstance {
    /// `MIG-…`
    pub uuid: String,
    /// `1g.18gb`
    pub profile: String,
    /// All memory.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Processes with a compute context.
    pub compute: Vec<Process>,
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
    /// Success, and every byte of the answer is this one: 255 makes counts huge, sizes negative
    /// and strings invalid UTF-8.
    Garbage(u8),
    /// No return, as long as the story says so.
    Hang,
    /// The answer, so many milliseconds late.
    SleepMs(u64),
    /// The process dies of SIGSEGV.
    Segfault,
    /// The process dies of SIGABRT.
    Abort,
}
