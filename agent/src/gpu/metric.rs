//! What NVML says, before it is believed: its errors as reasons, its figures within what a GPU
//! can be. Drivers do return nonsense (`u64::MAX` bytes, utilisation of millions of percent).

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::error::NvmlError;

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

pub(super) fn watts(milliwatts: u32) -> Option<f64> {
    (milliwatts <= 20_000_000).then(|| f64::from(milliwatts) / 1000.0)
}

pub(super) fn megahertz(megahertz: u32) -> Option<u32> {
    (megahertz <= 20_000).then_some(megahertz)
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
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_no_value() {
        assert_eq!(percent(101), None);
        assert_eq!(percent(100), Some(100.0));
        assert_eq!(fan_percent(u32::MAX), None);
        assert_eq!(celsius(u32::MAX), None);
        assert_eq!(watts(u32::MAX), None);
        assert_eq!(watts(512_300), Some(512.3));
        assert_eq!(megahertz(u32::MAX), None);
        assert_eq!(total_bytes(0), None);
        assert_eq!(total_bytes(u64::MAX), None);
        assert_eq!(used_bytes(11, Some(10)), None);
        assert_eq!(used_bytes(u64::MAX, None), None);
        assert_eq!(used_bytes(10, Some(10)), Some(10));
    }

    #[test]
    fn idle_is_no_reason() {
        assert!(throttle_words(ThrottleReasons::GPU_IDLE).is_empty());
        let both = ThrottleReasons::SW_POWER_CAP | ThrottleReasons::GPU_IDLE;
        assert_eq!(throttle_words(both), ["power_cap"]);
    }
}
