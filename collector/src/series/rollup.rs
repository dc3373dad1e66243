//! Many samples as one row: how many there were, the mean of each series, and the peak of those
//! where a short one matters.

use herdbook_shared::time::Timestamp;

use crate::registry::recent::RecentSamples;
use crate::registry::recent::code::{self, Series, is_missing};

/// The version of the bytes of a row by itself.
const VERSION: u8 = 1;

/// One row of a roll-up, in codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// How many samples it is of, at most 65,535.
    pub n_samples: u16,
    /// Whether the host was degraded at one of them.
    pub is_degraded: bool,
    /// The mean of each series, or why there is none.
    pub means: Vec<u16>,
    /// The greatest value of each series that has a peak, in their order.
    pub peaks: Vec<u16>,
}

/// How many series with a peak a host with that many GPUs has.
#[must_use]
pub fn n_peaks(n_gpus: usize) -> usize {
    code::all(n_gpus).filter(|series| series.has_peak).count()
}

/// Adds values of one series up.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    total: f64,
    weight: f64,
    peak: f64,
    missing: u16,
}

impl Default for Sum {
    fn default() -> Self {
        let missing = code::missing(herdbook_shared::missing::MissingReason::CannotTell);
        Self { total: 0.0, weight: 0.0, peak: 0.0, missing }
    }
}

impl Sum {
    /// A mean over this many samples, and the greatest of them, as codes of `series`.
    pub fn add(&mut self, series: Series, mean: u16, peak: u16, n_samples: u16) {
        let Some(value) = series.value(mean) else {
            self.missing = mean;
            return;
        };
        let weight = f64::from(n_samples);
        self.total += value * weight;
        self.weight += weight;
        self.peak = self.peak.max(series.value(peak).unwrap_or(value));
    }

    /// The mean of what was added.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.total / self.weight)
    }

    /// The greatest of what was added.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.peak)
    }

    /// Why there is no value: what was said last.
    #[must_use]
    pub fn why(&self) -> u16 {
        self.missing
    }

    fn mean_code(&self, series: Series) -> u16 {
        self.mean().map_or(self.missing, |mean| series.code(mean))
    }

    /// Rounding a mean up never takes it over the peak.
    fn peak_code(&self, series: Series) -> u16 {
        let peak = self.peak().map_or(self.missing, |peak| series.code(peak));
        peak.max(self.mean_code(series))
    }
}

impl Rollup {
    /// The rows of `samples`, which all lie in one step.
    fn of(n_gpus: usize, samples: &[(bool, &[u16])]) -> Self {
        let rows = samples.iter().map(|(is_degraded, codes)| (1, *is_degraded, *codes, None));
        Self::sum(n_gpus, rows)
    }

    /// Several rows as one.
    #[must_use]
    pub fn joined<'a>(n_gpus: usize, rows: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let rows = rows.map(|row| {
            (row.n_samples, row.is_degraded, row.means.as_slice(), Some(row.peaks.as_slice()))
        });
        Self::sum(n_gpus, rows)
    }

    fn sum<'a>(
        n_gpus: usize,
        rows: impl Iterator<Item = (u16, bool, &'a [u16], Option<&'a [u16]>)> + Clone,
    ) -> Self {
        let (mut means, mut peaks) = (Vec::new(), Vec::new());
        for (index, series) in code::all(n_gpus).enumerate() {
            let mut sum = Sum::default();
            for (n_samples, _, of_row, peaks_of_row) in rows.clone() {
                let Some(mean) = of_row.get(index).copied() else { continue };
                let peak = peaks_of_row.filter(|_| series.has_peak);
                let peak = peak.and_then(|of_row| of_row.get(peaks.len()).copied()).unwrap_or(mean);
                sum.add(series, mean, peak, n_samples);
            }
            means.push(sum.mean_code(series));
            if series.has_peak {
                peaks.push(sum.peak_code(series));
            }
        }
        let n_samples = rows.clone().fold(0_u16, |sum, (n, ..)| sum.saturating_add(n));
        let is_degraded = rows.clone().any(|(_, is_degraded, ..)| is_degraded);
        Self { n_samples, is_degraded, means, peaks }
    }

    /// The row with as many GPUs, or without some.
    #[must_use]
    pub(super) fn of_gpus(&self, n_gpus: usize) -> Self {
        let mut row = self.clone();
        row.means.truncate(code::n_series(n_gpus));
        row.peaks.truncate(n_peaks(n_gpus));
        row
    }

    /// The row with other codes.
    #[must_use]
    pub(super) fn mapped(&self, of: impl Fn(u16) -> u16) -> Self {
        let map = |codes: &[u16]| codes.iter().map(|code| of(*code)).collect();
        Self { means: map(&self.means), peaks: map(&self.peaks), ..*self }
    }

    /// The bytes of a row that stands by itself; the mean's codes, then those of the peaks.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, u8::from(self.is_degraded)];
        bytes.extend(self.n_samples.to_le_bytes());
        bytes.extend(self.means.iter().chain(&self.peaks).flat_map(|code| code.to_le_bytes()));
        bytes
    }

    /// Reads [`Rollup::to_bytes`]; `None` where they are not of a host with that many GPUs.
    #[must_use]
    pub fn from_bytes(n_gpus: usize, bytes: &[u8]) -> Option<Self> {
        let (&[VERSION, degraded, low, high], codes) = bytes.split_first_chunk::<4>()? else {
            return None;
        };
        let codes = codes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let mut means: Vec<u16> = codes.collect();
        let n_means = code::n_series(n_gpus);
        if means.len() != n_means + n_peaks(n_gpus) {
            return None;
        }
        let peaks = means.split_off(n_means);
        let n_samples = u16::from_le_bytes([low, high]);
        Some(Self { n_samples, is_degraded: degraded != 0, means, peaks })
    }

    /// The peak of each series; the mean where none is kept.
    pub fn peaks_of_all(&self, n_gpus: usize) -> impl Iterator<Item = u16> {
        let mut peaks = self.peaks.iter();
        let of = code::all(n_gpus).zip(&self.means);
        of.map(move |(series, mean)| {
            let peak = if series.has_peak { peaks.next() } else { None };
            peak.filter(|peak| !is_missing(**peak)).copied().unwrap_or(*mean)
        })
    }
}

/// The roll-ups of samples at full rate, one a step that has samples before `until`; the start of
/// each step first.
#[must_use]
pub fn roll_up(
    samples: &RecentSamples,
    step_ms: i64,
    until: Timestamp,
) -> Vec<(Timestamp, Rollup)> {
    let n_gpus = samples.gpus.len();
    let rows: Vec<_> = samples.rows().filter(|(mark, _)| mark.at < until).collect();
    let step_of = |at: Timestamp| at.unix_ms().div_euclid(step_ms);
    let steps = rows.chunk_by(|(a, _), (b, _)| step_of(a.at) == step_of(b.at));
    let roll_up = |rows: &[(_, _)]| {
        let (first, _): (&crate::registry::recent::Mark, &[u16]) = *rows.first()?;
        let start = Timestamp::from_unix_ms(step_of(first.at) * step_ms);
        let rows: Vec<(bool, &[u16])> =
            rows.iter().map(|(mark, codes)| (mark.is_degraded, *codes)).collect();
        Some((start, Rollup::of(n_gpus, &rows)))
    };
    steps.filter_map(roll_up).collect()
}
