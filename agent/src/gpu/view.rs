//! What the parent knows of the GPUs: the child's last words, or the reason why there are none.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;

use crate::sampling::Depth;

use super::reading::dim;
use super::revival::Muster;
use super::slow;

/// The GPUs at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuView {
    /// For the inventory. `Some([])`: there is none. `None`: cannot tell, `missing` says why.
    pub gpus: Option<Vec<Gpu>>,
    /// Why `gpus` is `None`.
    pub missing: Option<MissingReason>,
    /// For a complete sample, one entry a GPU; a slow field is the last one read. `None` on a
    /// machine without GPUs, or where they cannot be told.
    pub samples: Option<Vec<GpuSample>>,
    /// [`Sample::driver_mismatch`](herdbook_shared::wire::sample::Sample::driver_mismatch).
    pub driver_mismatch: bool,
    /// Another one whenever `gpus` or `missing` is another.
    pub revision: u64,
}

impl GpuView {
    /// The samples for a tick of this depth: a fast one leaves out what is slow and stands as the
    /// view that was `told` before had it, which means as before.
    #[must_use]
    pub fn samples(&self, depth: Depth, told: &Self) -> Option<Vec<GpuSample>> {
        let mut samples = self.samples.clone()?;
        if depth == Depth::Fast {
            for sample in &mut samples {
                let told = told.samples.iter().flatten().find(|told| told.id == sample.id);
                if let Some(told) = told {
                    slow::leave_out(sample, told);
                }
            }
        }
        Some(samples)
    }

    /// A machine without GPUs.
    pub(super) fn none() -> Self {
        Self { gpus: Some(Vec::new()), ..Self::default() }
    }

    /// A machine whose GPUs are not known yet.
    pub(super) fn unknown() -> Self {
        Self { missing: Some(MissingReason::CannotTell), ..Self::default() }
    }

    /// The child told what there is; its readings come next.
    pub(super) fn with_inventory(&self, gpus: Vec<Gpu>) -> Self {
        let known = |gpu: &Gpu| {
            let samples = self.samples.iter().flatten();
            samples.clone().find(|sample| sample.id == gpu.id).cloned()
        };
        let unread = |gpu: &Gpu| dim(&gpu.id, MissingReason::CannotTell);
        let samples = gpus.iter().map(|gpu| known(gpu).unwrap_or_else(|| unread(gpu))).collect();
        let samples = Some(samples).filter(|samples: &Vec<GpuSample>| !samples.is_empty());
        Self { gpus: Some(gpus), missing: None, samples, ..*self }.revised(self)
    }

    /// The child read the GPUs. One that it does not know is lost.
    pub(super) fn with_readings(&self, mut samples: Vec<GpuSample>) -> Self {
        for sample in &mut samples {
            let last = self.samples.iter().flatten().find(|last| last.id == sample.id);
            if let Some(last) = last {
                slow::keep(sample, last);
            }
        }
        for gpu in self.gpus.iter().flatten() {
            if samples.iter().all(|sample| sample.id != gpu.id) {
                samples.push(dim(&gpu.id, MissingReason::Lost));
            }
        }
        let samples = Some(samples).filter(|samples| !samples.is_empty());
        Self { samples, ..self.clone() }
    }

    /// Whether a GPU is lost.
    pub(super) fn muster(&self) -> Muster {
        let lost = |sample: &GpuSample| {
            sample.missing.get("utilization_percent") == Some(&MissingReason::Lost)
        };
        match self.samples.iter().flatten().any(lost) {
            true => Muster::SomeLost,
            false => Muster::Complete,
        }
    }

    /// Nothing can be read. What there is stays known, once it was.
    pub(super) fn dimmed(&self, reason: MissingReason) -> Self {
        // A child that is only silent still has its library; one that says why tells it itself.
        let driver_mismatch = self.driver_mismatch && reason == MissingReason::Timeout;
        let Some(gpus) = &self.gpus else {
            let missing = Some(reason);
            return Self { missing, samples: None, driver_mismatch, ..self.clone() }.revised(self);
        };
        let samples: Vec<GpuSample> = gpus.iter().map(|gpu| dim(&gpu.id, reason)).collect();
        let samples = Some(samples).filter(|samples| !samples.is_empty());
        Self { samples, driver_mismatch, ..self.clone() }
    }

    /// The reason that every GPU's every value shares, where nothing can be read.
    pub(super) fn common_reason(&self) -> Option<MissingReason> {
        let samples = self.samples.as_deref()?;
        let first = *samples.first()?.missing.get("utilization_percent")?;
        let dimmed = |sample: &GpuSample| *sample == dim(&sample.id, first);
        samples.iter().all(dimmed).then_some(first)
    }

    fn revised(mut self, last: &Self) -> Self {
        if self.gpus != last.gpus || self.missing != last.missing {
            self.revision = last.revision + 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(samples: Vec<GpuSample>) -> GpuView {
        GpuView::default().with_readings(samples)
    }

    fn sample(id: &str) -> GpuSample {
        GpuSample { id: id.to_owned(), ..GpuSample::default() }
    }

    #[test]
    fn the_reason_of_a_slow_field_is_kept_as_its_value_is() {
        let mut complete = sample("a");
        complete.missing.insert("temperature_celsius".to_owned(), MissingReason::NotSupported);
        complete.processes = Some(Vec::new());
        let view = seen(vec![complete.clone()]).with_readings(vec![sample("a"), sample("b")]);
        assert_eq!(view.samples, Some(vec![complete.clone(), sample("b")]));
        assert_eq!(view.samples(Depth::Fast, &view), Some(vec![sample("a"), sample("b")]));
    }

    #[test]
    fn a_slow_field_is_not_kept_beyond_the_reason_why_it_is_missing() {
        let mut complete = sample("a");
        complete.temperature_celsius = Some(60.0);
        let lost = dim("a", MissingReason::Lost);
        let view = seen(vec![complete]).with_readings(vec![lost.clone()]);
        assert_eq!(view.samples, Some(vec![lost]));
    }

    #[test]
    fn only_a_reason_that_all_share_is_common() {
        let view = seen(vec![dim("a", MissingReason::Lost), dim("b", MissingReason::Lost)]);
        assert_eq!(view.common_reason(), Some(MissingReason::Lost));
        let view = seen(vec![dim("a", MissingReason::Lost), sample("b")]);
        assert_eq!(view.common_reason(), None);
    }
}
