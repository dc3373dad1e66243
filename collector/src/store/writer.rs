//! The one thread that writes. Batches that wait together share one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::file::{StateFile, connect};
use super::flush::{Batch, DirtySource, Extent};
use super::history::{self, BOUNDS, Entry};
use super::lock::Lock;
use super::snapshots::Snapshots;
use super::{Row, RowKind, WriteError, sum};

/// Rows after which no further batch joins a transaction.
const GROUP_ROWS: usize = 1000;

/// Something for the writer to do, and who waits for it.
#[derive(Debug)]
pub(super) enum Job {
    /// Keep these.
    Put(Put),
    /// Keep a batch of what a source has.
    Dirty(Dirty),
}

/// Rows to keep, all or none.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) rows: Vec<Row>,
    pub(super) entries: Vec<Entry>,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

/// A source to take from. Answered whether there is more.
pub(super) struct Dirty {
    pub(super) source: Arc<dyn DirtySource>,
    pub(super) extent: Extent,
    pub(super) done: oneshot::Sender<Result<bool, WriteError>>,
}

impl std::fmt::Debug for Dirty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dirty").field("extent", &self.extent).finish_non_exhaustive()
    }
}

impl Job {
    fn n_rows(&self) -> usize {
        match self {
            Self::Put(put) => put.rows.len() + put.entries.len(),
            Self::Dirty(_) => 0,
        }
    }
}

/// Jobs that share one transaction.
#[derive(Debug, Default)]
struct Group {
    puts: Vec<Put>,
    dirty: Vec<Dirty>,
    taken: Vec<Taken>,
    n_rows: usize,
}

/// What one source gave for a transaction, and who asked it to.
struct Taken {
    source: Arc<dyn DirtySource>,
    asked: Vec<Dirty>,
    batch: Batch,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut told = f.debug_struct("Taken");
        told.field("asked", &self.asked).field("batch", &self.batch).finish_non_exhaustive()
    }
}

pub(super) struct Writer {
    file: StateFile,
    /// Whose urgent entities are written for as long as there are some, without being asked: each
    /// that ever asked, of which a collector has two.
    sources: Vec<Arc<dyn DirtySource>>,
    /// Transactions since the last snapshot.
    n_since_snapshot: Arc<AtomicU64>,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(file: StateFile, n_since_snapshot: Arc<AtomicU64>, lock: Lock) -> Self {
        Self { file, sources: Vec::new(), n_since_snapshot, _lock: lock }
    }

