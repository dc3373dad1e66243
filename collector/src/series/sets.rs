//! Which series a row holds: those of one host with these GPUs. A number stands for the two, so
//! that each row does not have to name them.

use std::collections::HashMap;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

/// Most sets of one host; one whose GPUs change more often is kept without them.
const SETS_MAX: usize = 16;

/// The sets of all hosts, as the database has them.
#[derive(Debug, Default)]
pub(super) struct Sets {
    of_host: HashMap<String, Vec<Set>>,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) no: i64,
    pub(super) gpus: Vec<Box<str>>,
    /// The last block for which rows of it were written.
    used: i64,
}

impl Sets {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut select =
            connection.prepare("SELECT no, host_id, gpus, used FROM sets ORDER BY no")?;
        let mut rows = select.query([])?;
        let mut of_host: HashMap<String, Vec<Set>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let gpus = gpus(row, 2)?;
            let set = Set { no: row.get(0)?, gpus, used: row.get(3)? };
            of_host.entry(row.get(1)?).or_default().push(set);
        }
        Ok(Self { of_host })
    }

    pub(super) fn len(&self) -> usize {
        self.of_host.values().map(Vec::len).sum()
    }

    /// The set of a host with these GPUs, made where there is none; one without GPUs where the
    /// host has too many. It is used in this block.
    pub(super) fn get_or_make(
        &mut self,
        connection: &Connection,
        host_id: &str,
        gpus: &[Box<str>],
        block: i64,
    ) -> rusqlite::Result<Set> {
        let known = self.of_host.get_mut(host_id).map(Vec::as_mut_slice).unwrap_or_default();
        let find = |gpus: &[Box<str>]| known.iter().position(|set| set.gpus == gpus);
        let gpus = if known.len() < SETS_MAX || find(gpus).is_some() { gpus } else { &[] };
        if let Some(place) = find(gpus) {
            return known[place].used_in(connection, block);
        }
        let text = serde_json::to_string(gpus).unwrap_or_default();
        let insert = "INSERT INTO sets (host_id, gpus, used) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(insert)?.execute(params![host_id, text, block])?;
        let set = Set { no: connection.last_insert_rowid(), gpus: gpus.to_vec(), used: block };
        self.of_host.entry(host_id.to_owned()).or_default().push(set.clone());
        Ok(set)
    }

    /// The numbers of a host's sets, which are forgotten.
    pub(super) fn take(&mut self, host_id: &str) -> Vec<i64> {
        let sets = self.of_host.remove(host_id).unwrap_or_default();
        sets.into_iter().map(|set| set.no).collect()
    }

    /// Forgets one that holds nothing any more.
    pub(super) fn remove(&mut self, no: i64) {
        self.of_host.values_mut().for_each(|sets| sets.retain(|set| set.no != no));
        self.of_host.retain(|_, sets| !sets.is_empty());
    }
}

impl Set {
    /// Writes it down once a block: what is not used for long is taken away.
    fn used_in(&mut self, connection: &Connection, block: i64) -> rusqlite::Result<Self> {
        if self.used < block {
            let used = "UPDATE sets SET used = ?2 WHERE no = ?1";
            connection.prepare_cached(used)?.execute([self.no, block])?;
            self.used = block;
        }
        Ok(self.clone())
    }
}

/// The GPUs of a set. Without them its rows mean nothing.
fn gpus(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Box<str>>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// The sets of one host, as a reader finds them.
pub(super) fn of_host(connection: &Connection, host_id: &str) -> rusqlite::Result<Vec<Set>> {
    let select = "SELECT no, gpus, used FROM sets WHERE host_id = ?1 ORDER BY no";
    let mut select = connection.prepare_cached(select)?;
    let set = |row: &Row<'_>| {
        let gpus = gpus(row, 1)?;
        Ok(Set { no: row.get(0)?, gpus, used: row.get(2)? })
    };
    select.query_map([host_id], set)?.collect()
}
