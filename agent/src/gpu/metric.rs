//! What NVML says, before it is believed: its errors as reasons, its figures within what a GPU
//! can be. Drivers do return nonsense (`u64::MAX` bytes, utilisation of millions of percent).
//!
//! The errors are those of `nvmlReturn_t`, the figures have the units of the NVML API reference
//! (<https://docs.nvidia.com/deploy/nvml-api/>): power in milliwatts, clocks in MHz, memory in
//! bytes, the CUDA version as 1000 × major + 10 × minor.

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::CudaComputeCapability;

/// Why a value is missing, where `error` came instead of it.
pub(super) fn reason(error: &NvmlError) -> MissingReason {
    match error {
        NvmlError::NotSupported
        | NvmlError::FailedToLoadSymbol(_)
        | NvmlError::FunctionNotFound => MissingReason::NotSupported,
        NvmlError::NoPermission | NvmlError::OperatingSystem => MissingReason::NoPermission,
        NvmlError::GpuLost | NvmlError::ResetRequired => MissingReason::Lost,
        NvmlError::LibRmVersionMismatch => MissingReason::DriverMismatch,
        NvmlError::Timeout => MissingReason::Timeout,
        _ => MissingReason::CannotTell,
    }
}

/// Whether NVML as a whole is of no more use to this process.
pub(super) fn is_fatal(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch
    )
}

/// Whether there is no such device for us: past the last one, or hidden from this container.
pub(super) fn is_nobody(error: &NvmlError) -> bool {
    matches!(error, NvmlError::InvalidArg | NvmlError::NotFound)
}

pub(super) fn percent(percent: u32) -> Option<f64> {
    (percent <= 100).then(|| f64::from(percent))
}

/// Fans are told in percent of their nominal speed, and may exceed it.
pub(super) fn fan_percent(percent: u32) -> Option<f64> {
    (percent <= 200).then(|| f64::from(percent))
}

pub(super) fn celsius(celsius: u32) -> Option<f64> {
    (celsius <= 200).then(|| f64::from(celsius))
}

/// A temperature that came as a field value, of which only whole numbers are known.
pub(super) fn field_celsius(value: SampleValue) -> Option<f64> {
    match value {
        SampleValue::U32(degrees) => celsius(degrees),
        SampleValue::U64(degrees) => celsius(u32::try_from(degrees).ok()?),
        SampleValue::I64(degrees) => celsius(u32::try_from(degrees).ok()?),
        SampleValue::F64(_) => None,
    }
}

pub(super) fn watts(milliwatts: u32) -> Option<f64> {
    (milliwatts <= 20_000_000).then(|| f64::from(milliwatts) / 1000.0)
}

pub(super) fn megahertz(megahertz: u32) -> Option<u32> {
    (megahertz <= 20_000).then_some(megahertz)
}

pub(super) fn pcie_generation(generation: u32) -> Option<u32> {
    (1..=16).contains(&generation).then_some(generation)
}

pub(super) fn pcie_lanes(lanes: u32) -> Option<u32> {
    (1..=64).contains(&lanes).then_some(lanes)
}

/// Events since the driver was loaded; a counter that says −1 does not count.
pub(super) fn events(n: u64) -> Option<u64> {
    (n <= limits::BYTES_MAX).then_some(n)
}

/// The same of a counter of 32 bits.
pub(super) fn few_events(n: u32) -> Option<u64> {
    (n < u32::MAX).then_some(n.into())
}

/// `nvmlEnableState_t`, where the wrapper passes it on as a number.
pub(super) fn enabled(state: u32) -> Option<bool> {
    match state {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// 13020 is `13.2`.
pub(super) fn cuda_version(version: i32) -> Option<String> {
    let sane = (1000..1_000_000).contains(&version);
    sane.then(|| format!("{}.{}", version / 1000, version % 1000 / 10))
}

/// `9.0`
pub(super) fn compute_capability(capability: CudaComputeCapability) -> Option<String> {
    let CudaComputeCapability { major, minor } = capability;
    let sane = (1..100).contains(&major) && (0..100).contains(&minor);
    sane.then(|| format!("{major}.{minor}"))
}

/// Bytes in all. 0 is no size, and what looks negative is none either.
pub(super) fn total_bytes(bytes: u64) -> Option<u64> {
    (bytes > 0 && bytes <= limits::BYTES_MAX).then_some(bytes)
}

/// Bytes of a GPU that has `total`, where that is known.
pub(super) fn used_bytes(bytes: u64, total: Option<u64>) -> Option<u64> {
    (bytes <= total.unwrap_or(limits::BYTES_MAX)).then_some(bytes)
}

/// Why the clocks are held back, in words. An idle GPU is not held back.
pub(super) fn throttle_words(reasons: ThrottleReasons) -> Vec<String> {
    const WORDS: [(ThrottleReasons, &str); 8] = [
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "application_clocks"),
        (ThrottleReasons::SW_POWER_CAP, "power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hardware_slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync_boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "thermal"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hardware_thermal"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power_brake"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock"),
    ];
    let held = WORDS.iter().filter(|(reason, _)| reasons.contains(*reason));
    held.map(|(_, word)| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests;
