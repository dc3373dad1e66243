//! The series of a host and of a GPU, and the 16 bits in which one value of each is kept.
//!
//! Two scales. *Steps*: the value counted in equal steps, exact for what is measured so. *Float*:
//! exact up to 2,047 units and at most 0.05 % off beyond, up to 2^62 units, for what may be a byte
//! or a terabyte. A greater value has a greater code in both. The codes from 0xFFF0 say that there
//! is no value, and why. Blocks on the disk hold these codes: neither order nor scales ever change.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::{GpuSample, Sample};

/// How many series a host has.
pub const HOST_SERIES: usize = 9;
/// How many more each GPU has.
pub const GPU_SERIES: usize = 5;

/// The first of the codes that say that there is no value.
const MISSING: u16 = 0xFFF0;
/// The reasons, in the order of their codes.
const REASONS: [MissingReason; 8] = [
    MissingReason::NotSupported,
    MissingReason::NoPermission,
    MissingReason::DriverMismatch,
    MissingReason::Lost,
    MissingReason::Asleep,
    MissingReason::Timeout,
    MissingReason::Stale,
    MissingReason::CannotTell,
];

/// How a value becomes a code.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// This many equal steps a unit.
    Steps(f64),
    /// A float over this many a unit.
    Float(f64),
}

/// One series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series {
    /// Its field, as in the host's JSON, with the unit in its name.
    pub field: &'static str,
    /// Whether its greatest value is kept beside the mean: where a short peak matters.
    pub has_peak: bool,
    scale: Scale,
}

const fn steps(field: &'static str, per_unit: f64, has_peak: bool) -> Series {
    Series { field, has_peak, scale: Scale::Steps(per_unit) }
}

const fn float(field: &'static str, per_unit: f64, has_peak: bool) -> Series {
    Series { field, has_peak, scale: Scale::Float(per_unit) }
}

/// The series of a host.
pub const OF_HOST: [Series; HOST_SERIES] = [
    steps("cpu_percent", 10.0, true),
    float("load1", 100.0, false),
    float("memory_used_bytes", 1.0, true),
    float("swap_used_bytes", 1.0, false),
    float("network_receive_bytes_per_second", 1.0, true),
    float("network_transmit_bytes_per_second", 1.0, true),
    float("disk_used_bytes", 1.0, false),
    steps("memory_pressure_percent", 100.0, true),
    float("latency_ms", 10.0, true),
];

/// The series of a GPU.
pub const OF_GPU: [Series; GPU_SERIES] = [
    steps("utilization_percent", 10.0, true),
    float("memory_used_bytes", 1.0, true),
    steps("temperature_celsius", 10.0, true),
    steps("power_watts", 10.0, true),
    steps("sm_clock_mhz", 1.0, false),
];

/// The series of a host with that many GPUs, in the order in which they are kept.
pub fn all(n_gpus: usize) -> impl Iterator<Item = Series> {
    OF_HOST.into_iter().chain(std::iter::repeat_n(OF_GPU, n_gpus).flatten())
}

/// How many series a host with that many GPUs has.
#[must_use]
pub const fn n_series(n_gpus: usize) -> usize {
    HOST_SERIES + GPU_SERIES * n_gpus
}

impl Series {
    /// The code of a value. What is below 0 counts as 0, what is beyond the scale as its end.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    pub fn code(self, value: f64) -> u16 {
        match self.scale {
            Scale::Steps(per_unit) => {
                (value * per_unit).round().clamp(0.0, f64::from(MISSING - 1)) as u16
            }
            Scale::Float(per_unit) => float_code((value * per_unit).round().max(0.0) as u64),
        }
    }

    /// The value of a code; `None` where it says that there is none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a code has eleven bits of mantissa")]
    pub fn value(self, code: u16) -> Option<f64> {
        if is_missing(code) {
            return None;
        }
        Some(match self.scale {
            Scale::Steps(per_unit) => f64::from(code) / per_unit,
            Scale::Float(per_unit) => float_value(code) as f64 / per_unit,
        })
    }

    /// Whether its values are whole numbers.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self.scale, Scale::Float(per_unit) | Scale::Steps(per_unit) if per_unit <= 1.0)
    }
}

/// Eleven bits of mantissa, the first of which is implied from 2,048 on.
fn float_code(value: u64) -> u16 {
    let value = value.min(1 << 62);
    let n_bits = u64::BITS - value.leading_zeros();
    let Some(shift) = n_bits.checked_sub(11).filter(|shift| *shift > 0) else {
        return u16::try_from(value).unwrap_or(u16::MAX);
    };
    let mantissa = (value + (1 << (shift - 1))) >> shift;
    u16::try_from((u64::from(shift) << 10) + mantissa).unwrap_or(MISSING - 1)
}

fn float_value(code: u16) -> u64 {
    let code = u64::from(code);
    if code < 2048 {
        return code;
    }
    ((code & 1023) + 1024) << ((code >> 10) - 1)
}

