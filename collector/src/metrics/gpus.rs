//! What is told of a GPU, while its host is heard.

use herdbook_shared::wire::detail::GpuDetail;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;

use super::family::{Family, counter, gauge, ratio};
use super::hosts::HostAt;

/// A GPU of a host, by its place in the host's list.
#[derive(Clone, Debug)]
pub struct GpuAt {
    at: HostAt,
    place: usize,
    index: String,
}

impl GpuAt {
    /// The GPUs of a host, while it is heard.
    pub fn of(at: &HostAt) -> impl Iterator<Item = Self> {
        let gpus = at.host.facts.gpus.as_deref().filter(|_| at.sample.is_some());
        let gpus = gpus.unwrap_or_default();
        let is_first = |place: usize, id: &str| gpus.iter().take(place).all(|gpu| gpu.id != id);
        // An agent that tells one of them twice does not spoil the answer for all.
        let once = gpus.iter().enumerate().filter(move |(place, gpu)| is_first(*place, &gpu.id));
        once.map(|(place, gpu)| Self { at: at.clone(), place, index: gpu.index.to_string() })
    }

    /// What its series are told apart by.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, &str); 5] {
        let [host, host_id] = self.at.labels();
        let (uuid, name) = self.gpu().map_or(("", ""), |gpu| (&gpu.id, &gpu.name));
        [host, host_id, ("gpu", &self.index), ("uuid", uuid), ("name", name)]
    }

    fn gpu(&self) -> Option<&Gpu> {
        self.at.host.facts.gpus.as_deref()?.get(self.place)
    }

    fn moving(&self) -> Option<&GpuSample> {
        let gpu = self.gpu()?;
        self.at.sample.as_deref()?.gpus.as_deref()?.iter().find(|moving| moving.id == gpu.id)
    }

    fn detail(&self) -> Option<&GpuDetail> {
        self.at.slow()?.gpu(&self.gpu()?.id)
    }

    fn is_lost(&self) -> bool {
        self.gpu().is_some_and(|gpu| self.at.host.conditions.lost_gpus.contains(&gpu.id))
    }
}

/// By what its series are told apart.
pub const LABELS: [&str; 5] = ["host", "host_id", "gpu", "uuid", "name"];

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family<GpuAt>] = &[
    gauge("herdbook_gpu_up", "1, or 0 for a GPU that fell off the bus.", |at| {
        Some((!at.is_lost()).into())
    }),
    gauge("herdbook_gpu_utilization_ratio", "Share of time in which a kernel ran.", |at| {
        at.moving()?.utilization_percent.map(ratio)
    }),
    gauge("herdbook_gpu_memory_used_bytes", "Memory in use, by whomever.", |at| {
        at.moving()?.memory_used_bytes.map(Into::into)
    }),
    gauge("herdbook_gpu_memory_total_bytes", "Memory in all.", |at| {
        at.gpu()?.memory_total_bytes.map(Into::into)
    }),
    gauge("herdbook_gpu_temperature_celsius", "Temperature of the chip.", |at| {
        at.moving()?.temperature_celsius.map(Into::into)
    }),
    gauge("herdbook_gpu_power_watts", "Power that it draws.", |at| {
        at.moving()?.power_watts.map(Into::into)
    }),
    gauge("herdbook_gpu_power_limit_watts", "Power that it may draw.", |at| {
        at.gpu()?.power_limit_watts.map(Into::into)
    }),
    gauge("herdbook_gpu_sm_clock_hertz", "Clock of the multiprocessors.", |at| {
        at.moving()?.sm_clock_mhz.map(|mhz| (u64::from(mhz) * 1_000_000).into())
    }),
    gauge("herdbook_gpu_fan_ratio", "Speed of its fan, of the maximum; may exceed 1.", |at| {
        at.moving()?.fan_percent.map(ratio)
    }),
    counter(
        "herdbook_gpu_ecc_corrected_errors_total",
        "Errors of memory that were corrected, since its driver was loaded.",
        |at| at.detail()?.ecc_corrected_errors.map(Into::into),
    ),
    counter(
        "herdbook_gpu_ecc_uncorrected_errors_total",
        "Errors of memory that could not be corrected, since its driver was loaded.",
        |at| at.detail()?.ecc_uncorrected_errors.map(Into::into),
    ),
    counter("herdbook_gpu_pcie_replays_total", "Retries on its PCIe link.", |at| {
        at.detail()?.pcie_replays.map(Into::into)
    }),
];
