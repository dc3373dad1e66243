//! The history of samples: what hosts measured, by the second, by the minute and by ten minutes.
//!
//! Samples of the last ten minutes stand in memory ([`crate::registry::recent`]). Once a minute a
//! [`Recorder`] rolls them up into rows of mean and peak and writes them to `history.db`, single
//! rows at first; an hour that is over is packed into one blob a host, and into another of rows
//! of ten minutes. Minutes are kept for a day, tens of minutes for a month, all of it within a
//! budget of the disk: what is oldest goes first, a piece at a time.
//!
//! How large: a host with one GPU that is never still takes 1.2 KiB an hour in minutes and 150 bytes
//! in tens of minutes, one with two GPUs 1.7 KiB and 210. Ten thousand hosts, half of each, come to
//! 25 × 10,000 × 1.5 KiB + 720 × 10,000 × 180 bytes, with what SQLite adds and the single rows of an
//! hour and a quarter 1.8 GiB; a test holds this below 2 GiB. Written are, each minute, 60 to 80
//! bytes a host, and a blob an hour: about 1.2 GiB a day of ten thousand hosts, and as much again
//! where the log is folded into the database.
//!
//! Nothing here can end the collector: without its file it is a register without a past. Not here:
//! sessions and changes of status ([`crate::history`]).

mod bits;
pub mod block;
mod file;
mod grid;
mod keeper;
mod pack;
mod plan;
mod prune;
mod read;
mod recorder;
pub mod rollup;
mod sets;
pub mod synthetic;
pub mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::sync::Semaphore;

use crate::config::HistoryRules;
use crate::registry::host::HostEntry;
use crate::registry::recent::code::n_series;
use crate::registry::recent::{Mark, RecentSamples};
use crate::serve::Rarely;

pub use file::HistoryError;
pub use grid::Grid;
pub use keeper::{Keeper, Until};
pub use plan::{ROWS, ROWS_MAX, Wanted};
pub use read::{Access, Kept};
pub use recorder::{HistoryState, Recorder};
pub use table::SamplesTable;

use plan::{finest, plan};
use read::{Level, Reader};
use table::Builder;

/// How many may read at once; more wait.
const READERS: usize = 4;
/// How often it is told that the file cannot be read.
const UNREAD_EVERY: Duration = Duration::from_secs(60);
/// The name of the file in the data directory.
const FILE: &str = "history.db";

/// Where the history of samples is read.
#[derive(Clone, Debug)]
pub struct SampleHistory {
    grid: Grid,
    reader: Arc<Reader>,
    slots: Arc<Semaphore>,
    unread: Arc<Rarely>,
}

/// Rows of one host, oldest first.
#[derive(Clone, Debug)]
pub struct Beats {
    /// One a step.
    pub kept: Vec<Kept>,
    /// Then one a sample, of those that come at [`Beats::since`] or later.
    pub recent: Option<RecentSamples>,
    /// What came before is in the rows that were kept.
    pub since: Timestamp,
}

impl SampleHistory {
    /// The history in a data directory, and who writes it.
    #[must_use]
    pub fn of_dir(dir: &Path, rules: &HistoryRules) -> (Self, Keeper) {
        let (grid, access, path) = (Grid::of(rules), Arc::default(), dir.join(FILE));
        let keeper = Keeper::new(path.clone(), grid, Arc::clone(&access));
        let reader = Arc::new(Reader::new(path, grid, access));
        let (slots, unread) = (Arc::new(Semaphore::new(READERS)), Rarely::every(UNREAD_EVERY));
        (Self { grid, reader, slots, unread: Arc::new(unread) }, keeper)
    }

    /// The samples of a host, at a resolution that fits. Reads beside the thread that carries all
    /// sockets; `None` where the runtime ends.
    pub async fn samples(
        &self,
        host: Arc<HostEntry>,
        wanted: Wanted,
        now: Timestamp,
    ) -> Option<SamplesTable> {
        self.beside(move |history| history.samples_now(&host, wanted, now)).await
    }

    /// What each minute, and each sample since the first in memory, says of a host, likewise.
    pub async fn beats(
        &self,
        host: Arc<HostEntry>,
        from: Timestamp,
        now: Timestamp,
    ) -> Option<Beats> {
        self.beside(move |history| history.beats_now(&host, from, now)).await
    }

