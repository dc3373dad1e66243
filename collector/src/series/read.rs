//! Reads `history.db` over connections of its own, which see what was committed and hold up nobody.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::block::decode;
use super::file::{BUSY_TIMEOUT, is_damage};
use super::grid::{Grid, STEPS_OF_BLOCK, STEPS_OF_COARSE, key, of_key};
use super::pack::{Packed, blob};
use super::rollup::Rollup;
use super::sets::{self, Set};

/// Connections that are kept open while nobody reads.
const IDLE: usize = 2;

/// What the one who writes and those who read know of the file together.
#[derive(Debug, Default)]
pub struct Access {
    is_open: AtomicBool,
    /// Counts the files that were there: a reader of an older one begins anew.
    n_files: AtomicU64,
    /// A reader found damage.
    is_suspect: AtomicBool,
}

impl Access {
    pub(super) fn set_open(&self) {
        self.n_files.fetch_add(1, Ordering::AcqRel);
        self.is_open.store(true, Ordering::Release);
    }

    pub(super) fn set_closed(&self) {
        self.is_open.store(false, Ordering::Release);
    }

    pub(super) fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Release);
    }

    pub(super) fn take_suspicion(&self) -> bool {
        self.is_suspect.swap(false, Ordering::AcqRel)
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }
}

/// The history cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the history of samples")]
pub(super) struct ReadError(#[from] rusqlite::Error);

/// How long a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As the samples came.
    Raw,
    /// One step.
    Fine,
    /// Ten.
    Coarse,
}

/// One row that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// When its step begins.
    pub start: Timestamp,
    /// The GPUs whose columns it has.
    pub gpus: Arc<[Box<str>]>,
    /// The row.
    pub row: Rollup,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    grid: Grid,
    access: Arc<Access>,
    idle: Mutex<(u64, Vec<Connection>)>,
}

impl Reader {
    /// Of the file at `path`.
    #[must_use]
    pub(super) fn new(path: PathBuf, grid: Grid, access: Arc<Access>) -> Self {
        Self { path, grid, access, idle: Mutex::default() }
    }

    /// The rows of a host that begin in this time, in no order; `None` where there is no file now.
    /// Steps that are in no block yet come as fine rows at any level.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub(super) fn rows(
        &self,
        host_id: &str,
        level: Level,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Vec<Kept>>, ReadError> {
        if !self.access.is_open() {
            return Ok(None);
        }
        if to <= from {
            return Ok(Some(Vec::new()));
        }
        let n_files = self.access.n_files.load(Ordering::Acquire);
        let connection = self.take_idle(n_files).map_or_else(|| self.connect(), Ok)?;
        // All of it as it was at one moment: a step is moved from one table to another.
        let read = connection.unchecked_transaction().and_then(|transaction| {
            let range = Range { grid: &self.grid, level, from, to };
            range.rows(&transaction, host_id)
        });
        match &read {
            Ok(_) => self.give_back(n_files, connection),
            Err(error) if is_damage(error) => {
                self.access.suspect();
            }
            Err(_) => (),
        }
        Ok(Some(read?))
    }

    fn take_idle(&self, n_files: u64) -> Option<Connection> {
        let mut idle = self.idle();
        if idle.0 != n_files {
            *idle = (n_files, Vec::new());
        }
        idle.1.pop()
    }

    fn give_back(&self, n_files: u64, connection: Connection) {
        let mut idle = self.idle();
        if idle.0 == n_files && idle.1.len() < IDLE {
            idle.1.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, (u64, Vec<Connection>)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }
}

/// What is looked for.
struct Range<'a> {
    grid: &'a Grid,
    level: Level,
    from: Timestamp,
    to: Timestamp,
}

impl Range<'_> {
    fn rows(&self, connection: &Connection, host_id: &str) -> rusqlite::Result<Vec<Kept>> {
        let packed = Packed::load(connection)?;
        let mut rows = Vec::new();
        for Set { no, gpus, .. } in sets::of_host(connection, host_id)? {
            let gpus: Arc<[Box<str>]> = gpus.into();
            let mut push = |step: i64, row: Rollup| {
                let start = self.grid.start(step);
                if (self.from..self.to).contains(&start) {
                    rows.push(Kept { start, gpus: Arc::clone(&gpus), row });
                }
            };
            self.packed(connection, no, gpus.len(), &mut push)?;
            self.open(connection, no, gpus.len(), packed, &mut push)?;
        }
        Ok(rows)
    }

    /// The rows in blocks.
    fn packed(
        &self,
        connection: &Connection,
        set: i64,
        n_gpus: usize,
        push: &mut impl FnMut(i64, Rollup),
    ) -> rusqlite::Result<()> {
        let (table, select, steps) = match self.level {
            Level::Coarse => ("coarse", "SELECT block FROM coarse WHERE key = ?1", STEPS_OF_COARSE),
            Level::Raw | Level::Fine => ("fine", "SELECT block FROM fine WHERE key = ?1", 1),
        };
        let (first, last) = ends(connection, table)?;
        let last_wanted = self.grid.block(Timestamp::from_unix_ms(self.to.unix_ms() - 1));
        for block in first.max(self.grid.block(self.from))..=last.min(last_wanted) {
            let Some(bytes) = blob(connection, select, key(block, set))? else { continue };
            let Some((_, rows)) = decode(&bytes).filter(|(found, _)| *found == n_gpus) else {
                continue;
            };
            for (place, row) in rows {
                push(block * STEPS_OF_BLOCK + i64::from(place) * steps, row);
            }
        }
        Ok(())
    }

    /// The rows that stand by themselves still, and in no block.
    fn open(
        &self,
        connection: &Connection,
        set: i64,
        n_gpus: usize,
        packed: Packed,
        push: &mut impl FnMut(i64, Rollup),
    ) -> rusqlite::Result<()> {
        let (first, last) = ends(connection, "open_rows")?;
        let last_wanted = self.grid.step(Timestamp::from_unix_ms(self.to.unix_ms() - 1));
        for step in first.max(self.grid.step(self.from))..=last.min(last_wanted) {
            if packed.has(step, set) {
                continue;
            }
            let select = "SELECT row FROM open_rows WHERE key = ?1";
            let row = blob(connection, select, key(step, set))?;
            if let Some(row) = row.and_then(|bytes| Rollup::from_bytes(n_gpus, &bytes)) {
                push(step, row);
            }
        }
        Ok(())
    }
}

/// The first and the last step or block of a table; none in between where it is empty.
fn ends(connection: &Connection, table: &str) -> rusqlite::Result<(i64, i64)> {
    let end = |which: &str| {
        let select = format!("SELECT {which}(key) FROM {table}");
        connection.prepare_cached(&select)?.query_row([], |row| row.get::<_, Option<i64>>(0))
    };
    let number = |key: Option<i64>| key.map(|key| of_key(key).0);
    Ok((number(end("min")?).unwrap_or(0), number(end("max")?).unwrap_or(-1)))
}
