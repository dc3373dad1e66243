//! Rows of samples and roll-ups as one table with a name for each column: what `samples` answers.

use std::collections::BTreeMap;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use serde::Serialize;

use crate::registry::recent::code::{self, GPU_SERIES, HOST_SERIES, Series};
use crate::registry::recent::{Mark, RecentSamples};

use super::plan::Plan;
use super::read::Kept;
use super::rollup::Sum;

/// The samples of a host over a range.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SamplesTable {
    /// How long a row is. Rows of one sample stand at the time when it came, others at the
    /// beginning of their step.
    pub step_s: i64,
    /// Where the range begins.
    pub from: Timestamp,
    /// Where it ends.
    pub to: Timestamp,
    /// Whether all that is kept could be read; if not, only what is in memory is told.
    pub complete: bool,
    /// What each column of a row is, with its unit. `_max` is the greatest of the samples in the
    /// row, `gpus.ID.…` are those of one GPU.
    pub columns: Vec<String>,
    /// Why a column has no value somewhere, by its name; the reason that was given last.
    pub missing: BTreeMap<String, MissingReason>,
    /// The rows, oldest first. A step without a sample has no row.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SamplesCell")]
#[serde(untagged)]
pub enum Cell {
    /// A whole number.
    Whole(u64),
    /// Any other.
    Number(f64),
    /// When.
    At(Timestamp),
    /// There is none.
    Missing(()),
}

/// Adds rows up and writes them down.
#[derive(Debug)]
pub(super) struct Builder {
    plan: Plan,
    gpus: Vec<String>,
    steps: BTreeMap<i64, Step>,
}

#[derive(Debug, Default)]
struct Step {
    n_samples: u64,
    sums: Vec<Sum>,
}

impl Builder {
    /// The columns of these GPUs come first; others follow as they are met.
    pub(super) fn new(plan: Plan, gpus: Vec<String>) -> Self {
        Self { plan, gpus, steps: BTreeMap::new() }
    }

    pub(super) fn add_kept(&mut self, kept: &Kept) {
        let places = self.places(&kept.gpus);
        let peaks: Vec<u16> = kept.row.peaks_of_all(kept.gpus.len()).collect();
        let n_samples = kept.row.n_samples;
        self.add(kept.start, n_samples, &kept.row.means, &peaks, &places);
    }

    /// Samples at full rate, those for which `is_wanted`.
    pub(super) fn add_recent(
        &mut self,
        samples: &RecentSamples,
        is_wanted: impl Fn(&Mark) -> bool,
    ) {
        let places = self.places(&samples.gpus);
        for (mark, codes) in samples.rows().filter(|(mark, _)| is_wanted(mark)) {
            self.add(mark.at, 1, codes, codes, &places);
        }
    }

    /// Where the columns of these GPUs stand.
    fn places(&mut self, gpus: &[Box<str>]) -> Vec<usize> {
        let mut place = |id: &str| {
            let known = self.gpus.iter().position(|known| known == id);
            known.unwrap_or_else(|| {
                self.gpus.push(id.to_owned());
                self.gpus.len() - 1
            })
        };
        gpus.iter().map(|id| place(id)).collect()
    }

    fn add(
        &mut self,
        at: Timestamp,
        n_samples: u16,
        means: &[u16],
        peaks: &[u16],
        places: &[usize],
    ) {
        let step_ms = if self.plan.is_as_it_came { 1 } else { self.plan.step_ms };
        let step = self.steps.entry(at.unix_ms().div_euclid(step_ms)).or_default();
        step.n_samples += u64::from(n_samples);
        let n_series = code::n_series(self.gpus.len());
        if step.sums.len() < n_series {
            step.sums.resize(n_series, Sum::default());
        }
        for (index, series) in code::all(places.len()).enumerate() {
            let column = match index.checked_sub(HOST_SERIES) {
                None => index,
                Some(of_gpus) => {
                    code::n_series(places[of_gpus / GPU_SERIES]) + of_gpus % GPU_SERIES
                }
            };
            if let (Some(mean), Some(peak)) = (means.get(index), peaks.get(index)) {
                step.sums[column].add(series, *mean, *peak, n_samples);
            }
        }
    }

    pub(super) fn finish(self, from: Timestamp, to: Timestamp, complete: bool) -> SamplesTable {
        let series: Vec<Series> = code::all(self.gpus.len()).collect();
        let names = self.names(&series);
        let mut columns = vec!["at".to_owned(), "n_samples".to_owned()];
        for (series, name) in series.iter().zip(&names) {
            columns.push(name.clone());
            if series.has_peak {
                columns.push(format!("{name}_max"));
            }
        }
        let step_ms = if self.plan.is_as_it_came { 1 } else { self.plan.step_ms };
        let mut missing = BTreeMap::new();
        let mut rows = Vec::with_capacity(self.steps.len());
        for (number, mut step) in self.steps {
            step.sums.resize(series.len(), Sum::default());
            let mut row = Vec::with_capacity(columns.len());
            row.push(Cell::At(Timestamp::from_unix_ms(number * step_ms)));
            row.push(Cell::Whole(step.n_samples));
            for ((series, name), sum) in series.iter().zip(&names).zip(&step.sums) {
                row.push(Cell::of(*series, sum.mean()));
                if series.has_peak {
                    row.push(Cell::of(*series, sum.peak()));
                }
                if sum.mean().is_none() {
                    missing.insert(name.clone(), code::reason(sum.why()));
                }
            }
            rows.push(row);
        }
        let step_s = self.plan.step_ms / 1000;
        SamplesTable { step_s, from, to, complete, columns, missing, rows }
    }

    fn names(&self, series: &[Series]) -> Vec<String> {
        let name = |(index, series): (usize, &Series)| match index.checked_sub(HOST_SERIES) {
            None => series.field.to_owned(),
            Some(of_gpus) => format!("gpus.{}.{}", self.gpus[of_gpus / GPU_SERIES], series.field),
        };
        series.iter().enumerate().map(name).collect()
    }
}

impl Cell {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^63")]
    fn of(series: Series, value: Option<f64>) -> Self {
        match value {
            None => Self::Missing(()),
            Some(value) if series.is_whole() => Self::Whole(value.round() as u64),
            Some(value) => Self::Number((value * 100.0).round() / 100.0),
        }
    }
}
