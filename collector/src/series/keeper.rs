//! The one who writes `history.db`: rolls up what stands in memory, and looks after what is kept.
//! It may wait for the disk, so it runs beside the thread that carries all sockets.
//!
//! What cannot be written stays in memory for as long as samples do; what is longer ago than that
//! when the disk takes again is a gap.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::time::Instant;

use crate::registry::Registry;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::moment::Moment;
use crate::registry::recent::GpuIds;
use crate::serve::Rarely;

use super::file::{self, HistoryError};
use super::grid::{Grid, STEPS_OF_BLOCK, key, of_key};
use super::pack::{pack, reopen};
use super::prune;
use super::read::Access;
use super::rollup::{Rollup, roll_up};
use super::sets::Sets;

/// How often it is told that the oldest goes for want of room.
const OVER_BUDGET_EVERY: Duration = Duration::from_hours(1);
/// How far the wall clock may go from the monotonic one between two ticks.
const CLOCK_JUMP_MS: i64 = 120_000;
/// Nothing is too old before both clocks agreed for this long.
const PRUNE_NOTHING_FOR: Duration = Duration::from_hours(1);
/// Hosts whose history is removed at a time.
const FORGOTTEN: usize = 100;

/// See the module's words.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    grid: Grid,
    access: Arc<Access>,
    connection: Option<Connection>,
    sets: Sets,
    forgotten: Vec<String>,
    over_budget: Rarely,
    clocks: Option<Clocks>,
}

/// What is known of the two clocks.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    last: Moment,
    /// Since then they agree.
    since: Instant,
}

/// Which samples are rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Those of steps that are over; all of hosts that are offline.
    Step,
    /// All, as nobody will be there at the end of the step.
    Now,
}

/// What one host has to be written.
struct Due {
    host: Arc<HostEntry>,
    gpus: GpuIds,
    rows: Vec<(Timestamp, Rollup)>,
    until: Timestamp,
    is_gone: bool,
}

impl Keeper {
    /// Of the file at `path`, which is opened when it is first needed.
    #[must_use]
    pub fn new(path: PathBuf, grid: Grid, access: Arc<Access>) -> Self {
        let over_budget = Rarely::every(OVER_BUDGET_EVERY);
        let (sets, forgotten) = (Sets::default(), Vec::new());
        let (connection, clocks) = (None, None);
        Self { path, grid, access, connection, sets, forgotten, over_budget, clocks }
    }

    /// How long a step is.
    pub(super) fn step_ms(&self) -> i64 {
        self.grid.step_ms
    }

    /// These hosts were removed: their history goes with them.
    pub fn forget(&mut self, hosts: impl IntoIterator<Item = String>) {
        self.forgotten.extend(hosts);
    }

    /// Writes what is due, and does a share of what else there is to do.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]: what is due stays so.
    pub fn tick(
        &mut self,
        registry: &Registry,
        until: Until,
        moment: Moment,
    ) -> Result<(), HistoryError> {
        self.look_at_clocks(moment);
        let now = moment.at;
        match self.try_tick(registry, until, now) {
            Err(error) if error.is_corrupt() => {
                tracing::error!(%error, source = ?error, "the history is corrupt and begins anew");
                self.close();
                file::move_aside(&self.path, "corrupt")?;
                self.try_tick(registry, until, now)
            }
            other => other,
        }
        // After a failure nothing is certain about what this connection has written.
        .inspect_err(|_| self.close())
    }

    fn try_tick(
        &mut self,
        registry: &Registry,
        until: Until,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        if self.access.take_suspicion() {
            let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            Err(rusqlite::Error::SqliteFailure(corrupt, None))?;
        }
        self.open()?;
        self.write_forgotten()?;
        let due = due(registry, &self.grid, until, now);
        self.write(&due)?;
        for due in due {
            let recent = due.host.live.recent();
            recent.set_kept(due.until);
            if due.is_gone {
                recent.free(due.until);
            }
        }
        self.look_after(now)
    }

    fn look_at_clocks(&mut self, moment: Moment) {
        let since = match self.clocks {
            Some(Clocks { last, since }) => {
                let passed = moment.now.saturating_duration_since(last.now);
                let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
                let apart_ms = moment.at.ms_since(last.at).saturating_sub(passed_ms);
                if apart_ms.saturating_abs() > CLOCK_JUMP_MS { moment.now } else { since }
            }
            None => moment.now,
        };
        self.clocks = Some(Clocks { last: moment, since });
    }

    /// Whether what the wall clock makes too old is so.
    fn is_clock_believed(&self) -> bool {
        self.clocks.is_some_and(|Clocks { last, since }| {
            last.now.saturating_duration_since(since) >= PRUNE_NOTHING_FOR
        })
    }

    fn open(&mut self) -> Result<(), HistoryError> {
        if self.connection.is_none() {
            let connection = file::open(&self.path, self.grid.step_ms / 1000)?;
            self.sets = Sets::load(&connection)?;
            self.connection = Some(connection);
            self.access.set_open();
        }
        Ok(())
    }

    fn close(&mut self) {
        self.access.set_closed();
        self.connection = None;
    }

