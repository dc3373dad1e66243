//! Conditions that hold on a host or service: what they are called, how bad they are, and how
//! they are told from a sample.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::{GpuSample, Sample};
use serde::{Deserialize, Serialize};

use crate::config::Liveness;

/// How bad a finding is, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Degrades its host.
    Warning,
    /// Degrades its host, and somebody should look now.
    Critical,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Another machine uses this identity.
    DuplicateIdentity,
    /// A GPU fell off the bus.
    GpuLost,
    /// The driver and its library differ in version.
    DriverMismatch,
    /// The GPUs do not answer.
    GpuTimeout,
    /// A model server lives but does not answer.
    ServerHung,
    /// The root disk is nearly full.
    DiskNearlyFull,
    /// Tasks stall for want of memory.
    MemoryPressure,
}

impl Code {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::DuplicateIdentity | Self::GpuLost => Severity::Critical,
            _ => Severity::Warning,
        }
    }
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What, for programs.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What, for a person.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

impl Finding {
    /// A condition that holds from `since` on.
    #[must_use]
    pub fn new(code: Code, message: String, since: Timestamp) -> Self {
        Self { code, severity: code.severity(), message, since }
    }
}

/// What one sample says of its host's condition, small enough to be compared at every sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One bit a GPU, in the order of the sample, for those that fell off the bus.
    pub lost_gpus: u64,
    /// GPUs do not answer.
    pub gpu_timeout: bool,
    /// Driver and library differ.
    pub driver_mismatch: bool,
    /// The root disk is nearly full.
    pub disk_nearly_full: bool,
    /// Tasks stall for want of memory.
    pub memory_pressure: bool,
}

/// A condition that was entered is left only well below its threshold, so that a value on the
/// edge does not flap.
const LEAVE_SHARE: f64 = 0.98;
const LEAVE_PRESSURE_SHARE: f64 = 0.75;

impl Conditions {
    /// Reads the conditions from a sample, given those that held before.
    #[must_use]
    pub fn of(sample: &Sample, before: Self, rules: &Liveness) -> Self {
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        let any = |reason| {
            sample.missing.get("gpus") == Some(&reason)
                || gpus.iter().any(|gpu| all_missing(gpu, reason))
        };
        Self {
            lost_gpus: lost_gpus(sample, before.lost_gpus),
            gpu_timeout: any(MissingReason::Timeout),
            driver_mismatch: any(MissingReason::DriverMismatch),
            disk_nearly_full: over(
                disk_share(sample),
                rules.disk_warning,
                LEAVE_SHARE,
                before.disk_nearly_full,
            ),
            memory_pressure: over(
                sample.pressure.and_then(|pressure| pressure.memory_some_avg10),
                rules.memory_pressure,
                LEAVE_PRESSURE_SHARE,
                before.memory_pressure,
            ),
        }
    }

    /// The findings that these conditions make, in words.
    #[must_use]
    pub fn findings(self) -> Vec<(Code, String)> {
        let mut found = Vec::new();
        if self.lost_gpus != 0 {
            let n_lost = self.lost_gpus.count_ones();
            found.push((Code::GpuLost, format!("{n_lost} GPU(s) fell off the bus")));
        }
        let rest = [
            (self.driver_mismatch, Code::DriverMismatch, "NVIDIA driver and library differ"),
            (self.gpu_timeout, Code::GpuTimeout, "the GPUs do not answer"),
            (self.disk_nearly_full, Code::DiskNearlyFull, "the root disk is nearly full"),
            (self.memory_pressure, Code::MemoryPressure, "tasks stall for want of memory"),
        ];
        let rest = rest.into_iter().filter(|(holds, ..)| *holds);
        found.extend(rest.map(|(_, code, message)| (code, message.to_owned())));
        found
    }
}

