//! What the last sample of a host tells: GPUs that are hot or full, and disks that are nearly so.
//!
//! A condition that was entered is left only well below its threshold, so that a value on the edge
//! does not come and go. A value that is missing tells nothing.

use std::sync::Arc;

use herdbook_shared::wire::detail::DiskDetail;
use herdbook_shared::wire::sample::{GpuSample, Sample};

use crate::config::Alerts;
use crate::registry::host::HostEntry;
use crate::registry::slow::Slow;

use super::Rule;
use super::host::gpu_in_words;
use super::told::{Held, Level, Told, Words};

/// How far below its threshold a GPU is no longer hot.
const COOLER_CELSIUS: f64 = 5.0;
/// At which share of its threshold memory or a disk is no longer nearly full.
const LEAVE_SHARE: f64 = 0.98;
/// Images that hold what they were made with.
const READ_ONLY: [&str; 5] = ["squashfs", "iso9660", "erofs", "cramfs", "romfs"];
/// Where the disk of a sample is mounted.
const ROOT: &str = "/";

/// One value of a part, against its rule.
struct Value<'a> {
    part: &'a str,
    /// `None`: it is there, but its value is not known.
    value: Option<f64>,
}

/// What holds of a host by its last sample, of all rules that are on. `is_known`: something of this
/// host is open or on its way, so that what is over is to be told too.
pub(super) fn look(host: &HostEntry, rules: &Alerts, is_known: bool) -> Vec<(Rule, Told)> {
    let Some(sample) = host.present() else {
        return if is_known { RULES.map(|rule| (rule, Told::Nothing)).into() } else { Vec::new() };
    };
    let slow = host.present_slow();
    let mut told = Vec::new();
    for rule in RULES {
        let settings = rules.of(rule);
        if !settings.enabled {
            continue;
        }
        let Some(values) = values(rule, host, &sample, slow.as_deref()) else {
            told.push((rule, Told::Nothing));
            continue;
        };
        let leave = match rule {
            Rule::GpuHot => settings.threshold - COOLER_CELSIUS,
            _ => settings.threshold * LEAVE_SHARE,
        };
        let is_calm = |one: &Value<'_>| one.value.is_none_or(|value| value < leave);
        if !is_known && values.iter().all(is_calm) {
            continue;
        }
        let held = values.iter().filter(|one| one.value.is_none_or(|value| value >= leave));
        let held = held.map(|one| {
            let holds = one.value.filter(|value| *value >= settings.threshold);
            let level = holds
                .map_or(Level::Between, |value| Level::Holds(words(rule, host, one.part, value)));
            Held { part: Some(Arc::from(one.part)), level }
        });
        told.push((rule, Told::All(held.collect(), over(rule).to_owned())));
    }
    told
}

const RULES: [Rule; 3] = [Rule::GpuHot, Rule::DiskNearlyFull, Rule::VramNearlyFull];

/// `None`: it cannot be told now.
fn values<'a>(
    rule: Rule,
    host: &HostEntry,
    sample: &'a Sample,
    slow: Option<&'a Slow>,
) -> Option<Vec<Value<'a>>> {
    if rule == Rule::DiskNearlyFull {
        return disks(sample, slow);
    }
    if sample.gpus.is_none() && sample.missing.contains_key("gpus") {
        return None;
    }
    let gpus = sample.gpus.as_deref().unwrap_or_default().iter();
    let value = |gpu: &GpuSample| match rule {
        Rule::GpuHot => gpu.temperature_celsius,
        _ => vram_percent(host, gpu),
    };
    Some(gpus.map(|gpu| Value { part: &gpu.id, value: value(gpu) }).collect())
}

fn vram_percent(host: &HostEntry, gpu: &GpuSample) -> Option<f64> {
    let mut known = host.facts.gpus.iter().flat_map(|gpus| gpus.iter());
    let total = known.find(|known| known.id == gpu.id)?.memory_total_bytes?;
    percent(gpu.memory_used_bytes?, total)
}

/// Every disk on which models may lie: which one it is, no agent tells.
fn disks<'a>(sample: &'a Sample, slow: Option<&'a Slow>) -> Option<Vec<Value<'a>>> {
    let listed = slow.and_then(Slow::host).and_then(|detail| detail.disks.as_deref());
    let mut values: Vec<Value<'a>> = listed.unwrap_or_default().iter().filter_map(disk).collect();
    if let Some(root) = sample.disk.filter(|_| values.iter().all(|one| one.part != ROOT)) {
        values.push(Value { part: ROOT, value: percent(root.used_bytes, root.total_bytes) });
    }
    (!values.is_empty()).then_some(values)
}

fn disk(disk: &DiskDetail) -> Option<Value<'_>> {
    let is_image = disk.file_system.as_deref().is_some_and(|kind| READ_ONLY.contains(&kind));
    let part = disk.mount.as_deref().filter(|mount| !is_image && !is_for_booting(mount))?;
    let value = disk.used_bytes.zip(disk.total_bytes);
    Some(Value { part, value: value.and_then(|(used, total)| percent(used, total)) })
}

fn is_for_booting(mount: &str) -> bool {
    ["/boot", "/efi"].iter().any(|dir| {
        mount.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn words(rule: Rule, host: &HostEntry, part: &str, value: f64) -> Words {
    let name = &host.facts.name;
    let message = match rule {
        Rule::GpuHot => format!("{name}: {} is at {value:.0} °C", gpu_in_words(host, part)),
        Rule::VramNearlyFull => {
            format!("{name}: the memory of {} is {value:.0} % full", gpu_in_words(host, part))
        }
        _ => format!("{name}: the disk at {part} is {value:.0} % full"),
    };
    Words { message, cause: None }
}

fn over(rule: Rule) -> &'static str {
    match rule {
        Rule::GpuHot => "it is cooler, or no longer listed",
        _ => "there is room again, or it is no longer listed",
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn percent(used: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| used as f64 / total as f64 * 100.0)
}
