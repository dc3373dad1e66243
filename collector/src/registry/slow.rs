//! What samples tell less often, kept beside the last sample: a sample without it touches nothing
//! here, so that what is long to tell is neither copied nor allocated at each of them.

use std::sync::Arc;

use herdbook_shared::ids::SessionId;
use herdbook_shared::wire::detail::{Detail, GpuDetail};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};

use super::condition::whole_reason;

/// The slow part of the samples of one session.
#[derive(Debug)]
pub struct Slow {
    /// Absent means as before within one session only: the first sample of each is complete.
    session_id: SessionId,
    host: Option<Arc<Detail>>,
    gpus: Vec<SlowGpu>,
}

/// The slow part of one GPU.
#[derive(Clone, Debug)]
struct SlowGpu {
    id: String,
    detail: Option<Arc<GpuDetail>>,
    processes: Option<Arc<[GpuProcess]>>,
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
        let host = match sample.detail.take() {
            Some(detail) => Some(Arc::from(detail)),
            None if sample.missing.contains_key("detail") => None,
            None => before.and_then(|before| before.host.clone()),
        };
        let known = |id: &str| before.and_then(|before| before.of(id));
        let gpus = sample.gpus.iter_mut().flatten();
        let gpus = gpus.map(|gpu| SlowGpu::take(gpu, known(&gpu.id))).collect();
        Some(Self { session_id: session_id.clone(), host, gpus })
    }

    /// Whether the sample says nothing new of it, neither a value nor that one is missing now.
    fn is_kept_by(&self, sample: &Sample) -> bool {
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        let is_gone = sample.missing.contains_key("detail") && self.host.is_some();
        sample.detail.is_none()
            && !is_gone
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
        let host = self.host.as_ref().map_or(0, |detail| {
            let (disks, interfaces) = (detail.disks.iter(), detail.interfaces.iter());
            512 + 4 * detail.cores_percent.as_ref().map_or(0, Vec::len)
                + 384 * disks.flatten().count()
                + 384 * interfaces.flatten().count()
                + 128 * detail.temperatures.iter().flatten().count()
        });
        let gpu = |gpu: &SlowGpu| {
            let n_parts = gpu.detail.as_ref().map_or(0, |detail| detail.mig.len());
            512 + 128 * n_parts + 384 * gpu.processes.as_ref().map_or(0, |list| list.len())
        };
        host + self.gpus.iter().map(gpu).sum::<usize>()
    }
}

impl SlowGpu {
    fn take(gpu: &mut GpuSample, before: Option<&Self>) -> Self {
        // A GPU that says nothing at all, having fallen off the bus, say, has no last words either.
        let is_told = whole_reason(gpu).is_none();
        let as_before =
            |field: &str| before.filter(|_| is_told && !gpu.missing.contains_key(field)).cloned();
        let (detail, processes) = (as_before("detail"), as_before("processes"));
        Self {
            id: gpu.id.clone(),
            detail: match gpu.detail.take() {
                Some(detail) => Some(Arc::from(detail)),
                None => detail.and_then(|before| before.detail),
            },
            processes: match gpu.processes.take() {
                Some(processes) => Some(processes.into()),
                None => processes.and_then(|before| before.processes),
            },
        }
    }

    fn is_kept_by(&self, gpu: &GpuSample) -> bool {
        let is_empty = self.detail.is_none() && self.processes.is_none();
        let is_gone = |field, holds: bool| holds && gpu.missing.contains_key(field);
        self.id == gpu.id
            && gpu.detail.is_none()
            && gpu.processes.is_none()
            && !is_gone("detail", self.detail.is_some())
            && !is_gone("processes", self.processes.is_some())
            && (is_empty || whole_reason(gpu).is_none())
    }
}

#[cfg(test)]
#[path = "slow_tests.rs"]
mod tests;
