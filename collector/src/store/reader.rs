//! Reads histories over connections of their own, which see what was committed and hold up
//! nobody: neither the writer nor, called from a thread that may wait, the sockets.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::audit::{self, AuditEntry, AuditVerdict};
use super::file::BUSY_TIMEOUT;
use super::history::{SessionRow, StatusRow, Whose};

/// Connections that are kept open while nobody reads.
const IDLE: usize = 2;

/// A history cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the history")]
pub struct ReadError(#[from] rusqlite::Error);

/// See the module's words.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// A row, and its number: newer rows have higher ones.
pub type Numbered<T> = (i64, T);

impl Reader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// The sessions of a host that ended, the last that was opened first, from the one before
    /// `before`.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn sessions(
        &self,
        host_id: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Numbered<SessionRow>>, ReadError> {
        let select = "SELECT seq, id, host_id, instance_id, boot_id, transport, remote_address,
                local_address, agent_version, opened_at, closed_at, close_reason, latency_ms, samples
            FROM sessions WHERE host_id = ?1 AND seq < ?2 AND closed_at IS NOT NULL
            ORDER BY seq DESC LIMIT ?3";
        self.read(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let bounds = params![host_id, before.unwrap_or(i64::MAX), count(limit)];
            select.query_map(bounds, session)?.collect()
        })
    }

    /// Changes of the status of a host or service, the latest first, from the one before `before`,
    /// with the gaps between them.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn statuses(
        &self,
        whose: &Whose,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Numbered<StatusRow>>, ReadError> {
        let select = "SELECT seq, at, was, now, cause, n_more FROM status_history
            WHERE kind = ?1 AND id = ?2 AND seq < ?3 AND seq > ?4 ORDER BY seq DESC LIMIT ?5";
        let before = before.unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut select = connection.prepare_cached(select)?;
            let (kind, id) = whose.columns();
            let own = params![kind, id, before, -1, count(limit)];
            let mut rows: Vec<_> = select.query_map(own, status)?.collect::<Result<_, _>>()?;
            // Gaps from before the subject was known are none of its history.
            let oldest = rows.last().map_or(i64::MAX, |(seq, _)| *seq);
            let gaps = params!["gap", "", before, oldest, count(limit)];
            let gaps: Vec<_> = select.query_map(gaps, status)?.collect::<Result<_, _>>()?;
            rows.extend(gaps);
            rows.sort_unstable_by_key(|(seq, _)| std::cmp::Reverse(*seq));
            rows.truncate(limit);
            Ok(rows)
        })
    }

    /// Rows of the audit log, the newest first, from the one before `before`.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>, ReadError> {
        self.read(|connection| audit::list(connection, before, limit))
    }

    /// Goes through the whole audit log: takes a second at its largest.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn verify_audit(&self) -> Result<AuditVerdict, ReadError> {
        self.read(audit::verify)
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        // One that failed is not kept: the next query begins with a fresh one.
        let answer = query(&connection)?;
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn session(row: &Row<'_>) -> rusqlite::Result<Numbered<SessionRow>> {
    let session = SessionRow {
        id: row.get(1)?,
        host_id: row.get(2)?,
        instance_id: row.get(3)?,
        boot_id: row.get(4)?,
        transport: row.get(5)?,
        remote_address: row.get(6)?,
        local_address: row.get(7)?,
        agent_version: row.get(8)?,
        opened_at: Timestamp::from_unix_ms(row.get(9)?),
        closed_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_unix_ms),
        close_reason: row.get(11)?,
        latency_ms: row.get::<_, Option<i64>>(12)?.map(i64::unsigned_abs),
        samples: row.get::<_, Option<i64>>(13)?.map(i64::unsigned_abs),
    };
    Ok((row.get(0)?, session))
}

fn status(row: &Row<'_>) -> rusqlite::Result<Numbered<StatusRow>> {
    let status = StatusRow {
        at: Timestamp::from_unix_ms(row.get(1)?),
        from: row.get(2)?,
        to: row.get(3)?,
        cause: row.get(4)?,
        n_more: row.get::<_, i64>(5)?.unsigned_abs(),
    };
    Ok((row.get(0)?, status))
}
