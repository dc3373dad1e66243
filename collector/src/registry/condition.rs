//! What the samples of a host say of its condition: which of the things that findings tell hold
//! now, small enough to be compared at every sample.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::DiskDetail;
use herdbook_shared::wire::sample::{GpuSample, Sample};

use crate::config::Liveness;

use super::finding::Code;
use super::slow::Slow;

/// What one sample says of its host's condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One bit a GPU, in the order of the sample, for those that fell off the bus.
    pub lost_gpus: u64,
    /// GPUs do not answer.
    pub gpu_timeout: bool,
    /// Driver and library differ.
    pub driver_mismatch: bool,
    /// Where the disks are mounted that are nearly full, sorted.
    pub full_disks: Vec<String>,
    /// Tasks stall for want of memory.
    pub memory_pressure: bool,
}

/// A condition that was entered is left only well below its threshold, so that a value on the
/// edge does not flap.
const LEAVE_SHARE: f64 = 0.98;
const LEAVE_PRESSURE_SHARE: f64 = 0.75;

/// Where the disk of [`Sample::disk`] is mounted.
const ROOT: &str = "/";
/// Images that hold what they were made with: they are full for ever, and nobody minds.
const READ_ONLY: [&str; 5] = ["squashfs", "iso9660", "erofs", "cramfs", "romfs"];
/// What it is and what to do.
const DRIVER_MISMATCH: &str = "NVIDIA driver and library differ: reboot, or stop whatever uses \
     the GPUs, the agent too, and reload the driver";
/// How many full disks a message names.
const NAMED_DISKS: usize = 3;

impl Conditions {
    /// Reads the conditions from a sample and what is told less often, given those that held
    /// before.
    #[must_use]
    pub fn of(sample: &Sample, slow: Option<&Slow>, before: &Self, rules: &Liveness) -> Self {
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        let any = |reason| {
            sample.missing.get("gpus") == Some(&reason)
                || gpus.iter().any(|gpu| whole_reason(gpu) == Some(reason))
        };
        let memory = sample.pressure.and_then(|pressure| pressure.memory_some_avg10);
        Self {
            lost_gpus: lost_gpus(sample, before.lost_gpus),
            gpu_timeout: any(MissingReason::Timeout),
            driver_mismatch: sample.driver_mismatch || any(MissingReason::DriverMismatch),
            full_disks: full_disks(sample, slow, &before.full_disks, rules.disk_warning),
            memory_pressure: over(
                memory,
                rules.memory_pressure,
                LEAVE_PRESSURE_SHARE,
                before.memory_pressure,
            ),
        }
    }

    /// The findings that these conditions make, in words.
    #[must_use]
    pub fn findings(&self) -> Vec<(Code, String)> {
        let mut found = Vec::new();
        if self.lost_gpus != 0 {
            let n_lost = self.lost_gpus.count_ones();
            found.push((Code::GpuLost, format!("{n_lost} GPU(s) fell off the bus")));
        }
        if self.driver_mismatch {
            found.push((Code::DriverMismatch, DRIVER_MISMATCH.to_owned()));
        }
        if self.gpu_timeout {
            found.push((Code::GpuTimeout, "the GPUs do not answer".to_owned()));
        }
        if !self.full_disks.is_empty() {
            found.push((Code::DiskNearlyFull, disks_in_words(&self.full_disks)));
        }
        if self.memory_pressure {
            found.push((Code::MemoryPressure, "tasks stall for want of memory".to_owned()));
        }
        found
    }
}

fn disks_in_words(mounts: &[String]) -> String {
    let (named, rest) = mounts.split_at(mounts.len().min(NAMED_DISKS));
    let named: Vec<_> =
        named.iter().map(|mount| if mount == ROOT { "the root disk" } else { mount }).collect();
    let verb = if mounts.len() == 1 { "is" } else { "are" };
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more} {verb} nearly full", named.join(", "))
}

/// A GPU that was lost stays so until it tells a value again, is there but sleeps, or is no longer
/// listed: no answer is not its return.
fn lost_gpus(sample: &Sample, before: u64) -> u64 {
    let Some(gpus) = &sample.gpus else {
        return if sample.missing.contains_key("gpus") { before } else { 0 };
    };
    gpus.iter().take(u64::BITS as usize).enumerate().fold(0, |lost, (index, gpu)| {
        let bit = 1 << index;
        let tells = gpu.utilization_percent.is_some() || gpu.memory_used_bytes.is_some();
        let is_lost = match whole_reason(gpu) {
            Some(MissingReason::Lost) => true,
            Some(MissingReason::Asleep) => false,
            _ => before & bit != 0 && !tells,
        };
        if is_lost { lost | bit } else { lost }
    })
}

/// Why a GPU as a whole is missing, told by its two first values; `None` where it is not.
pub(super) fn whole_reason(gpu: &GpuSample) -> Option<MissingReason> {
    let tells = gpu.utilization_percent.is_some() || gpu.memory_used_bytes.is_some();
    if tells || gpu.missing.is_empty() {
        return None;
    }
    let reason = *gpu.missing.get("utilization_percent")?;
    (gpu.missing.get("memory_used_bytes") == Some(&reason)).then_some(reason)
}

/// Where the disks are mounted that are nearly full. One of which nothing is told now is as before;
/// one that is no longer listed is gone.
fn full_disks(sample: &Sample, slow: Option<&Slow>, before: &[String], enter: f64) -> Vec<String> {
    let disks = slow.and_then(Slow::host).and_then(|detail| detail.disks.as_deref());
    let listed = disks.unwrap_or_default().iter().filter_map(share_of);
    let is_listed = |name: &str| {
        name == ROOT || disks.is_none_or(|disks| disks.iter().any(|d| mount(d) == Some(name)))
    };
    let root = sample.disk.filter(|_| !listed.clone().any(|(name, _)| name == ROOT));
    let root = root.and_then(|disk| Some((ROOT, share(disk.used_bytes, disk.total_bytes)?)));
    let told = root.into_iter().chain(listed);
    let held = |name: &str| before.iter().any(|other| other == name);
    let full = told
        .clone()
        .filter(|(name, share)| over(Some(*share), enter, LEAVE_SHARE, held(name)))
        .map(|(name, _)| name.to_owned());
    let is_untold = |name: &str| is_listed(name) && !told.clone().any(|(told, _)| told == name);
    let untold = before.iter().filter(|name| is_untold(name)).cloned();
    let mut full: Vec<String> = full.chain(untold).collect();
    full.sort_unstable();
    full.dedup();
    full
}

fn mount(disk: &DiskDetail) -> Option<&str> {
    disk.mount.as_deref()
}

fn share_of(disk: &DiskDetail) -> Option<(&str, f64)> {
    let is_image = disk.file_system.as_deref().is_some_and(|kind| READ_ONLY.contains(&kind));
    let share = share(disk.used_bytes?, disk.total_bytes?)?;
    mount(disk).filter(|_| !is_image).map(|mount| (mount, share))
}

#[expect(clippy::cast_precision_loss, reason = "a share of a disk needs no more than 52 bits")]
fn share(used_bytes: u64, total_bytes: u64) -> Option<f64> {
    (total_bytes > 0).then(|| used_bytes as f64 / total_bytes as f64)
}

fn over(value: Option<f64>, enter: f64, leave_share: f64, held: bool) -> bool {
    let threshold = if held { enter * leave_share } else { enter };
    value.map_or(held, |value| value >= threshold)
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
