//! The moving part of a host's view: resources and GPUs, from the last sample while it may be
//! shown as the present.

use std::collections::BTreeMap;

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{Gpu, MemoryKind, Vendor};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Pressure, Sample};
use serde::Serialize;

use crate::registry::host::HostEntry;

use super::rounded;

/// What a host uses now.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields of the sample, documented there")]
pub struct ResourcesView<'a> {
    pub at: Timestamp,
    pub cpu_percent: Option<f64>,
    pub load1: Option<f64>,
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    pub swap_used_bytes: Option<u64>,
    /// Over all GPUs that tell.
    pub vram_used_bytes: Option<u64>,
    /// Over all GPUs.
    pub vram_total_bytes: Option<u64>,
    /// Mean utilisation of the GPUs that tell.
    pub gpu_percent: Option<f64>,
    pub network_receive_bytes_per_second: Option<u64>,
    pub network_transmit_bytes_per_second: Option<u64>,
    pub disk_used_bytes: Option<u64>,
    pub disk_total_bytes: Option<u64>,
    pub pressure: Option<Pressure>,
    pub missing: BTreeMap<&'a str, MissingReason>,
}

impl<'a> ResourcesView<'a> {
    /// Of a host's last sample.
    #[must_use]
    pub fn of(host: &HostEntry, sample: &'a Sample) -> Self {
        let (vram_used_bytes, vram_total_bytes) = vram(host, sample);
        let gpu_percent = gpu_percent(sample);
        let mut view = Self {
            at: sample.at,
            cpu_percent: sample.cpu_percent.map(rounded),
            load1: sample.load1,
            memory_used_bytes: sample.memory_used_bytes,
            memory_total_bytes: sample.memory_total_bytes,
            swap_used_bytes: sample.swap_used_bytes,
            vram_used_bytes,
            vram_total_bytes,
            gpu_percent,
            network_receive_bytes_per_second: sample.network_receive_bytes_per_second,
            network_transmit_bytes_per_second: sample.network_transmit_bytes_per_second,
            disk_used_bytes: sample.disk.map(|disk| disk.used_bytes),
            disk_total_bytes: sample.disk.map(|disk| disk.total_bytes),
            pressure: sample.pressure,
            missing: sample.missing.iter().map(|(field, why)| (field.as_str(), *why)).collect(),
        };
        view.give_reasons(host);
        view
    }

    /// Every `null` has a reason, also where the agent gave none.
    fn give_reasons(&mut self, host: &HostEntry) {
        let no_gpus = match &host.facts.gpus {
            Some(gpus) if gpus.is_empty() => MissingReason::NotSupported,
            Some(_) => MissingReason::CannotTell,
            None => why(&host.facts.missing, "gpus"),
        };
        let disk = self.missing.get("disk").copied().unwrap_or(MissingReason::CannotTell);
        let unknown = MissingReason::CannotTell;
        let fields = [
            ("cpu_percent", self.cpu_percent.is_none(), unknown),
            ("load1", self.load1.is_none(), unknown),
            ("memory_used_bytes", self.memory_used_bytes.is_none(), unknown),
            ("memory_total_bytes", self.memory_total_bytes.is_none(), unknown),
            ("swap_used_bytes", self.swap_used_bytes.is_none(), unknown),
            ("vram_used_bytes", self.vram_used_bytes.is_none(), no_gpus),
            ("vram_total_bytes", self.vram_total_bytes.is_none(), no_gpus),
            ("gpu_percent", self.gpu_percent.is_none(), no_gpus),
            ("disk_used_bytes", self.disk_used_bytes.is_none(), disk),
            ("disk_total_bytes", self.disk_total_bytes.is_none(), disk),
            (
                "network_receive_bytes_per_second",
                self.network_receive_bytes_per_second.is_none(),
                unknown,
            ),
            (
                "network_transmit_bytes_per_second",
                self.network_transmit_bytes_per_second.is_none(),
                unknown,
            ),
            ("pressure", self.pressure.is_none(), unknown),
        ];
        for (field, is_missing, reason) in fields {
            if is_missing {
                self.missing.entry(field).or_insert(reason);
            }
        }
    }
}

fn why(missing: &Missing, field: &str) -> MissingReason {
    missing.get(field).copied().unwrap_or(MissingReason::CannotTell)
}

/// VRAM used and in all, over the GPUs that tell.
pub(crate) fn vram(host: &HostEntry, sample: &Sample) -> (Option<u64>, Option<u64>) {
    let gpus = host.facts.gpus.as_deref().unwrap_or_default();
    let totals = gpus.iter().filter_map(|gpu| gpu.memory_total_bytes);
    let used = sample.gpus.iter().flatten().filter_map(|gpu| gpu.memory_used_bytes);
    (some_sum(used), some_sum(totals))
}

