//! GPUs as they are told to the outside: what they are and what they do now, and in the full view
//! what is long or moves slowly.

use std::collections::BTreeMap;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::{GpuDetail, MigSample};
use herdbook_shared::wire::inventory::{Gpu, MemoryKind, MigInstance, Vendor};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};
use serde::Serialize;

use crate::registry::condition::whole_reason;
use crate::registry::slow::Slow;

use super::missing::{Reasons, give_reasons, reasons, why_no_place};
use super::resources::why;
use super::rounded;

/// One GPU: what it is, and what it does now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GpuShort")]
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
    pub processes: Option<Vec<ProcessView<'a>>>,
    pub missing: Reasons<'a>,
}

impl<'a> GpuView<'a> {
    /// A GPU of the inventory with what samples say of it, or with the reason why they say
    /// nothing.
    #[must_use]
    pub fn of(gpu: &'a Gpu, sample: Option<&'a Sample>, slow: Option<&'a Slow>) -> Self {
        let now = moving(gpu, sample).unwrap_or(&EMPTY);
        let unsaid = unsaid(gpu, sample);
        let processes = slow.filter(|_| sample.is_some()).and_then(|slow| slow.processes(&gpu.id));
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
            processes: processes.map(|list| list.iter().map(ProcessView::of).collect()),
            missing: reasons(&gpu.missing),
        };
        view.missing.extend(reasons(&now.missing));
        let as_before = slow.filter(|_| moving(gpu, sample).is_some()).into_iter();
        for (field, why) in as_before.flat_map(|slow| slow.missing_of_gpu(&gpu.id)) {
            view.missing.entry(field).or_insert(why);
        }
        let unknown = MissingReason::CannotTell;
        give_reasons!(view, unknown, [driver, memory_total_bytes, power_limit_watts]);
        give_reasons!(
            view,
            unsaid,
            [
                memory_used_bytes,
                utilization_percent,
                temperature_celsius,
                power_watts,
                sm_clock_mhz,
                fan_percent,
                throttle_reasons,
                processes,
            ]
        );
        view
    }
}

fn moving<'a>(gpu: &Gpu, sample: Option<&'a Sample>) -> Option<&'a GpuSample> {
    sample?.gpus.as_deref()?.iter().find(|moving| moving.id == gpu.id)
}

/// Why something of a GPU is not told, where the agent gives no reason.
fn unsaid(gpu: &Gpu, sample: Option<&Sample>) -> MissingReason {
    match (sample, moving(gpu, sample)) {
        (None, _) => MissingReason::Stale,
        (Some(sample), None) => why(&sample.missing, "gpus"),
        (_, Some(now)) => whole_reason(now).unwrap_or(MissingReason::CannotTell),
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

/// A process with a context on a GPU.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GpuProcess")]
#[expect(missing_docs, reason = "the fields of the wire's process, documented there")]
pub struct ProcessView<'a> {
    pub pid: u32,
    pub name: Option<&'a str>,
    pub memory_bytes: Option<u64>,
    pub unit: Option<&'a str>,
    pub container: Option<&'a str>,
    pub mig_id: Option<&'a str>,
    pub missing: Reasons<'a>,
}

impl<'a> ProcessView<'a> {
    fn of(process: &'a GpuProcess) -> Self {
        let mut view = Self {
            pid: process.pid,
            name: process.name.as_deref(),
            memory_bytes: process.memory_bytes,
            unit: process.unit.as_deref(),
            container: process.container.as_deref(),
            mig_id: process.mig_id.as_deref(),
            missing: reasons(&process.missing),
        };
        let no_place = why_no_place(view.unit, view.container);
        give_reasons!(view, no_place, [unit, container]);
        give_reasons!(view, MissingReason::CannotTell, [name, memory_bytes]);
        give_reasons!(view, MissingReason::NotSupported, [mig_id]);
        view
    }
}

/// One GPU with all that is known of it. In the full view alone, as what it adds hardly moves.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Gpu")]
#[expect(missing_docs, reason = "the fields of inventory and sample, documented there")]
pub struct FullGpuView<'a> {
    pub cuda_version: Option<&'a str>,
    pub compute_capability: Option<&'a str>,
    pub pci_address: Option<&'a str>,
    pub pcie_generation_max: Option<u32>,
    pub pcie_width_max: Option<u32>,
    pub ecc_enabled: Option<bool>,
    pub mig_enabled: Option<bool>,
    pub mig: Vec<MigView<'a>>,
    pub detail: Option<GpuDetailView<'a>>,
    /// The rest of it, and the reasons of all.
    #[serde(flatten)]
    pub short: GpuView<'a>,
}

