//! What a GPU does: the questions of every tick, and those of every tenth. What each call means is
//! said by the NVML API reference, "Device Queries"
//! (<https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html>):
//!
//! | call | tells |
//! |---|---|
//! | `UtilizationRates` | share of the last sample period (1/6 s to 1 s) with a kernel running, and with memory read or written |
//! | `MemoryInfo_v2` | allocated by whomever; what the driver reserves for itself is counted apart |
//! | `PowerUsage` | milliwatts of the whole board; averaged over a second on newer ones |
//! | `ClockInfo` | present clocks, MHz |
//! | `FanSpeed_v2` | the intended speed, in percent of the nominal maximum; not what the fan reaches |
//! | `CurrentClocksThrottleReasons` | bits; newer libraries call them event reasons |
//! | `Temperature` | of the chip, whole degrees |
//! | `FieldValues`, 82 | of the memory, where it has a sensor |
//! | `CurrPcieLinkGeneration`, `…Width` | the link now; an idle GPU lowers it |
//! | `PcieReplayCounter` | frames sent again |
//! | `TotalEccErrors`, volatile | since the driver was loaded, over all memories of the GPU |
//! | `ComputeRunningProcesses_v3`, `GraphicsRunningProcesses_v3` | contexts and what they hold |
//!
//! Not asked at all: PCIe throughput (`nvmlDeviceGetPcieThroughput` watches the link for 20 ms in
//! each direction, which for eight GPUs is a third of a second in the driver), utilisation of each
//! process (a buffer that the driver fills for whoever asked last), and events, which need a thread
//! that waits in the driver.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::GpuDetail;
use herdbook_shared::wire::inventory::{Gpu, MemoryKind};
use herdbook_shared::wire::sample::GpuSample;
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_MEMORY_TEMP;

use crate::sampling::Roots;

use super::mig::Instance;
use super::questions::Questions;
use super::{host_memory, metric};

/// The fields of [`GpuSample`] that are read every tick.
const FAST: [&str; 5] =
    ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz", "throttle_reasons"];
/// Those that are read now and then.
const SLOW: [&str; 4] = ["temperature_celsius", "fan_percent", "processes", "detail"];

/// A sample in which nothing could be told.
pub(super) fn dim(id: &str, reason: MissingReason) -> GpuSample {
    let fields = FAST.iter().chain(&SLOW);
    GpuSample {
        id: id.to_owned(),
        missing: fields.map(|field| ((*field).to_owned(), reason)).collect(),
        ..GpuSample::default()
    }
}

/// Every tick: five calls, each answered by the driver from its own memory or a short command. The
/// first of them also tells how busy the memory was, which stands with the detail.
///
/// # Errors
///
/// Where the GPU is lost, or NVML as a whole useless.
pub(super) fn fast(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
    gpu: &Gpu,
    roots: &Roots,
) -> Result<(GpuSample, Option<f64>), NvmlError> {
    let [utilization, memory, watts, clock, throttle] = FAST;
    let reasons = |reasons| Some(metric::throttle_words(reasons));
    let busy = utilized(asked, utilization, device, gpu)?;
    let sample = GpuSample {
        id: gpu.id.clone(),
        utilization_percent: busy.map(|(gpu, _)| gpu),
        memory_used_bytes: asked.ask(
            memory,
            || used(device, gpu, roots),
            |bytes| metric::used_bytes(bytes, gpu.memory_total_bytes),
        )?,
        power_watts: asked.ask(watts, || device.power_usage(), metric::watts)?,
        sm_clock_mhz: asked.ask(clock, || device.clock_info(Clock::SM), metric::megahertz)?,
        throttle_reasons: asked.ask(throttle, || device.current_throttle_reasons(), reasons)?,
        ..GpuSample::default()
    };
    Ok((sample, busy.map(|(_, memory)| memory)))
}

/// Of the chip, and of its memory. A GPU that is cut into instances has neither, and some drivers
/// say 0 instead of saying so.
fn utilized(
    asked: &mut Questions<'_>,
    field: &'static str,
    device: &Device<'_>,
    gpu: &Gpu,
) -> Result<Option<(f64, f64)>, NvmlError> {
    if gpu.mig_enabled == Some(true) {
        asked.lack(field, MissingReason::NotSupported);
        return Ok(None);
    }
    let sane = |(gpu, memory)| Some((metric::percent(gpu)?, metric::percent(memory)?));
    asked.ask(field, || device.utilization_rates().map(|rates| (rates.gpu, rates.memory)), sane)
}

fn used(device: &Device<'_>, gpu: &Gpu, roots: &Roots) -> Result<u64, NvmlError> {
    if gpu.memory_kind == MemoryKind::Unified {
        return host_memory::read(&roots.proc).map(|memory| memory.used).ok_or(NvmlError::NoData);
    }
    device.memory_info().map(|memory| memory.used)
}

/// The chip's temperature. It moves slowly, and the call goes to the card's own controller.
pub(super) fn temperature(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
) -> Result<Option<f64>, NvmlError> {
    let [field, ..] = SLOW;
    asked.ask(field, || device.temperature(TemperatureSensor::Gpu), metric::celsius)
}

/// The fan's speed. A card with several turns them alike; one without any does not support the
/// call.
pub(super) fn fan(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
) -> Result<Option<f64>, NvmlError> {
    let [_, field, ..] = SLOW;
    asked.ask(field, || device.fan_speed(0), metric::fan_percent)
}

/// Every tenth tick. How busy the memory was is known already.
///
/// # Errors
///
/// As [`fast`].
pub(super) fn detail(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
    memory: Result<f64, MissingReason>,
    instances: &[Instance],
) -> Result<GpuDetail, NvmlError> {
    if let Err(reason) = memory {
        asked.lack("memory_utilization_percent", reason);
    }
    let clock = || device.clock_info(Clock::Memory);
    let errors = |kind| move || device.total_ecc_errors(kind, EccCounter::Volatile);
    let (corrected, uncorrected) = (MemoryError::Corrected, MemoryError::Uncorrected);
    Ok(GpuDetail {
        memory_utilization_percent: memory.ok(),
        memory_clock_mhz: asked.ask("memory_clock_mhz", clock, metric::megahertz)?,
        memory_temperature_celsius: asked.ask(
            "memory_temperature_celsius",
            || memory_temperature(device),
            metric::field_celsius,
        )?,
        pcie_generation: asked.ask(
            "pcie_generation",
            || device.current_pcie_link_gen(),
            metric::pcie_generation,
        )?,
        pcie_width: asked.ask(
            "pcie_width",
            || device.current_pcie_link_width(),
            metric::pcie_lanes,
        )?,
        pcie_replays: asked.ask(
            "pcie_replays",
            || device.pcie_replay_counter(),
            metric::few_events,
        )?,
        ecc_corrected_errors: asked.ask(
            "ecc_corrected_errors",
            errors(corrected),
            metric::events,
        )?,
        ecc_uncorrected_errors: asked.ask(
            "ecc_uncorrected_errors",
            errors(uncorrected),
            metric::events,
        )?,
        mig: instances.iter().map(Instance::sample).collect(),
        missing: asked.take_missing(),
    })
}

/// Only as a field value; the call for temperatures knows the chip's sensor alone.
fn memory_temperature(device: &Device<'_>) -> Result<SampleValue, NvmlError> {
    let mut values = device.field_values_for(&[FieldId(NVML_FI_DEV_MEMORY_TEMP)])?;
    values.pop().ok_or(NvmlError::NoData)??.value
}
