//! The filters: by example, then whatever a driver may say.

use herdbook_shared::wire::detail::GpuDetail;
use herdbook_shared::wire::sample::{GpuSample, Sample};
use proptest::prelude::*;

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
    assert_eq!((pcie_generation(0), pcie_generation(5)), (None, Some(5)));
    assert_eq!((pcie_lanes(u32::MAX), pcie_lanes(16)), (None, Some(16)));
    assert_eq!((few_events(u32::MAX), few_events(3)), (None, Some(3)));
    assert_eq!((enabled(2), enabled(1), enabled(0)), (None, Some(true), Some(false)));
}

#[test]
fn versions_are_told_as_people_write_them() {
    assert_eq!(cuda_version(13_000).as_deref(), Some("13.0"));
    assert_eq!(cuda_version(12_080).as_deref(), Some("12.8"));
    assert_eq!((cuda_version(0), cuda_version(-1)), (None, None));
    let capability = |major, minor| compute_capability(CudaComputeCapability { major, minor });
    assert_eq!(capability(12, 1).as_deref(), Some("12.1"));
    assert_eq!((capability(0, 0), capability(9, -1)), (None, None));
}

#[test]
fn a_field_is_a_temperature_only_as_a_whole_number() {
    assert_eq!(field_celsius(SampleValue::U32(71)), Some(71.0));
    assert_eq!(field_celsius(SampleValue::I64(-1)), None);
    assert_eq!(field_celsius(SampleValue::F64(71.0)), None);
}

#[test]
fn idle_is_no_reason() {
    assert!(throttle_words(ThrottleReasons::GPU_IDLE).is_empty());
    let both = ThrottleReasons::SW_POWER_CAP | ThrottleReasons::GPU_IDLE;
    assert_eq!(throttle_words(both), ["power_cap"]);
}

proptest! {
    /// Whatever NVML says, what passes the filters passes the bounds of the wire.
    #[test]
    fn what_is_believed_can_be_sent(a: u32, b: u64, c: i32, total: Option<u64>, bits: u64) {
        let bits = ThrottleReasons::from_bits_truncate(bits);
        let detail = GpuDetail {
            memory_utilization_percent: percent(a),
            memory_clock_mhz: megahertz(a),
            memory_temperature_celsius: field_celsius(SampleValue::U64(b)),
            pcie_generation: pcie_generation(a),
            pcie_width: pcie_lanes(a),
            pcie_replays: few_events(a),
            ecc_corrected_errors: events(b),
            ecc_uncorrected_errors: events(b),
            ..GpuDetail::default()
        };
        let gpu = GpuSample {
            id: "GPU-1".to_owned(),
            utilization_percent: percent(a),
            memory_used_bytes: used_bytes(b, total.and_then(total_bytes)),
            temperature_celsius: celsius(a),
            power_watts: watts(a),
            sm_clock_mhz: megahertz(a),
            fan_percent: fan_percent(a),
            throttle_reasons: Some(throttle_words(bits)),
            detail: Some(Box::new(detail)),
            ..GpuSample::default()
        };
        let sample = Sample { gpus: Some(vec![gpu]), ..Sample::default() };
        prop_assert_eq!(sample.check(), Ok(()));
        prop_assert!(cuda_version(c).is_none_or(|version| version.len() < 10));
    }
}
