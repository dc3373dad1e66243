//! The one thread that writes. Batches that wait together share one transaction.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::file::{StateFile, connect};
use super::history::{self, BOUNDS, Entry};
use super::lock::Lock;
use super::{Row, RowKind, WriteError};

/// Rows after which no further batch joins a transaction.
const GROUP_ROWS: usize = 1000;

/// A batch, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) rows: Vec<Row>,
    pub(super) entries: Vec<Entry>,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

impl Job {
    fn n_rows(&self) -> usize {
        self.rows.len() + self.entries.len()
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    file: StateFile,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(file: StateFile, lock: Lock) -> Self {
        Self { file, _lock: lock }
    }

    /// Until the store is closed and its queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let group = gather(first, &mut queue);
            let result = self.write(&group);
            for job in group {
                // Whoever no longer waits has been told otherwise.
                let _ = job.done.send(result.clone());
            }
        }
        self.close();
    }

    fn write(&mut self, group: &[Job]) -> Result<(), WriteError> {
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

    fn try_write(&mut self, group: &[Job]) -> rusqlite::Result<()> {
        let connection = match &mut self.file.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.file.path, self.file.pages_max)?),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in group.iter().flat_map(|job| &job.rows) {
            put(&transaction, row)?;
        }
        for entry in group.iter().flat_map(|job| &job.entries) {
            history::put(&transaction, entry, &BOUNDS)?;
        }
        transaction.commit()
    }

    fn close(&mut self) {
        let Some(connection) = self.file.connection.take() else { return };
        let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = folded.and_then(|()| connection.close().map_err(|(_, error)| error)) {
            tracing::warn!(%error, "the write-ahead log stays beside the database");
        }
    }
}

fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut n_rows = first.n_rows();
    let mut group = vec![first];
    while n_rows < GROUP_ROWS
        && let Ok(next) = queue.try_recv()
    {
        n_rows += next.n_rows();
        group.push(next);
    }
    group
}

fn put(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let (insert, delete) = statements(row.kind);
    match &row.doc {
        Some(doc) => connection.prepare_cached(insert)?.execute(params![row.id, doc])?,
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
                " VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc"
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
    }
}
