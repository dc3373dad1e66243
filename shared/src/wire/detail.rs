//! What a sample tells less often: the slow parts of a host and of a GPU.

use serde::{Deserialize, Serialize};

use crate::missing::Missing;

/// What moves slowly or is long to tell; with every tenth sample. Shares and rates are over the
/// time since the last detail. An absent value is missing, and `missing` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Detail {
    /// Busy share of each logical processor that is online, 0 to 100, in the kernel's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores_percent: Option<Vec<u8>>,
    /// Share of all processors' time that was idle only for want of I/O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iowait_percent: Option<f64>,
    /// Share of all processors' time that the hypervisor gave to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steal_percent: Option<f64>,
    /// Load average of 5 min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load5: Option<f64>,
    /// Load average of 15 min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load15: Option<f64>,
    /// What programs can still get without swapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<u64>,
    /// Pages of files, and what else the kernel can give back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_cached_bytes: Option<u64>,
    /// Swap in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_total_bytes: Option<u64>,
    /// Since the kernel started, sleep included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// Every real disk, or file system on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disks: Option<Vec<DiskDetail>>,
    /// Every real network interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<InterfaceDetail>>,
    /// What the sensors say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<Vec<Temperature>>,
    /// What the control group of the agent may use; absent where nothing is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// A file system on a real disk, and what the disk does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct DiskDetail {
    /// The block device, `nvme0n1p2`.
    pub device: String,
    /// Where it is mounted first; `null` for a disk that holds no mounted file system.
    pub mount: Option<String>,
    /// `ext4`, `xfs`, `zfs`.
    pub file_system: Option<String>,
    /// Not free, as `df` counts.
    pub used_bytes: Option<u64>,
    /// Used plus what an ordinary user may still write.
    pub total_bytes: Option<u64>,
    /// Read from the device.
    pub read_bytes_per_second: Option<u64>,
    /// Written to the device.
    pub write_bytes_per_second: Option<u64>,
    /// Share of time in which the device had work.
    pub busy_percent: Option<f64>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct InterfaceDetail {
    /// `eth0`.
    pub name: String,
    /// `up`, `down`, `unknown`; an open word of the kernel (`operstate`).
    pub state: Option<String>,
    /// What the link can carry, megabits a second.
    pub speed_mbps: Option<u64>,
    /// Received.
    pub receive_bytes_per_second: Option<u64>,
    /// Sent.
    pub transmit_bytes_per_second: Option<u64>,
    /// Frames that came in broken or found no room, since the interface came up.
    pub receive_errors: Option<u64>,
    /// Frames that could not be sent, since the interface came up.
    pub transmit_errors: Option<u64>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// What one sensor says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Temperature {
    /// Chip and label, `coretemp Package id 0`.
    pub sensor: String,
    /// Now.
    pub celsius: f64,
    /// From where on the hardware is in danger, where the chip tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_celsius: Option<f64>,
}

/// What a control group may use, and uses. Absent is no limit, unless `missing` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Limits {
    /// Processors' time, in whole processors: 1.5 is one and a half.
    pub cpu_cores: Option<f64>,
    /// Memory that it may use.
    pub memory_bytes: Option<u64>,
    /// Memory that it uses.
    pub memory_used_bytes: Option<u64>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// The slow part of one GPU's sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct GpuDetail {
    /// Share of time in which memory was read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_utilization_percent: Option<f64>,
    /// Clock of the memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_clock_mhz: Option<u32>,
    /// Of the memory chips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_temperature_celsius: Option<f64>,
    /// The link as it is now: generation. An idle GPU lowers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_generation: Option<u32>,
    /// The link as it is now: lanes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_width: Option<u32>,
    /// Errors on the link that made it send again, since the driver was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_replays: Option<u64>,
    /// Memory errors that were corrected, since the driver was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecc_corrected_errors: Option<u64>,
    /// Memory errors that could not be corrected, since the driver was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecc_uncorrected_errors: Option<u64>,
    /// What moves of its instances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mig: Vec<MigSample>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// What moves of one MIG instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct MigSample {
    /// The id from the inventory.
    pub id: String,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
}