impl<'a> FullGpuView<'a> {
    /// As [`GpuView::of`].
    #[must_use]
    pub fn of(gpu: &'a Gpu, sample: Option<&'a Sample>, slow: Option<&'a Slow>) -> Self {
        let detail = slow.filter(|_| sample.is_some()).and_then(|slow| slow.gpu(&gpu.id));
        let mut view = Self {
            cuda_version: gpu.cuda_version.as_deref(),
            compute_capability: gpu.compute_capability.as_deref(),
            pci_address: gpu.pci_address.as_deref(),
            pcie_generation_max: gpu.pcie_generation_max,
            pcie_width_max: gpu.pcie_width_max,
            ecc_enabled: gpu.ecc_enabled,
            mig_enabled: gpu.mig_enabled,
            mig: gpu.mig.iter().map(MigView::of).collect(),
            detail: detail.map(GpuDetailView::of),
            short: GpuView::of(gpu, sample, slow),
        };
        give_reasons!(
            view,
            view.short.missing,
            MissingReason::CannotTell,
            [
                cuda_version,
                compute_capability,
                pci_address,
                pcie_generation_max,
                pcie_width_max,
                ecc_enabled,
                mig_enabled,
            ]
        );
        let unsaid = unsaid(gpu, sample);
        give_reasons!(view, view.short.missing, unsaid, [detail]);
        view
    }
}

/// A part of a GPU that programs see as a device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "MigInstance")]
#[expect(missing_docs, reason = "the fields of the wire's instance, documented there")]
pub struct MigView<'a> {
    pub id: &'a str,
    pub index: u32,
    pub profile: Option<&'a str>,
    pub gpu_instance: Option<u32>,
    pub compute_instance: Option<u32>,
    pub memory_total_bytes: Option<u64>,
    pub missing: Reasons<'static>,
}

impl<'a> MigView<'a> {
    fn of(instance: &'a MigInstance) -> Self {
        let mut view = Self {
            id: &instance.id,
            index: instance.index,
            profile: instance.profile.as_deref(),
            gpu_instance: instance.gpu_instance,
            compute_instance: instance.compute_instance,
            memory_total_bytes: instance.memory_total_bytes,
            missing: Reasons::new(),
        };
        let unknown = MissingReason::CannotTell;
        give_reasons!(view, unknown, [profile, gpu_instance, compute_instance, memory_total_bytes]);
        view
    }
}

/// The slow part of a GPU.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GpuDetail")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct GpuDetailView<'a> {
    pub memory_utilization_percent: Option<f64>,
    pub memory_clock_mhz: Option<u32>,
    pub memory_temperature_celsius: Option<f64>,
    pub pcie_generation: Option<u32>,
    pub pcie_width: Option<u32>,
    pub pcie_replays: Option<u64>,
    pub ecc_corrected_errors: Option<u64>,
    pub ecc_uncorrected_errors: Option<u64>,
    pub mig: Vec<MigUseView<'a>>,
    pub missing: Reasons<'a>,
}

impl<'a> GpuDetailView<'a> {
    fn of(detail: &'a GpuDetail) -> Self {
        let mut view = Self {
            memory_utilization_percent: detail.memory_utilization_percent.map(rounded),
            memory_clock_mhz: detail.memory_clock_mhz,
            memory_temperature_celsius: detail.memory_temperature_celsius,
            pcie_generation: detail.pcie_generation,
            pcie_width: detail.pcie_width,
            pcie_replays: detail.pcie_replays,
            ecc_corrected_errors: detail.ecc_corrected_errors,
            ecc_uncorrected_errors: detail.ecc_uncorrected_errors,
            mig: detail.mig.iter().map(MigUseView::of).collect(),
            missing: reasons(&detail.missing),
        };
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [
                memory_utilization_percent,
                memory_clock_mhz,
                memory_temperature_celsius,
                pcie_generation,
                pcie_width,
                pcie_replays,
                ecc_corrected_errors,
                ecc_uncorrected_errors,
            ]
        );
        view
    }
}

/// What moves of a part of a GPU.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "MigUse")]
#[expect(missing_docs, reason = "the fields of the wire's sample, documented there")]
pub struct MigUseView<'a> {
    pub id: &'a str,
    pub memory_used_bytes: Option<u64>,
    pub missing: Reasons<'static>,
}

impl<'a> MigUseView<'a> {
    fn of(sample: &'a MigSample) -> Self {
        let (id, memory_used_bytes) = (sample.id.as_str(), sample.memory_used_bytes);
        let mut view = Self { id, memory_used_bytes, missing: Reasons::new() };
        give_reasons!(view, MissingReason::CannotTell, [memory_used_bytes]);
        view
    }
}