    fn write(&mut self, due: &[Due]) -> Result<(), HistoryError> {
        let (grid, sets) = (self.grid, &mut self.sets);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = begin(connection)?;
        let mut rows = Vec::new();
        for due in due {
            let Some((newest, _)) = due.rows.last() else { continue };
            let block = grid.block(*newest);
            let id = due.host.id.as_str();
            let set = sets.get_or_make(&transaction, id, &due.gpus, block)?;
            for (start, row) in &due.rows {
                rows.push((key(grid.step(*start), set.no), row, set.gpus.len()));
            }
        }
        // In the order of the file.
        rows.sort_unstable_by_key(|(key, ..)| *key);
        if let Some((first, ..)) = rows.first() {
            reopen(&transaction, of_key(*first).0.div_euclid(STEPS_OF_BLOCK))?;
        }
        for (key, row, n_gpus) in rows {
            put(&transaction, key, row, n_gpus)?;
        }
        Ok(transaction.commit()?)
    }

    fn write_forgotten(&mut self) -> Result<(), HistoryError> {
        while !self.forgotten.is_empty() {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let n_left = self.forgotten.len().saturating_sub(FORGOTTEN);
            let hosts = &self.forgotten[n_left..];
            let transaction = begin(connection)?;
            let sets: Vec<i64> = hosts.iter().flat_map(|host| self.sets.take(host)).collect();
            prune::forget(&transaction, &sets)?;
            transaction.commit()?;
            self.forgotten.truncate(n_left);
        }
        Ok(())
    }

    /// Packs, prunes and keeps to the budget, each by itself: where one cannot be done, the disk
    /// does not fill up for it.
    fn look_after(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        let packed = self.pack(now);
        let pruned = self.prune(now);
        let kept = self.keep_budget();
        packed.and(pruned).and(kept)
    }

    fn pack(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = begin(connection)?;
        pack(&transaction, &self.grid, self.sets.len(), now)?;
        Ok(transaction.commit()?)
    }

    fn prune(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        if !self.is_clock_believed() {
            return Ok(());
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = begin(connection)?;
        let removed = prune::prune(&transaction, &self.grid, self.sets.len(), now)?;
        transaction.commit()?;
        removed.into_iter().for_each(|set| self.sets.remove(set));
        Ok(())
    }

    fn keep_budget(&mut self) -> Result<(), HistoryError> {
        let grid = &self.grid;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = begin(connection)?;
        let n_removed = prune::keep_budget(&transaction, grid)?;
        transaction.commit()?;
        prune::give_back(connection, grid)?;
        if n_removed > 0
            && let Some(untold) = self.over_budget.allow()
        {
            let mib = grid.disk_bytes >> 20;
            tracing::warn!(
                n_removed,
                untold,
                mib,
                "the history reached history.disk_mib: the oldest goes"
            );
        }
        Ok(())
    }
}

fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// What is in memory and in no roll-up yet, and will not change.
fn due(registry: &Registry, grid: &Grid, until: Until, now: Timestamp) -> Vec<Due> {
    let of = |host: Arc<HostEntry>| {
        let samples = host.live.recent().unkept()?;
        let is_gone = host.status == HostStatus::Offline;
        let newest = samples.marks.last().map_or(samples.kept_until, |mark| mark.at);
        let until = if is_gone || until == Until::Now {
            Timestamp::from_unix_ms(newest.unix_ms() + 1)
        } else {
            grid.start(grid.step(now))
        };
        let rows = roll_up(&samples, grid.step_ms, until);
        Some(Due { host, gpus: samples.gpus, rows, until, is_gone })
    };
    registry.hosts().into_iter().filter_map(of).collect()
}

/// Adds a row to what is there of the same step, of a run before this one, say.
fn put(connection: &Connection, key: i64, row: &Rollup, n_gpus: usize) -> rusqlite::Result<()> {
    let fit = row.of_gpus(n_gpus);
    let insert = "INSERT INTO open_rows VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if connection.prepare_cached(insert)?.execute(params![key, fit.to_bytes()])? > 0 {
        return Ok(());
    }
    let before = super::pack::blob(connection, "SELECT row FROM open_rows WHERE key = ?1", key)?;
    let before = before.and_then(|bytes| Rollup::from_bytes(n_gpus, &bytes));
    let joined = Rollup::joined(n_gpus, before.iter().chain([&fit]));
    let update = "UPDATE open_rows SET row = ?2 WHERE key = ?1";
    connection.prepare_cached(update)?.execute(params![key, joined.to_bytes()]).map(|_| ())
}

#[cfg(test)]
impl Keeper {
    /// Lets the database not grow, until it is opened anew.
    pub(super) fn fill_disk(&self) {
        let connection = self.connection.as_ref().unwrap();
        let n_pages: i64 =
            connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", n_pages, |_| Ok(())).unwrap();
        // The free room of the last pages is used up first.
        connection.execute("CREATE TABLE filler (x)", []).unwrap_err();
        let fill = "INSERT INTO sets (host_id, gpus, used) VALUES (hex(randomblob(4)), '[]', 9e9)";
        while connection.execute(fill, []).is_ok() {}
        let fill = "INSERT INTO open_rows VALUES (?1, x'')";
        let mut key = i64::MAX / 2;
        while connection.execute(fill, [key]).is_ok() {
            key += 1;
        }
    }

    pub(super) fn suspect(&self) {
        self.access.suspect();
    }

    pub(super) fn set_budget(&mut self, bytes: i64) {
        self.grid.disk_bytes = bytes;
    }

    /// How many fine and coarse blocks there are.
    pub(super) fn n_blocks(&self) -> (i64, i64) {
        let connection = self.connection.as_ref().unwrap();
        let count = |table: &str| {
            let select = format!("SELECT count(*) FROM {table}");
            connection.query_row(&select, [], |row| row.get(0)).unwrap()
        };
        (count("fine"), count("coarse"))
    }
}
