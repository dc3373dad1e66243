//! What the samples of a host say of its condition: which of the things that findings tell hold
//! now, small enough to be compared at every sample.

use std::collections::BTreeSet;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::DiskDetail;
use herdbook_shared::wire::sample::{GpuSample, Sample};

use crate::config::Liveness;

use super::finding::Code;
use super::slow::Slow;

/// What one sample says of its host's condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The ids of the GPUs that fell off the bus: at most as many as a sample may list.
    pub lost_gpus: BTreeSet<String>,
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
        let leave_share = if before.memory_pressure { LEAVE_PRESSURE_SHARE } else { 1.0 };
        let pressure = rules.memory_pressure * leave_share;
        Self {
            lost_gpus: lost_gpus(sample, &before.lost_gpus),
            gpu_timeout: any(MissingReason::Timeout),
            driver_mismatch: sample.driver_mismatch || any(MissingReason::DriverMismatch),
            full_disks: full_disks(sample, slow, &before.full_disks, rules.disk_warning),
            memory_pressure: memory.map_or(before.memory_pressure, |now| now >= pressure),
        }
    }

    /// The findings that these conditions make, in words.
    #[must_use]
    pub fn findings(&self) -> Vec<(Code, String)> {
        let mut found = Vec::new();
        if !self.lost_gpus.is_empty() {
            let n_lost = self.lost_gpus.len();
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
fn lost_gpus(sample: &Sample, before: &BTreeSet<String>) -> BTreeSet<String> {
    let Some(gpus) = &sample.gpus else {
        let is_untold = sample.missing.contains_key("gpus");
        return if is_untold { before.clone() } else { BTreeSet::new() };
    };
    let is_lost = |gpu: &&GpuSample| match whole_reason(gpu) {
        Some(MissingReason::Lost) => true,
        Some(MissingReason::Asleep) => false,
        _ => !tells(gpu) && before.contains(&gpu.id),
    };
    gpus.iter().filter(is_lost).map(|gpu| gpu.id.clone()).collect()
}

/// The values of a GPU that every sample tells, or gives a reason for.
const MOVING: [&str; 4] =
    ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"];

fn tells(gpu: &GpuSample) -> bool {
    gpu.utilization_percent.is_some()
        || gpu.memory_used_bytes.is_some()
        || gpu.power_watts.is_some()
        || gpu.sm_clock_mhz.is_some()
}

/// Why a GPU as a whole is missing: it tells nothing that moves, and gives one reason for all of
/// it. `None` where it is not; that some calls are not allowed, say, is no such thing.
pub(super) fn whole_reason(gpu: &GpuSample) -> Option<MissingReason> {
    if tells(gpu) {
        return None;
    }
    let reason = *gpu.missing.get(MOVING[0])?;
    MOVING.iter().all(|field| gpu.missing.get(*field) == Some(&reason)).then_some(reason)
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
    let threshold = |name: &str| if held(name) { enter * LEAVE_SHARE } else { enter };
    let full = told.clone().filter(|(name, share)| *share >= threshold(name));
    let full = full.map(|(name, _)| name.to_owned());
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

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