/// A GPU that was lost stays so until it tells a value again or is no longer listed: no answer is
/// not its return.
fn lost_gpus(sample: &Sample, before: u64) -> u64 {
    let Some(gpus) = &sample.gpus else {
        return if sample.missing.contains_key("gpus") { before } else { 0 };
    };
    gpus.iter().take(u64::BITS as usize).enumerate().fold(0, |lost, (index, gpu)| {
        let bit = 1 << index;
        let tells = gpu.utilization_percent.is_some() || gpu.memory_used_bytes.is_some();
        let is_lost = all_missing(gpu, MissingReason::Lost) || (before & bit != 0 && !tells);
        if is_lost { lost | bit } else { lost }
    })
}

/// Whether a GPU as a whole is missing for `reason`, told by its two first values.
fn all_missing(gpu: &GpuSample, reason: MissingReason) -> bool {
    let because = |field: &str| gpu.missing.get(field) == Some(&reason);
    because("utilization_percent") && because("memory_used_bytes")
}

#[expect(clippy::cast_precision_loss, reason = "a share of a disk needs no more than 52 bits")]
fn disk_share(sample: &Sample) -> Option<f64> {
    let disk = sample.disk.filter(|disk| disk.total_bytes > 0)?;
    Some(disk.used_bytes as f64 / disk.total_bytes as f64)
}

fn over(value: Option<f64>, enter: f64, leave_share: f64, held: bool) -> bool {
    let threshold = if held { enter * leave_share } else { enter };
    value.map_or(held, |value| value >= threshold)
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::sample::Disk;

    use super::*;

    fn with_disk(used_bytes: u64) -> Sample {
        Sample { disk: Some(Disk { used_bytes, total_bytes: 1000 }), ..Sample::default() }
    }

    #[test]
    fn a_disk_on_the_edge_does_not_flap() {
        let rules = Liveness::default();
        let none = Conditions::default();
        assert!(!Conditions::of(&with_disk(949), none, &rules).disk_nearly_full);
        let full = Conditions::of(&with_disk(950), none, &rules);
        assert!(full.disk_nearly_full);
        assert!(Conditions::of(&with_disk(945), full, &rules).disk_nearly_full);
        assert!(!Conditions::of(&with_disk(920), full, &rules).disk_nearly_full);
    }

    #[test]
    fn a_lost_gpu_is_told_from_one_that_lacks_a_value() {
        let missing = |fields: &[&str], reason| GpuSample {
            missing: fields.iter().map(|field| ((*field).to_owned(), reason)).collect(),
            ..GpuSample::default()
        };
        let sample = Sample {
            gpus: Some(vec![
                missing(&["fan_percent"], MissingReason::NotSupported),
                missing(&["utilization_percent", "memory_used_bytes"], MissingReason::Lost),
            ]),
            ..Sample::default()
        };
        let conditions = Conditions::of(&sample, Conditions::default(), &Liveness::default());
        assert_eq!(conditions.lost_gpus, 0b10);
        assert_eq!(conditions.findings()[0].0, Code::GpuLost);
    }

    #[test]
    fn a_lost_gpu_is_not_back_because_the_gpus_cannot_be_told() {
        let lost = Conditions { lost_gpus: 0b10, ..Conditions::default() };
        let rules = Liveness::default();
        let silent = Sample {
            missing: [("gpus".to_owned(), MissingReason::Timeout)].into(),
            ..Sample::default()
        };
        assert_eq!(Conditions::of(&silent, lost, &rules).lost_gpus, 0b10);
        let fields = ["utilization_percent", "memory_used_bytes"];
        let hanging = GpuSample {
            missing: fields.map(|field| (field.to_owned(), MissingReason::Timeout)).into(),
            ..GpuSample::default()
        };
        let hang = Sample { gpus: Some(vec![hanging; 2]), ..Sample::default() };
        assert_eq!(Conditions::of(&hang, lost, &rules).lost_gpus, 0b10);
        let well = GpuSample { utilization_percent: Some(0.0), ..GpuSample::default() };
        assert_eq!(Conditions::of(&Sample::default(), lost, &rules).lost_gpus, 0);
        let back = Sample { gpus: Some(vec![well; 2]), ..Sample::default() };
        assert_eq!(Conditions::of(&back, lost, &rules).lost_gpus, 0);
    }
}
