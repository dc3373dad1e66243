//! What a host uses, from the last sample while it may be shown as the present.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::{Pressure, Sample};
use serde::Serialize;

use crate::registry::condition::whole_reason;
use crate::registry::host::HostEntry;
use crate::registry::slow::Slow;

use super::missing::{Reasons, give_reasons, reasons};
use super::rounded;

/// What a host uses now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Resources")]
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
    pub missing: Reasons<'a>,
}

impl<'a> ResourcesView<'a> {
    /// Of a host's last sample, and what is told less often.
    #[must_use]
    pub fn of(host: &HostEntry, sample: &'a Sample, slow: Option<&Slow>) -> Self {
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
            missing: reasons(&sample.missing),
        };
        let no_gpus = no_gpus(host, sample);
        give_reasons!(view, no_gpus, [vram_used_bytes, vram_total_bytes, gpu_percent]);
        let no_disk = slow.map_or(MissingReason::CannotTell, |slow| why(slow.missing(), "disk"));
        give_reasons!(view, no_disk, [disk_used_bytes, disk_total_bytes]);
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [
                cpu_percent,
                load1,
                memory_used_bytes,
                memory_total_bytes,
                swap_used_bytes,
                network_receive_bytes_per_second,
                network_transmit_bytes_per_second,
                pressure,
            ]
        );
        view
    }
}

/// Why nothing is told of a host's GPUs: it has none, or all of them have the same reason.
fn no_gpus(host: &HostEntry, sample: &Sample) -> MissingReason {
    match &host.facts.gpus {
        Some(gpus) if gpus.is_empty() => return MissingReason::NotSupported,
        None => return why(&host.facts.missing, "gpus"),
        Some(_) => (),
    }
    let mut all = sample.gpus.iter().flatten().map(whole_reason);
    match all.next().flatten() {
        Some(first) if all.all(|reason| reason == Some(first)) => first,
        _ => why(&sample.missing, "gpus"),
    }
}

pub(super) fn why(missing: &Missing, field: &str) -> MissingReason {
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