/// Whether a code says that there is no value.
#[must_use]
pub const fn is_missing(code: u16) -> bool {
    code >= MISSING
}

/// The code of a value that is missing for this reason.
#[must_use]
pub fn missing(reason: MissingReason) -> u16 {
    let index = REASONS.iter().position(|known| *known == reason);
    MISSING + index.and_then(|index| u16::try_from(index).ok()).unwrap_or(REASONS.len() as u16 - 1)
}

/// Why there is no value; what a newer version may have written reads as [`CannotTell`].
///
/// [`CannotTell`]: MissingReason::CannotTell
#[must_use]
pub fn reason(code: u16) -> MissingReason {
    let index = usize::from(code.saturating_sub(MISSING));
    REASONS.get(index).copied().unwrap_or(MissingReason::CannotTell)
}

/// The codes of a host in this sample. `latency_ms` is the link's.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a code keeps eleven bits")]
pub fn of_sample(sample: &Sample, latency_ms: Option<u64>) -> [u16; HOST_SERIES] {
    let whole = |value: Option<u64>| value.map(|value| value as f64);
    let pressure = sample.pressure.and_then(|pressure| pressure.memory_some_avg10);
    let values = [
        ("cpu_percent", sample.cpu_percent),
        ("load1", sample.load1),
        ("memory_used_bytes", whole(sample.memory_used_bytes)),
        ("swap_used_bytes", whole(sample.swap_used_bytes)),
        ("network_receive_bytes_per_second", whole(sample.network_receive_bytes_per_second)),
        ("network_transmit_bytes_per_second", whole(sample.network_transmit_bytes_per_second)),
        ("disk", whole(sample.disk.map(|disk| disk.used_bytes))),
        ("pressure", pressure),
        ("latency_ms", whole(latency_ms)),
    ];
    let mut codes = [0; HOST_SERIES];
    for ((code, series), (field, value)) in codes.iter_mut().zip(OF_HOST).zip(values) {
        *code = match value {
            Some(value) => series.code(value),
            None => unsaid(sample.missing.get(field).copied()),
        };
    }
    codes
}

/// The codes of one GPU in a sample.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a code keeps eleven bits")]
pub fn of_gpu(gpu: &GpuSample) -> [u16; GPU_SERIES] {
    let values = [
        gpu.utilization_percent,
        gpu.memory_used_bytes.map(|bytes| bytes as f64),
        gpu.temperature_celsius,
        gpu.power_watts,
        gpu.sm_clock_mhz.map(f64::from),
    ];
    let mut codes = [0; GPU_SERIES];
    for ((code, series), value) in codes.iter_mut().zip(OF_GPU).zip(values) {
        *code = match value {
            Some(value) => series.code(value),
            None => unsaid(gpu.missing.get(series.field).copied()),
        };
    }
    codes
}

fn unsaid(reason: Option<MissingReason>) -> u16 {
    missing(reason.unwrap_or(MissingReason::CannotTell))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons_are_told_apart_and_are_no_values() {
        for reason in REASONS {
            let code = missing(reason);
            assert_eq!(super::reason(code), reason);
            assert!(all(1).all(|series| series.value(code).is_none()));
        }
        assert_eq!(reason(0xFFFF), MissingReason::CannotTell);
    }

    #[test]
    fn what_is_beyond_a_scale_is_its_end_and_still_a_value() {
        for series in all(1) {
            for value in [f64::MAX, f64::INFINITY, -1.0, f64::NAN] {
                assert!(series.value(series.code(value)).is_some(), "{value} {series:?}");
            }
        }
    }

    #[test]
    fn the_exact_parts_are_exact() {
        let [cpu, load, memory, ..] = OF_HOST;
        for (series, value) in [(cpu, 99.9), (load, 12.34), (memory, 2047.0), (memory, 4096.0)] {
            assert_eq!(series.value(series.code(value)), Some(value));
        }
    }

    proptest! {
        #[test]
        fn a_float_is_at_most_one_in_2048_off(value in 0..1_u64 << 53) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let value = value as f64;
            let [_, _, memory, ..] = OF_HOST;
            let read = memory.value(memory.code(value)).unwrap();
            prop_assert!((read - value).abs() <= value / 2048.0, "{value} {read}");
        }

        #[test]
        fn greater_values_have_no_smaller_codes(a in 0..1_u64 << 60, b in 0..1_u64 << 60) {
            prop_assert_eq!(float_code(a.min(b)) <= float_code(a.max(b)), true);
        }

        #[test]
        fn every_code_is_the_code_of_its_value(code in 0..MISSING) {
            for series in all(1) {
                if matches!(series.scale, Scale::Float(_)) && code > 50_000 { continue; }
                prop_assert_eq!(series.code(series.value(code).unwrap()), code);
            }
        }
    }
}
