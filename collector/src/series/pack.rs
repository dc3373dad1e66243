//! Turns the single rows of a block that is over into one blob a host, a share of the hosts at a
//! time, and makes the coarse rows from them.
//!
//! Rows may come late by as much as stays in memory, so a block waits that long. How far it is
//! packed is written with what is packed: after a crash nothing counts twice.

use std::collections::BTreeMap;

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::block::{Rows, Shape, decode, encode};
use super::file::{meta, set_meta};
use super::grid::{Grid, STEPS_OF_BLOCK, STEPS_OF_COARSE, key, of_key};
use super::rollup::Rollup;

/// Fewest sets that are packed at a time.
const SETS: usize = 100;
/// Steps whose single rows are removed at a time, once they are packed.
const STEPS: i64 = 6;
/// All sets of the block are packed.
const ALL: i64 = i64::MAX;

/// Single rows as they were written, by their place in the block.
type OpenRows = Vec<(u8, Vec<u8>)>;

/// Packs a share of the oldest block with single rows, if it is over; `n_sets` are known in all.
/// Returns whether there may be more to do.
pub(super) fn pack(
    connection: &Connection,
    grid: &Grid,
    n_sets: usize,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let oldest: Option<i64> =
        connection.query_row("SELECT min(key) FROM open_rows", [], |row| row.get(0))?;
    let Some((step, _)) = oldest.map(of_key) else { return Ok(false) };
    let block = step.div_euclid(STEPS_OF_BLOCK);
    let is_over =
        now.unix_ms() >= (block + 1) * grid.block_ms() + grid.recent_ms + 2 * grid.step_ms;
    if !is_over {
        return Ok(false);
    }
    let packed = Packed::load(connection)?;
    let from = if packed.block == block { packed.set } else { 0 };
    if from == ALL {
        let delete = "DELETE FROM open_rows WHERE key < ?1";
        let end = (step + STEPS).min((block + 1) * STEPS_OF_BLOCK);
        connection.prepare_cached(delete)?.execute([key(end, 0)])?;
        return Ok(true);
    }
    let last = last_of_share(connection, from, SETS.max(n_sets / 20))?;
    if let Some(last) = last {
        pack_sets(connection, block, from + 1, last)?;
    }
    Packed { block, set: last.unwrap_or(ALL) }.store(connection)?;
    Ok(true)
}

/// How far the oldest block with single rows is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    block: i64,
    set: i64,
}

impl Packed {
    const NOTHING: Self = Self { block: i64::MIN, set: 0 };

    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { block: meta(connection, "packed_block")?, set: meta(connection, "packed_set")? })
    }

    fn store(self, connection: &Connection) -> rusqlite::Result<()> {
        set_meta(connection, "packed_block", self.block)?;
        set_meta(connection, "packed_set", self.set)
    }

    /// Whether the single row of this step and set is in a block as well.
    pub(super) fn has(self, step: i64, set: i64) -> bool {
        step.div_euclid(STEPS_OF_BLOCK) == self.block && set <= self.set
    }
}

/// Before rows of this block are written, which may be packed already: a clock that was ahead had
/// it seem over. What is packed is removed, so that what stands by itself is yet to be packed.
pub(super) fn reopen(connection: &Connection, block: i64) -> rusqlite::Result<()> {
    let packed = Packed::load(connection)?;
    if block > packed.block {
        return Ok(());
    }
    let last = packed.set.min(0xFFFF_FFFF);
    let mut delete =
        connection.prepare_cached("DELETE FROM open_rows WHERE key BETWEEN ?1 AND ?2")?;
    for step in packed.block * STEPS_OF_BLOCK..(packed.block + 1) * STEPS_OF_BLOCK {
        delete.execute([key(step, 0), key(step, last)])?;
    }
    Packed::NOTHING.store(connection)
}

fn last_of_share(
    connection: &Connection,
    from: i64,
    n_sets: usize,
) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT max(no) FROM (SELECT no FROM sets WHERE no > ?1 ORDER BY no LIMIT ?2)";
    let limit = i64::try_from(n_sets).unwrap_or(i64::MAX);
    connection.prepare_cached(select)?.query_row(params![from, limit], |row| row.get(0))
}

