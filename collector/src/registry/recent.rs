//! The last ten minutes of a host at full rate, in its live cell: rows of 16-bit codes
//! ([`code`]), one a sample, grown as samples come.
//!
//! The cell has a lock of its own, which is held for a row by the sample's path and for one copy by
//! readers; no other lock is taken inside. What is older, and what survives a restart, is kept by
//! [`crate::series`], which also frees the rows of hosts that are gone.

pub mod code;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::Sample;

use super::Registry;
use super::node::UnknownHost;
use code::{GPU_SERIES, HOST_SERIES, n_series};

/// How long samples stay at full rate, by default.
pub const WINDOW: Duration = Duration::from_mins(10);
/// A sample that comes sooner after the last one is shown, but leaves no row.
const FLOOR_MS: i64 = 500;
/// A wall clock that goes back by more makes the rows meaningless.
const BACK_MS: i64 = 1_000;
/// By how many rows the memory grows.
const GROWTH: usize = 60;

/// The ids of GPUs, in the order of their columns.
pub type GpuIds = Arc<[Box<str>]>;

/// The rows of one host; see the module's words.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Option<Box<Ring>>>);

/// What is kept beside the codes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it came, by the collector's wall clock.
    pub at: Timestamp,
    /// The link's last round trip.
    pub latency_ms: Option<u64>,
    /// Whether the host was degraded.
    pub is_degraded: bool,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When the sample came, by the collector's wall clock.
    pub at: Timestamp,
    /// The sample's number; it counts anew after 2^31.
    pub seq: u32,
    /// Whether the host was degraded.
    pub is_degraded: bool,
}

/// Rows as they were at one moment, oldest first.
#[derive(Clone, Debug)]
pub struct RecentSamples {
    /// Whose columns follow those of the host.
    pub gpus: GpuIds,
    /// When each row came.
    pub marks: Vec<Mark>,
    /// The codes, [`n_series`] of each row.
    pub codes: Vec<u16>,
    /// What came before is in the roll-ups already.
    pub kept_until: Timestamp,
}

#[derive(Debug)]
struct Ring {
    gpus: GpuIds,
    /// The low bits of each row's milliseconds, and its number with the degraded bit on top.
    marks: VecDeque<(u32, u32)>,
    codes: VecDeque<u16>,
    newest_ms: i64,
    kept_until_ms: i64,
}

const DEGRADED: u32 = 1 << 31;

impl Recent {
    /// Takes a sample in; rows older than `window` go.
    pub fn push(&self, sample: &Sample, arrival: Arrival, window: Duration) {
        let at_ms = arrival.at.unix_ms();
        let mut cell = self.lock();
        if cell.as_ref().is_some_and(|ring| at_ms < ring.newest_ms - BACK_MS) {
            *cell = None;
        }
        let ring = cell.get_or_insert_with(|| Box::new(Ring::new(at_ms)));
        if !ring.marks.is_empty() && at_ms < ring.newest_ms + FLOOR_MS {
            return;
        }
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        ring.evict(at_ms.saturating_sub(window_ms), rows_max(window));
        ring.meet(sample);
        ring.append(sample, arrival);
    }

    /// The rows from `since` on, or all; `None` where there is nothing.
    #[must_use]
    pub fn samples(&self, since: Option<Timestamp>) -> Option<RecentSamples> {
        let cell = self.lock();
        let ring = cell.as_ref()?;
        Some(ring.samples(since.map_or(i64::MIN, Timestamp::unix_ms)))
    }

    /// The rows that are in no roll-up yet.
    #[must_use]
    pub fn unkept(&self) -> Option<RecentSamples> {
        let cell = self.lock();
        let ring = cell.as_ref()?;
        Some(ring.samples(ring.kept_until_ms))
    }

    /// The rows before this instant are in the roll-ups now.
    pub fn set_kept(&self, until: Timestamp) {
        if let Some(ring) = self.lock().as_mut() {
            ring.kept_until_ms = ring.kept_until_ms.max(until.unix_ms());
        }
    }

    /// Frees the rows, unless one came after `newest`.
    pub fn free(&self, newest: Timestamp) {
        let mut cell = self.lock();
        if cell.as_ref().is_some_and(|ring| ring.newest_ms <= newest.unix_ms()) {
            *cell = None;
        }
    }

    /// What the rows take in memory, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |ring: &Ring| {
            let gpus = ring.gpus.iter().map(|id| size_of::<Box<str>>() + id.len());
            let marks = ring.marks.capacity() * size_of::<(u32, u32)>();
            size_of::<Ring>() + marks + ring.codes.capacity() * 2 + gpus.sum::<usize>()
        };
        size_of::<Self>() + self.lock().as_deref().map_or(0, of)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Ring>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Agents send once a second at most.
fn rows_max(window: Duration) -> usize {
    usize::try_from(window.as_secs()).unwrap_or(usize::MAX).max(1)
}

impl Ring {
    fn new(at_ms: i64) -> Self {
        Self {
            gpus: Arc::new([]),
            marks: VecDeque::new(),
            codes: VecDeque::new(),
            newest_ms: at_ms,
            kept_until_ms: at_ms,
        }
    }

    fn evict(&mut self, before_ms: i64, rows_max: usize) {
        let n_columns = n_series(self.gpus.len());
        while let Some((low, _)) = self.marks.front()
            && (self.at_ms(*low) <= before_ms || self.marks.len() >= rows_max)
        {
            self.marks.pop_front();
            self.codes.drain(..n_columns);
        }
    }

