//! One measurement of a host at one instant, which is also its heartbeat.

use serde::{Deserialize, Serialize};

use crate::missing::Missing;
use crate::time::Timestamp;

use super::detail::{Detail, GpuDetail};
use super::inventory::is_false;

/// What moves. `disk`, `detail`, a GPU's `temperature_celsius`, `fan_percent`, `throttle_reasons`,
/// `processes` and `detail`, and `services` are slow: they come with every tenth sample, and earlier
/// where the agent likes. One that is absent, and of which `missing` says nothing either, is as
/// before, be it a value or the reason why there is none. A session's first sample, and one after a
/// dropped one, is complete. Any other absent value is missing, and `missing` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Sample {
    /// Counts the samples of one instance from 1.
    pub seq: u64,
    /// The host's wall clock.
    pub at: Timestamp,
    /// Busy share of all processors, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Load average of 1 min.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load1: Option<f64>,
    /// Total less available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Memory that the kernel manages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Swap in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_used_bytes: Option<u64>,
    /// Over all real interfaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_receive_bytes_per_second: Option<u64>,
    /// Over all real interfaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_transmit_bytes_per_second: Option<u64>,
    /// Stalls for want of a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// The root disk; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// What is told less often; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<Detail>>,
    /// The host slept: nothing was measured meanwhile. Only in the first sample after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// One entry a GPU; absent on a host without GPUs, or where they cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Vec<GpuSample>>,
    /// Programs that start now get a library that does not fit the driver in the kernel. Values
    /// still come from one that was loaded before.
    #[serde(skip_serializing_if = "is_false")]
    pub driver_mismatch: bool,
    /// What moves of the services; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceSample>>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// A time in which the host did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The last instant before, by the host's wall clock.
    pub from: Timestamp,
    /// The first instant after.
    pub to: Timestamp,
}

/// Share of the last 10 s in which some task stalled, percent
/// (<https://docs.kernel.org/accounting/psi.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Pressure {
    /// For want of a processor.
    pub cpu_some_avg10: Option<f64>,
    /// For want of memory.
    pub memory_some_avg10: Option<f64>,
    /// For want of I/O.
    pub io_some_avg10: Option<f64>,
}

/// Space on the root disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disk {
    /// Not free, as `df` counts.
    pub used_bytes: u64,
    /// Used plus what an ordinary user may still write.
    pub total_bytes: u64,
}

/// What moves of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct GpuSample {
    /// The id from the inventory.
    pub id: String,
    /// Share of time in which a kernel ran, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization_percent: Option<f64>,
    /// Memory in use, by whomever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Of the chip; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<f64>,
    /// Drawn now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_watts: Option<f64>,
    /// Clock of the multiprocessors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<u32>,
    /// Of the maximum, may exceed 100; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fan_percent: Option<f64>,
    /// Why the clocks are held back, in words; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle_reasons: Option<Vec<String>>,
    /// Who holds memory; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<GpuProcess>>,
    /// What is told less often; slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<GpuDetail>>,
    /// Why a value is missing.
    #[serde(skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// A process with a context on a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GpuProcess {
    /// In the host's PID namespace.
    pub pid: u32,
    /// Its command name.
    #[serde(default)]
    pub name: Option<String>,
    /// What it holds of the GPU's memory.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The systemd unit that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container that it runs in: its id, as far as the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The MIG instance that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig_id: Option<String>,
    /// Why a field is `null`.
    #[serde(default, skip_serializing_if = "Missing::is_empty")]
    pub missing: Missing,
}

/// What moves of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceSample {
    /// The address from the inventory.
    pub address: String,
    /// The port from the inventory.
    pub port: u16,
    /// When it last answered.
    #[serde(default)]
    pub checked_at: Option<Timestamp>,
    /// How long its answer took.
    #[serde(default)]
    pub latency_ms: Option<u64>,
    /// Requests that it works on, where it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_running: Option<u64>,
    /// Requests that wait, where it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_waiting: Option<u64>,
    /// When loaded models expire.
    #[serde(default)]
    pub expires: Vec<Expiry>,
}

/// When one loaded model expires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Expiry {
    /// Its name.
    pub model: String,
    /// When.
    pub at: Timestamp,
}
