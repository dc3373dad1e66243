//! What samples tell less often, kept beside the last sample: a sample without it touches nothing
//! here, so that what is long to tell is neither copied nor allocated at each of them.

use std::sync::Arc;

use herdbook_shared::ids::SessionId;
use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::detail::{Detail, GpuDetail};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};

use super::condition::whole_reason;

/// The slow fields of a host's sample.
const OF_HOST: [&str; 2] = ["disk", "detail"];
/// The slow fields of a GPU's sample.
const OF_GPU: [&str; 5] =
    ["temperature_celsius", "fan_percent", "throttle_reasons", "processes", "detail"];

/// The slow part of the samples of one session: what is long, and of every slow field the reason
/// why it is missing. The short ones stand in the sample itself.
#[derive(Debug)]
pub struct Slow {
    /// Absent means as before within one session only: the first sample of each is complete.
    session_id: SessionId,
    host: Option<Arc<Detail>>,
    missing: Missing,
    gpus: Vec<SlowGpu>,
}

/// The slow part of one GPU.
#[derive(Clone, Debug)]
struct SlowGpu {
    id: String,
    detail: Option<Arc<GpuDetail>>,
    processes: Option<Arc<[GpuProcess]>>,
    missing: Missing,
}

impl Slow {
    /// Takes the slow part out of a sample. `None`: all of it is as before.
    pub(super) fn take(
        sample: &mut Sample,
        before: Option<&Self>,
        session_id: &SessionId,
    ) -> Option<Self> {
        let before = before.filter(|before| before.session_id == *session_id);
        if before.is_some_and(|before| before.is_kept_by(sample)) {
            return None;
        }
        let is_told = |field: &str| host_tells(sample, field);
        let missing = renewed(&OF_HOST, is_told, &sample.missing, before.map(|b| &b.missing));
        let host = match sample.detail.take() {
            Some(detail) => Some(Arc::from(detail)),
            None if missing.contains_key("detail") => None,
            None => before.and_then(|before| before.host.clone()),
        };
        let known = |id: &str| before.and_then(|before| before.of(id));
        let gpus = sample.gpus.iter_mut().flatten();
        let gpus = gpus.map(|gpu| SlowGpu::take(gpu, known(&gpu.id))).collect();
        Some(Self { session_id: session_id.clone(), host, missing, gpus })
    }

    /// Whether the sample says nothing new of it, neither a value nor a reason.
    fn is_kept_by(&self, sample: &Sample) -> bool {
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        let is_told = |field: &str| host_tells(sample, field);
        sample.detail.is_none()
            && are_kept(&self.missing, &OF_HOST, is_told, &sample.missing)
            && gpus.len() == self.gpus.len()
            && gpus.iter().zip(&self.gpus).all(|(gpu, slow)| slow.is_kept_by(gpu))
    }

    fn of(&self, gpu: &str) -> Option<&SlowGpu> {
        self.gpus.iter().find(|slow| slow.id == gpu)
    }

    /// Of the host.
    #[must_use]
    pub fn host(&self) -> Option<&Detail> {
        self.host.as_deref()
    }

    /// Why slow fields of the host are missing.
    #[must_use]
    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    /// Why slow fields of a GPU are missing.
    pub fn missing_of_gpu(&self, id: &str) -> impl Iterator<Item = (&str, MissingReason)> {
        let missing = self.of(id).into_iter().flat_map(|gpu| &gpu.missing);
        missing.map(|(field, why)| (field.as_str(), *why))
    }

    /// Of a GPU, by its id.
    #[must_use]
    pub fn gpu(&self, id: &str) -> Option<&GpuDetail> {
        self.of(id)?.detail.as_deref()
    }

    /// Who holds memory of a GPU.
    #[must_use]
    pub fn processes(&self, gpu: &str) -> Option<&[GpuProcess]> {
        self.of(gpu)?.processes.as_deref()
    }

    /// Roughly what it takes as JSON, bytes: what bounds the ring.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let host = self.host.as_deref().map_or(0, bytes_of_detail);
        host + bytes_of_missing(&self.missing)
            + self.gpus.iter().map(SlowGpu::approximate_bytes).sum::<usize>()
    }
}

