//! Takes away what is too old, what is too much, and what belongs to hosts that are gone: a piece
//! at a time, as what is oldest lies at one end.

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, params};

use super::grid::{Grid, key, of_key};

/// Fewest blocks that are removed at a time.
const BLOCKS: usize = 500;
/// Pieces that may be removed at a time to get below the budget.
const PIECES: usize = 20;
/// More steps or blocks than there are between the first and the last row.
const NUMBERS_MAX: i64 = 200_000;
/// Pages that are given back to the disk at a time.
const PAGES: i64 = 256;

/// Sets that are removed at a time.
const SETS: i64 = 100;

/// Removes blocks that are older than they are to be kept, and sets of which nothing is left.
/// Returns these.
pub(super) fn prune(
    connection: &Connection,
    grid: &Grid,
    n_sets: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<i64>> {
    let before = |kept_ms: i64| grid.block(Timestamp::from_unix_ms(now.unix_ms() - kept_ms));
    let n_blocks = BLOCKS.max(n_sets / 10);
    remove_oldest(connection, "fine", key(before(grid.fine_ms), 0), n_blocks)?;
    let oldest = before(grid.coarse_ms);
    remove_oldest(connection, "coarse", key(oldest, 0), n_blocks)?;
    let unused = unused(connection, oldest)?;
    let mut delete = connection.prepare_cached("DELETE FROM sets WHERE no = ?1")?;
    unused.iter().try_for_each(|set| delete.execute([set]).map(|_| ()))?;
    Ok(unused)
}

/// Sets that were used before this block for the last time, and of which no row waits to be packed.
fn unused(connection: &Connection, before: i64) -> rusqlite::Result<Vec<i64>> {
    let select = "SELECT no FROM sets WHERE used < ?1 LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let old = select.query_map(params![before, SETS], |row| row.get(0))?;
    let mut unused: Vec<i64> = old.collect::<Result<_, _>>()?;
    if unused.is_empty() {
        return Ok(unused);
    }
    let Some((first, last)) = ends(connection, "open_rows")? else { return Ok(unused) };
    if last - first > NUMBERS_MAX {
        // A clock was far off: they wait until those rows are packed.
        return Ok(Vec::new());
    }
    let select = "SELECT 1 FROM open_rows WHERE key = ?1";
    let mut select = connection.prepare_cached(select)?;
    let mut used = Vec::new();
    for set in &unused {
        for step in first..=last {
            if select.exists([key(step, *set)])? {
                used.push(*set);
                break;
            }
        }
    }
    unused.retain(|set| !used.contains(set));
    Ok(unused)
}

/// The first and the last step or block of a table.
fn ends(connection: &Connection, table: &str) -> rusqlite::Result<Option<(i64, i64)>> {
    let end = |which: &str| {
        let select = format!("SELECT {which}(key) FROM {table}");
        connection.query_row(&select, [], |row| row.get::<_, Option<i64>>(0))
    };
    let (first, last) = (end("min")?, end("max")?);
    Ok(first.zip(last).map(|(first, last)| (of_key(first).0, of_key(last).0)))
}

fn remove_oldest(
    connection: &Connection,
    table: &str,
    below: i64,
    n_rows: usize,
) -> rusqlite::Result<usize> {
    let delete = format!(
        "DELETE FROM {table} WHERE key IN
            (SELECT key FROM {table} WHERE key < ?1 ORDER BY key LIMIT ?2)"
    );
    let n_rows = i64::try_from(n_rows).unwrap_or(i64::MAX);
    connection.prepare_cached(&delete)?.execute(params![below, n_rows])
}

/// What the database takes, free pages apart, bytes.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Removes the oldest blocks while there is more than the budget. Returns how many.
pub(super) fn keep_budget(connection: &Connection, grid: &Grid) -> rusqlite::Result<usize> {
    let mut n_removed = 0;
    for _ in 0..PIECES {
        if used_bytes(connection)? <= grid.disk_bytes {
            break;
        }
        let Some(table) = oldest_table(connection)? else { break };
        n_removed += remove_oldest(connection, table, i64::MAX, BLOCKS)?;
    }
    Ok(n_removed)
}

/// Of two that are as old the fine one goes, as the coarse one says the same in fewer words.
fn oldest_table(connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
    let first = |table: &str| {
        let select = format!("SELECT min(key) FROM {table}");
        connection.query_row(&select, [], |row| row.get::<_, Option<i64>>(0))
    };
    let block = |key: Option<i64>| key.map(|key| of_key(key).0);
    Ok(match (block(first("fine")?), block(first("coarse")?)) {
        (None, None) => first("open_rows")?.map(|_| "open_rows"),
        (Some(fine), Some(coarse)) if coarse < fine => Some("coarse"),
        (Some(_), _) => Some("fine"),
        (None, Some(_)) => Some("coarse"),
    })
}

/// Gives free pages back to the disk where the file is larger than its budget.
pub(super) fn give_back(connection: &Connection, grid: &Grid) -> rusqlite::Result<()> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("page_count")? * pragma("page_size")? > grid.disk_bytes {
        let vacuum = format!("PRAGMA incremental_vacuum({PAGES})");
        let mut vacuum = connection.prepare(&vacuum)?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Removes all that is kept of these sets.
pub(super) fn forget(connection: &Connection, sets: &[i64]) -> rusqlite::Result<()> {
    for table in ["open_rows", "fine", "coarse"] {
        let Some((first, last)) = ends(connection, table)? else { continue };
        if last - first > NUMBERS_MAX {
            // A clock was far off: then the rows are looked through, one by one.
            let delete = format!("DELETE FROM {table} WHERE key & 4294967295 = ?1");
            sets.iter().try_for_each(|set| connection.execute(&delete, [set]).map(|_| ()))?;
            continue;
        }
        let delete = format!("DELETE FROM {table} WHERE key = ?1");
        let mut delete = connection.prepare_cached(&delete)?;
        for number in first..=last {
            for set in sets {
                delete.execute([key(number, *set)])?;
            }
        }
    }
    let mut delete = connection.prepare_cached("DELETE FROM sets WHERE no = ?1")?;
    sets.iter().try_for_each(|set| delete.execute([set]).map(|_| ()))
}