    /// Until the store is closed and its queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut goes_on = false;
        loop {
            let first = if goes_on { queue.try_recv().ok() } else { queue.blocking_recv() };
            if first.is_none() && !goes_on {
                break;
            }
            let mut group = Group::of(first, &mut queue);
            self.take_dirty(&mut group);
            let result = self.write(&group);
            goes_on = result.is_ok() && self.has_urgent();
            Self::answer(group, &result);
        }
        self.close();
    }

    fn has_urgent(&self) -> bool {
        self.sources.iter().any(|source| source.has_urgent())
    }

    /// The last moment before the transaction: whatever came until now shares it. A batch of each
    /// source: of one that did not ask, what is urgent.
    fn take_dirty(&mut self, group: &mut Group) {
        for asked in &group.dirty {
            if !self.sources.iter().any(|known| Arc::ptr_eq(known, &asked.source)) {
                self.sources.push(Arc::clone(&asked.source));
            }
        }
        let max = GROUP_ROWS.saturating_sub(group.n_rows).max(1);
        for source in &self.sources {
            let is_its = |asked: &mut Dirty| Arc::ptr_eq(&asked.source, source);
            let asked: Vec<_> = group.dirty.extract_if(.., is_its).collect();
            let extent = asked.iter().map(|asked| asked.extent).max().unwrap_or(Extent::Urgent);
            let (source, batch) = (Arc::clone(source), source.take(extent, max));
            group.taken.push(Taken { source, asked, batch });
        }
    }

    fn answer(group: Group, result: &Result<(), WriteError>) {
        for Taken { source, asked, batch } in group.taken {
            let more = result.clone().map(|()| batch.is_cut);
            match result {
                Err(error) if !batch.rows.is_empty() => source.give_back(batch, error),
                // Nothing of this source went by with the transaction that failed.
                _ => source.kept(batch.through),
            }
            // Whoever no longer waits has been told otherwise.
            asked.into_iter().for_each(|asked| drop(asked.done.send(more.clone())));
        }
        for put in group.puts {
            let _ = put.done.send(result.clone());
        }
    }

    fn write(&mut self, group: &Group) -> Result<(), WriteError> {
        if group.is_empty() {
            return Ok(());
        }
        self.try_write(group).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => WriteError::DiskFull,
            _ => {
                // After a failed sync nothing is certain about what this connection has written;
                // a new one reads it back from the disk.
                self.file.connection = None;
                WriteError::Io(Arc::new(error))
            }
        })
    }

    fn try_write(&mut self, group: &Group) -> rusqlite::Result<()> {
        self.file.is_in_place()?;
        let connection = match &mut self.file.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.file.path, self.file.pages_max)?),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let put_rows = group.puts.iter().flat_map(|job| &job.rows);
        let taken_rows = group.taken.iter().flat_map(|taken| &taken.batch.rows);
        for row in put_rows.chain(taken_rows.map(|(_, row)| row)) {
            put(&transaction, row)?;
        }
        for entry in group.puts.iter().flat_map(|job| &job.entries) {
            history::put(&transaction, entry, &BOUNDS)?;
        }
        transaction.commit()?;
        self.n_since_snapshot.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn close(&mut self) {
        let Some(connection) = self.file.connection.take() else { return };
        let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = folded.and_then(|()| connection.close().map_err(|(_, error)| error)) {
            tracing::warn!(%error, "the write-ahead log stays beside the database");
        } else if self.n_since_snapshot.load(Ordering::Relaxed) > 0 {
            Snapshots::of(&self.file.path).take_at_stop();
        }
    }
}

impl Group {
    fn of(first: Option<Job>, queue: &mut mpsc::Receiver<Job>) -> Self {
        let mut group = Self::default();
        let mut next = first;
        while let Some(job) = next {
            group.n_rows += job.n_rows();
            match job {
                Job::Put(put) => group.puts.push(put),
                Job::Dirty(dirty) => group.dirty.push(dirty),
            }
            next = if group.n_rows < GROUP_ROWS { queue.try_recv().ok() } else { None };
        }
        group
    }

    fn is_empty(&self) -> bool {
        self.n_rows == 0 && self.taken.iter().all(|taken| taken.batch.rows.is_empty())
    }
}

fn put(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let (insert, delete) = statements(row.kind);
    match &row.doc {
        Some(doc) => {
            let sum = sum::of(&row.id, doc);
            connection.prepare_cached(insert)?.execute(params![row.id, doc, sum])?
        }
        None => connection.prepare_cached(delete)?.execute(params![row.id])?,
    };
    Ok(())
}

macro_rules! statements_of {
    ($table:literal) => {
        (
            concat!(
                "INSERT INTO ",
                $table,
                " (id, doc, sum) VALUES (?1, ?2, ?3) ON CONFLICT (id)
                    DO UPDATE SET doc = excluded.doc, sum = excluded.sum"
            ),
            concat!("DELETE FROM ", $table, " WHERE id = ?1"),
        )
    };
}

fn statements(kind: RowKind) -> (&'static str, &'static str) {
    match kind {
        RowKind::Host => statements_of!("hosts"),
        RowKind::Service => statements_of!("services"),
        RowKind::Alert => statements_of!("alerts"),
        RowKind::Silence => statements_of!("silences"),
        RowKind::CatalogEntry => statements_of!("catalog_entries"),
        RowKind::ApiToken => statements_of!("api_tokens"),
        RowKind::JoinToken => statements_of!("join_tokens"),
        RowKind::Person => statements_of!("people"),
        RowKind::SignIn => statements_of!("sign_ins"),
        RowKind::AgentKey => statements_of!("agent_keys"),
    }
}