    async fn beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        // The semaphore is never closed; a reader too many would be no harm.
        let _slot = self.slots.acquire().await;
        let history = self.clone();
        match tokio::task::spawn_blocking(move || read(&history)).await {
            Ok(read) => Some(read),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    /// [`SampleHistory::samples`] on this very thread.
    #[must_use]
    pub fn samples_now(&self, host: &HostEntry, wanted: Wanted, now: Timestamp) -> SamplesTable {
        // Memory first: what is in no roll-up then is taken from here, the rest from the disk.
        let recent = host.live.recent().samples(None);
        let (level, complete) = self.level(host, &wanted, recent.as_ref(), now);
        let gpus = gpu_ids(host);
        let plan = plan(&self.grid, &wanted, level, host.facts.interval_ms, n_series(gpus.len()));
        let mut from = wanted.from;
        if !plan.is_as_it_came {
            let step = from.unix_ms().div_euclid(plan.step_ms);
            from = Timestamp::from_unix_ms(step * plan.step_ms);
        }
        let mut table = Builder::new(plan, gpus);
        let kept_until = recent.as_ref().map_or(wanted.to, |recent| recent.kept_until);
        let kept = match level {
            Level::Raw => Some(Vec::new()),
            level => self.rows(host, level, from, wanted.to.min(kept_until)),
        };
        // What cannot be read is not told twice either.
        let is_kept = |mark: &Mark| level != Level::Raw && kept.is_some() && mark.at < kept_until;
        if let Some(recent) = &recent {
            let is_wanted = |mark: &Mark| mark.at >= from && mark.at < wanted.to;
            table.add_recent(recent, |mark| is_wanted(mark) && !is_kept(mark));
        }
        kept.iter().flatten().for_each(|kept| table.add_kept(kept));
        table.finish(from, wanted.to, complete && kept.is_some())
    }

    /// Memory alone tells it where it reaches back to the beginning, or nothing was before; and
    /// whether that could be read.
    fn level(
        &self,
        host: &HostEntry,
        wanted: &Wanted,
        recent: Option<&RecentSamples>,
        now: Timestamp,
    ) -> (Level, bool) {
        let level = finest(&self.grid, wanted.from, now);
        if level != Level::Raw {
            return (level, true);
        }
        let first = recent.and_then(|recent| recent.marks.first());
        let interval_ms = i64::try_from(host.facts.interval_ms).unwrap_or(i64::MAX / 4);
        if first.is_some_and(|first| first.at.ms_since(wanted.from) <= 2 * interval_ms) {
            return (Level::Raw, true);
        }
        // The step of the first sample in memory may be of those that memory had before it.
        let before = first.map_or(wanted.to, |first| self.grid.start(self.grid.step(first.at)));
        let earlier = self.rows(host, Level::Fine, wanted.from, before.min(wanted.to));
        let complete = earlier.is_some();
        let is_earlier = earlier.is_some_and(|earlier| !earlier.is_empty());
        (if is_earlier { Level::Fine } else { Level::Raw }, complete)
    }

    /// [`SampleHistory::beats`] on this very thread.
    #[must_use]
    pub fn beats_now(&self, host: &HostEntry, from: Timestamp, now: Timestamp) -> Beats {
        let recent = host.live.recent().samples(None);
        let first = recent.as_ref().and_then(|recent| recent.marks.first());
        // The step of the first sample in memory may have others, which a run before this wrote.
        let end = first.map_or(now, |mark| self.grid.start(self.grid.step(mark.at) + 1));
        let kept_until = recent.as_ref().map_or(end, |recent| recent.kept_until);
        let kept = self.rows(host, Level::Fine, from, end);
        let is_kept = kept.is_some() && from <= self.grid.start(self.grid.step(end) - 1);
        let since = if is_kept { from.max(end.min(kept_until)) } else { from };
        let mut kept = kept.unwrap_or_default();
        kept.sort_by_key(|kept| kept.start);
        Beats { kept, recent, since }
    }

    /// What is kept of a host; `None` where it cannot be read now.
    fn rows(
        &self,
        host: &HostEntry,
        level: Level,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Vec<Kept>> {
        match self.reader.rows(host.id.as_str(), level, from, to) {
            Ok(rows) => rows,
            Err(error) => {
                if let Some(untold) = self.unread.allow() {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, untold, "only what is in memory is told");
                }
                None
            }
        }
    }
}

/// Of the GPUs of a host, in the order of their places.
fn gpu_ids(host: &HostEntry) -> Vec<String> {
    let mut gpus: Vec<_> = host.facts.gpus.iter().flat_map(|gpus| gpus.iter()).collect();
    gpus.sort_by_key(|gpu| gpu.index);
    gpus.iter().map(|gpu| gpu.id.clone()).collect()
}

#[cfg(test)]
mod tests;