fn pack_sets(connection: &Connection, block: i64, first: i64, last: i64) -> rusqlite::Result<()> {
    for (set, rows) in open_rows(connection, block, first, last)? {
        let before = blob(connection, "SELECT block FROM fine WHERE key = ?1", key(block, set))?;
        // Rows whose set is gone can be told by nobody.
        let Some(gpus) = gpus_of(connection, set)? else { continue };
        // Those of a block that is not of these GPUs are nobody's either: only damage makes one.
        let before = before.as_deref().and_then(decode).filter(|(found, _)| *found == gpus);
        let before = before.map(|(_, rows)| rows).unwrap_or_default();
        let rows = merged(gpus, before, rows);
        put(connection, "fine", key(block, set), &encode(Shape::FINE, gpus, &rows))?;
        let coarse = coarser(gpus, &rows);
        put(connection, "coarse", key(block, set), &encode(Shape::COARSE, gpus, &coarse))?;
    }
    Ok(())
}

/// The single rows of these sets, by set and place in the block.
fn open_rows(
    connection: &Connection,
    block: i64,
    first: i64,
    last: i64,
) -> rusqlite::Result<BTreeMap<i64, OpenRows>> {
    let mut of_set: BTreeMap<i64, OpenRows> = BTreeMap::new();
    let select = "SELECT key, row FROM open_rows WHERE key BETWEEN ?1 AND ?2";
    let mut select = connection.prepare_cached(select)?;
    for (place, step) in (0..).zip(block * STEPS_OF_BLOCK..(block + 1) * STEPS_OF_BLOCK) {
        let mut rows = select.query([key(step, first), key(step, last)])?;
        while let Some(row) = rows.next()? {
            let (_, set) = of_key(row.get(0)?);
            of_set.entry(set).or_default().push((place, row.get(1)?));
        }
    }
    Ok(of_set)
}

fn gpus_of(connection: &Connection, set: i64) -> rusqlite::Result<Option<usize>> {
    let select = "SELECT json_array_length(gpus) FROM sets WHERE no = ?1";
    let mut select = connection.prepare_cached(select)?;
    let n_gpus: Option<i64> = select.query_row([set], |row| row.get(0)).optional()?;
    Ok(n_gpus.map(|n_gpus| usize::try_from(n_gpus).unwrap_or_default()))
}

/// Rows that came since are added to those that were packed before, which only a clock that was
/// ahead brings about.
fn merged(n_gpus: usize, mut rows: Rows, open: OpenRows) -> Rows {
    for (place, bytes) in open {
        let Some(row) = Rollup::from_bytes(n_gpus, &bytes) else { continue };
        let before = rows.remove(&place);
        let parts = before.iter().chain([&row]);
        let row = Rollup::joined(n_gpus, parts);
        rows.insert(place, row);
    }
    rows
}

/// The rows of a block in steps ten times as long.
#[must_use]
pub(super) fn coarser(n_gpus: usize, fine: &Rows) -> Rows {
    let place = |fine: u8| fine / u8::try_from(STEPS_OF_COARSE).unwrap_or(u8::MAX);
    let mut parts: BTreeMap<u8, Vec<&Rollup>> = BTreeMap::new();
    for (fine, row) in fine {
        parts.entry(place(*fine)).or_default().push(row);
    }
    let join =
        |(place, rows): (u8, Vec<&Rollup>)| (place, Rollup::joined(n_gpus, rows.iter().copied()));
    parts.into_iter().map(join).collect()
}

pub(super) fn blob(
    connection: &Connection,
    select: &'static str,
    key: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.prepare_cached(select)?.query_row([key], |row| row.get(0)).optional()
}

fn put(connection: &Connection, table: &str, key: i64, block: &[u8]) -> rusqlite::Result<()> {
    let insert = format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2)");
    connection.prepare_cached(&insert)?.execute(params![key, block]).map(|_| ())
}