impl SlowGpu {
    fn take(gpu: &mut GpuSample, before: Option<&Self>) -> Self {
        // A GPU that says nothing at all, having fallen off the bus, say, has no last words either.
        let before = before.filter(|_| whole_reason(gpu).is_none());
        let known = before.map(|before| &before.missing);
        let missing = renewed(&OF_GPU, |field| gpu_tells(gpu, field), &gpu.missing, known);
        let as_before = |field| before.filter(|_| !missing.contains_key(field));
        Self {
            id: gpu.id.clone(),
            detail: match gpu.detail.take() {
                Some(detail) => Some(Arc::from(detail)),
                None => as_before("detail").and_then(|before| before.detail.clone()),
            },
            processes: match gpu.processes.take() {
                Some(processes) => Some(processes.into()),
                None => as_before("processes").and_then(|before| before.processes.clone()),
            },
            missing,
        }
    }

    fn approximate_bytes(&self) -> usize {
        let detail = self.detail.as_deref().map_or(0, |detail| {
            let parts = detail.mig.iter().map(|part| ENTRY + part.id.len());
            ENTRY + parts.sum::<usize>() + bytes_of_missing(&detail.missing)
        });
        let processes = self.processes.iter().flat_map(|list| list.iter()).map(|process| {
            let words = [&process.name, &process.unit, &process.container, &process.mig_id];
            ENTRY
                + words.into_iter().map(bytes_of).sum::<usize>()
                + bytes_of_missing(&process.missing)
        });
        ENTRY + self.id.len() + detail + processes.sum::<usize>() + bytes_of_missing(&self.missing)
    }

    fn is_kept_by(&self, gpu: &GpuSample) -> bool {
        let is_empty = self.detail.is_none() && self.processes.is_none() && self.missing.is_empty();
        self.id == gpu.id
            && gpu.detail.is_none()
            && gpu.processes.is_none()
            && are_kept(&self.missing, &OF_GPU, |field| gpu_tells(gpu, field), &gpu.missing)
            && (is_empty || whole_reason(gpu).is_none())
    }
}

/// What an entry of a list takes beside its words: its numbers and their names.
const ENTRY: usize = 256;

fn bytes_of_detail(detail: &Detail) -> usize {
    let disks = detail.disks.iter().flatten().map(|disk| {
        let words = disk.device.len() + bytes_of(&disk.mount) + bytes_of(&disk.file_system);
        ENTRY + words + bytes_of_missing(&disk.missing)
    });
    let interfaces = detail.interfaces.iter().flatten().map(|interface| {
        let words = interface.name.len() + bytes_of(&interface.state);
        ENTRY + words + bytes_of_missing(&interface.missing)
    });
    let sensors = detail.temperatures.iter().flatten().map(|at| ENTRY / 2 + at.sensor.len());
    let cores = 4 * detail.cores_percent.as_ref().map_or(0, Vec::len);
    2 * ENTRY
        + cores
        + disks.chain(interfaces).chain(sensors).sum::<usize>()
        + bytes_of_missing(&detail.missing)
}

fn bytes_of(word: &Option<String>) -> usize {
    word.as_ref().map_or(0, String::len)
}

/// Each reason with its field and what a map takes beside them.
fn bytes_of_missing(missing: &Missing) -> usize {
    missing.keys().map(|field| 48 + field.len()).sum()
}

fn host_tells(sample: &Sample, field: &str) -> bool {
    match field {
        "disk" => sample.disk.is_some(),
        _ => sample.detail.is_some(),
    }
}

fn gpu_tells(gpu: &GpuSample, field: &str) -> bool {
    match field {
        "temperature_celsius" => gpu.temperature_celsius.is_some(),
        "fan_percent" => gpu.fan_percent.is_some(),
        "throttle_reasons" => gpu.throttle_reasons.is_some(),
        "processes" => gpu.processes.is_some(),
        _ => gpu.detail.is_some(),
    }
}

/// The reasons that hold after a sample that says `now`, given those that held `before`.
fn renewed(
    fields: &[&str],
    is_told: impl Fn(&str) -> bool,
    now: &Missing,
    before: Option<&Missing>,
) -> Missing {
    let untold = fields.iter().filter(|field| !is_told(field));
    let why = |field: &str| now.get(field).or_else(|| before?.get(field)).copied();
    untold.filter_map(|field| Some(((*field).to_owned(), why(field)?))).collect()
}

/// Whether a sample that says `now` leaves the reasons as they are.
fn are_kept(
    known: &Missing,
    fields: &[&str],
    is_told: impl Fn(&str) -> bool,
    now: &Missing,
) -> bool {
    fields.iter().all(|field| match (known.get(*field), now.get(*field)) {
        (Some(_), None) => !is_told(field),
        (known, Some(now)) => known == Some(now),
        (None, None) => true,
    })
}

#[cfg(test)]
#[path = "slow_tests.rs"]
mod tests;