    /// Makes room for GPUs that no row knows. Those that the sample does not have are let go where
    /// there would be too many.
    fn meet(&mut self, sample: &Sample) {
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        let is_known = |(index, id): (usize, &str)| self.place(index, id).is_some();
        if gpus.iter().map(|gpu| gpu.id.as_str()).enumerate().all(is_known) {
            return;
        }
        let new = gpus.iter().map(|gpu| gpu.id.as_str());
        let new: Vec<&str> = new.filter(|id| self.place(0, id).is_none()).collect();
        let is_there = |id: &str| gpus.iter().any(|gpu| gpu.id == id);
        let is_too_many = self.gpus.len() + new.len() > limits::GPUS;
        let stay = self.gpus.iter().filter(|id| !is_too_many || is_there(id));
        let ids: GpuIds = stay.cloned().chain(new.into_iter().map(Box::from)).collect();
        let from: Vec<Option<usize>> = ids.iter().map(|id| self.place(0, id)).collect();
        let before = n_series(self.gpus.len());
        let n_rows = self.marks.len();
        let mut codes = VecDeque::with_capacity((n_rows + GROWTH) * n_series(ids.len()));
        for row in self.codes.make_contiguous().chunks_exact(before) {
            codes.extend(&row[..HOST_SERIES]);
            for place in &from {
                match place {
                    Some(place) => codes.extend(of_place(row, *place)),
                    None => codes.extend([code::missing(MissingReason::CannotTell); GPU_SERIES]),
                }
            }
        }
        (self.gpus, self.codes) = (ids, codes);
    }

    /// Where the columns of a GPU stand: most likely where it stands in the sample.
    fn place(&self, likely: usize, id: &str) -> Option<usize> {
        let is_likely = self.gpus.get(likely).is_some_and(|known| **known == *id);
        if is_likely { Some(likely) } else { self.gpus.iter().position(|known| **known == *id) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is kept")]
    #[expect(clippy::cast_sign_loss, reason = "likewise")]
    fn append(&mut self, sample: &Sample, arrival: Arrival) {
        let n_columns = n_series(self.gpus.len());
        if self.marks.len() == self.marks.capacity() {
            self.marks.reserve_exact(GROWTH);
        }
        if self.codes.capacity() - self.codes.len() < n_columns {
            self.codes.reserve_exact(GROWTH * n_columns);
        }
        let at_ms = arrival.at.unix_ms();
        let degraded = if arrival.is_degraded { DEGRADED } else { 0 };
        self.newest_ms = at_ms;
        // Rows up to a later instant were kept by a clock that was ahead: this one is in none.
        self.kept_until_ms = self.kept_until_ms.min(at_ms);
        self.marks.push_back((at_ms as u32, sample.seq as u32 & !DEGRADED | degraded));
        self.codes.extend(code::of_sample(sample, arrival.latency_ms));
        let gpus = sample.gpus.as_deref().unwrap_or_default();
        for (index, id) in self.gpus.iter().enumerate() {
            let likely = gpus.get(index).filter(|gpu| *gpu.id == **id);
            match likely.or_else(|| gpus.iter().find(|gpu| *gpu.id == **id)) {
                Some(gpu) => self.codes.extend(code::of_gpu(gpu)),
                None => {
                    let why = sample.missing.get("gpus").copied();
                    let why = code::missing(why.unwrap_or(MissingReason::CannotTell));
                    self.codes.extend([why; GPU_SERIES]);
                }
            }
        }
    }

    fn samples(&self, since_ms: i64) -> RecentSamples {
        let n_before = self.marks.iter().take_while(|(low, _)| self.at_ms(*low) < since_ms).count();
        let mark = |(low, tag): &(u32, u32)| Mark {
            at: Timestamp::from_unix_ms(self.at_ms(*low)),
            seq: tag & !DEGRADED,
            is_degraded: tag & DEGRADED != 0,
        };
        RecentSamples {
            gpus: Arc::clone(&self.gpus),
            marks: self.marks.iter().skip(n_before).map(mark).collect(),
            codes: self.codes.range(n_before * n_series(self.gpus.len())..).copied().collect(),
            kept_until: Timestamp::from_unix_ms(self.kept_until_ms),
        }
    }

    /// The instant of a row, which is at most some weeks before the newest.
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is kept")]
    #[expect(clippy::cast_sign_loss, reason = "likewise")]
    fn at_ms(&self, low: u32) -> i64 {
        self.newest_ms - i64::from((self.newest_ms as u32).wrapping_sub(low))
    }
}

fn of_place(row: &[u16], place: usize) -> &[u16] {
    &row[n_series(place)..n_series(place + 1)]
}

impl RecentSamples {
    /// The rows with their codes.
    pub fn rows(&self) -> impl Iterator<Item = (&Mark, &[u16])> {
        self.marks.iter().zip(self.codes.chunks_exact(n_series(self.gpus.len())))
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.marks.len()
    }
}

impl Registry {
    /// The same registry, keeping samples at full rate for this long.
    #[must_use]
    pub fn with_recent(self, recent: Duration) -> Self {
        Self { recent, ..self }
    }

    /// The samples of a host at full rate: of the last ten minutes, and none where it is gone.
    ///
    /// # Errors
    ///
    /// Where there is no such host.
    pub fn recent_samples(&self, host_id: &str) -> Result<Option<RecentSamples>, UnknownHost> {
        let host = self.host(host_id).ok_or_else(|| UnknownHost(host_id.to_owned()))?;
        Ok(host.live.recent().samples(None))
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