fn some_sum(values: impl Iterator<Item = u64>) -> Option<u64> {
    values.fold(None, |sum, value| Some(sum.unwrap_or(0u64).saturating_add(value)))
}

/// Mean utilisation over the GPUs that tell.
#[expect(clippy::cast_precision_loss, reason = "there are at most 64 GPUs")]
pub(crate) fn gpu_percent(sample: &Sample) -> Option<f64> {
    let gpus = sample.gpus.as_deref().unwrap_or_default();
    let known: Vec<f64> = gpus.iter().filter_map(|gpu| gpu.utilization_percent).collect();
    (!known.is_empty()).then(|| rounded(known.iter().sum::<f64>() / known.len() as f64))
}

/// One GPU: what it is, and what it does now.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields of inventory and sample, documented there")]
pub struct GpuView<'a> {
    pub id: &'a str,
    pub index: u32,
    pub vendor: Vendor,
    pub name: &'a str,
    pub driver: Option<&'a str>,
    pub memory_kind: MemoryKind,
    pub memory_total_bytes: Option<u64>,
    pub memory_used_bytes: Option<u64>,
    pub utilization_percent: Option<f64>,
    pub temperature_celsius: Option<f64>,
    pub power_watts: Option<f64>,
    pub power_limit_watts: Option<f64>,
    pub sm_clock_mhz: Option<u32>,
    pub fan_percent: Option<f64>,
    pub throttle_reasons: Option<&'a [String]>,
    pub processes: Option<&'a [GpuProcess]>,
    pub missing: BTreeMap<&'a str, MissingReason>,
}

impl<'a> GpuView<'a> {
    /// A GPU of the inventory with what the sample says of it, or with the reason why it says
    /// nothing.
    #[must_use]
    pub fn of(gpu: &'a Gpu, sample: Option<&'a Sample>) -> Self {
        let moving = sample.and_then(|sample| {
            sample.gpus.as_deref().unwrap_or_default().iter().find(|moving| moving.id == gpu.id)
        });
        let unsaid = match sample {
            None => MissingReason::Stale,
            Some(sample) => why(&sample.missing, "gpus"),
        };
        let empty = &EMPTY;
        let now = moving.unwrap_or(empty);
        let known = gpu.missing.iter().chain(&now.missing);
        let mut view = Self {
            id: &gpu.id,
            index: gpu.index,
            vendor: gpu.vendor,
            name: &gpu.name,
            driver: gpu.driver.as_deref(),
            memory_kind: gpu.memory_kind,
            memory_total_bytes: gpu.memory_total_bytes,
            memory_used_bytes: now.memory_used_bytes,
            utilization_percent: now.utilization_percent.map(rounded),
            temperature_celsius: now.temperature_celsius,
            power_watts: now.power_watts.map(rounded),
            power_limit_watts: gpu.power_limit_watts,
            sm_clock_mhz: now.sm_clock_mhz,
            fan_percent: now.fan_percent,
            throttle_reasons: now.throttle_reasons.as_deref(),
            processes: now.processes.as_deref(),
            missing: known.map(|(field, why)| (field.as_str(), *why)).collect(),
        };
        view.give_reasons(unsaid);
        view
    }

    fn give_reasons(&mut self, unsaid: MissingReason) {
        let unknown = MissingReason::CannotTell;
        let fields = [
            ("memory_total_bytes", self.memory_total_bytes.is_none(), unknown),
            ("power_limit_watts", self.power_limit_watts.is_none(), unknown),
            ("memory_used_bytes", self.memory_used_bytes.is_none(), unsaid),
            ("utilization_percent", self.utilization_percent.is_none(), unsaid),
            ("temperature_celsius", self.temperature_celsius.is_none(), unsaid),
            ("power_watts", self.power_watts.is_none(), unsaid),
            ("sm_clock_mhz", self.sm_clock_mhz.is_none(), unsaid),
            ("fan_percent", self.fan_percent.is_none(), unsaid),
            ("throttle_reasons", self.throttle_reasons.is_none(), unsaid),
            ("processes", self.processes.is_none(), unsaid),
        ];
        for (field, is_missing, reason) in fields {
            if is_missing {
                self.missing.entry(field).or_insert(reason);
            }
        }
    }
}

static EMPTY: GpuSample = GpuSample {
    id: String::new(),
    utilization_percent: None,
    memory_used_bytes: None,
    temperature_celsius: None,
    power_watts: None,
    sm_clock_mhz: None,
    fan_percent: None,
    throttle_reasons: None,
    processes: None,
    detail: None,
    missing: BTreeMap::new(),
};
