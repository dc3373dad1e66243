//! What happened, as rows that are only ever added: sessions and changes of status. They are
//! pruned by age and number, a bounded part with each batch, so that no pass holds up the writer.

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::audit::{self, AUDIT_BOUNDS, AuditRow};

/// Why a session ended whose collector ended without telling.
const LOST: &str = "collector_lost";
/// Why a session ended whose end was among the changes that were missed.
const MISSED: &str = "not_seen";
/// Of this many new rows of statuses one has the older ones of its subject counted.
const COUNTED_EVERY: i64 = 64;

/// Whose history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// A host, by id.
    Host(String),
    /// A service, by id.
    Service(String),
}

/// Something to remember.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A session was opened, or ended.
    Session(SessionRow),
    /// A status changed.
    Status(Whose, StatusRow),
    /// Changes were missed: nobody knows what they were, nor which sessions ended by them.
    Gap(Timestamp, String),
    /// Somebody is gone, and the history goes too.
    Forget(Whose),
    /// The collector lived then.
    Alive(Timestamp),
    /// What is too old then, or too much, is to be removed.
    Prune(Timestamp),
    /// Somebody did something that the audit log tells.
    Audit(AuditRow),
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Session")]
#[expect(missing_docs, reason = "the fields of the session, documented there")]
pub struct SessionRow {
    pub id: String,
    pub host_id: String,
    pub instance_id: String,
    pub boot_id: String,
    pub transport: String,
    pub remote_address: String,
    pub local_address: Option<String>,
    pub agent_version: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub close_reason: Option<String>,
    pub latency_ms: Option<u64>,
    pub samples: Option<u64>,
}

/// A change of status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "StatusChange")]
pub struct StatusRow {
    /// When.
    pub at: Timestamp,
    /// What it was; `None`: nothing was known.
    pub from: Option<String>,
    /// What it became; `None`: changes were missed here, and it may have been anything.
    pub to: Option<String>,
    /// Why.
    pub cause: Option<String>,
    /// How many more changes lie between `from` and `to`, too many to be written.
    pub n_more: u64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) sessions_a_host: i64,
    pub(super) sessions: i64,
    pub(super) sessions_ms: i64,
    pub(super) statuses_a_subject: i64,
    pub(super) statuses: i64,
    pub(super) statuses_ms: i64,
    /// Rows of each kind that one pass removes: more than come in with one batch.
    pub(super) a_pass: i64,
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Sessions: 1,000 a host, 90 days, a million in all. Statuses: 5,000 a host or service, 30 days,
/// two million in all. The whole stays below 1.5 GB.
pub(super) const BOUNDS: Bounds = Bounds {
    sessions_a_host: 1_000,
    sessions: 1_000_000,
    sessions_ms: 90 * DAY_MS,
    statuses_a_subject: 5_000,
    statuses: 2_000_000,
    statuses_ms: 30 * DAY_MS,
    a_pass: 1_000,
};

impl Whose {
    pub(super) fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Host(id) => ("host", id),
            Self::Service(id) => ("service", id),
        }
    }
}

/// Writes one entry.
pub(super) fn put(connection: &Connection, entry: &Entry, bounds: &Bounds) -> rusqlite::Result<()> {
    match entry {
        Entry::Session(row) => put_session(connection, row, bounds),
        Entry::Status(whose, row) => put_status(connection, whose.columns(), row, bounds),
        Entry::Gap(at, cause) => {
            close_open(connection, *at, MISSED)?;
            let cause = Some(cause.clone());
            let row = StatusRow { at: *at, from: None, to: None, cause, n_more: 0 };
            put_status(connection, ("gap", ""), &row, bounds)
        }
        Entry::Forget(whose) => forget(connection, whose),
        Entry::Alive(at) => put_alive(connection, *at),
        Entry::Prune(at) => prune(connection, *at, bounds),
        Entry::Audit(row) => audit::put(connection, row, &AUDIT_BOUNDS),
    }
}

fn put_session(connection: &Connection, row: &SessionRow, bounds: &Bounds) -> rusqlite::Result<()> {
    let insert = "INSERT INTO sessions (id, host_id, instance_id, boot_id, transport,
            remote_address, local_address, agent_version, opened_at, closed_at, close_reason,
            latency_ms, samples)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at,
            close_reason = excluded.close_reason, latency_ms = excluded.latency_ms,
            samples = excluded.samples";
    connection.prepare_cached(insert)?.execute(params![
        row.id,
        row.host_id,
        row.instance_id,
        row.boot_id,
        row.transport,
        row.remote_address,
        row.local_address,
        row.agent_version,
        row.opened_at.unix_ms(),
        row.closed_at.map(Timestamp::unix_ms),
        row.close_reason,
        row.latency_ms.map(whole),
        row.samples.map(whole),
    ])?;
    if row.closed_at.is_none() {
        return Ok(());
    }
    let too_many = "DELETE FROM sessions WHERE host_id = ?1 AND seq <= (SELECT seq FROM sessions
        WHERE host_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    let bound = params![row.host_id, bounds.sessions_a_host];
    connection.prepare_cached(too_many)?.execute(bound).map(|_| ())
}

fn put_status(
    connection: &Connection,
    (kind, id): (&str, &str),
    row: &StatusRow,
    bounds: &Bounds,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO status_history (kind, id, at, was, now, cause, n_more)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (at, n_more) = (row.at.unix_ms(), whole(row.n_more));
    let values = params![kind, id, at, row.from, row.to, row.cause, n_more];
    connection.prepare_cached(insert)?.execute(values)?;
    if connection.last_insert_rowid() % COUNTED_EVERY != 0 {
        return Ok(());
    }
    let too_many = "DELETE FROM status_history WHERE kind = ?1 AND id = ?2 AND seq <= (
        SELECT seq FROM status_history WHERE kind = ?1 AND id = ?2
        ORDER BY seq DESC LIMIT 1 OFFSET ?3)";
    let bound = params![kind, id, bounds.statuses_a_subject];
    connection.prepare_cached(too_many)?.execute(bound).map(|_| ())
}

fn forget(connection: &Connection, whose: &Whose) -> rusqlite::Result<()> {
    let (kind, id) = whose.columns();
    if let Whose::Host(_) = whose {
        let sessions = "DELETE FROM sessions WHERE host_id = ?1";
        connection.prepare_cached(sessions)?.execute(params![id])?;
    }
    let statuses = "DELETE FROM status_history WHERE kind = ?1 AND id = ?2";
    connection.prepare_cached(statuses)?.execute(params![kind, id]).map(|_| ())
}

fn put_alive(connection: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta VALUES ('alive_at', ?1)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(put)?.execute(params![at.unix_ms().to_string()]).map(|_| ())
}

/// Removes the oldest rows that are too old or too many. Their number is told from the numbers of
/// the first and the last, which is never less than it is.
fn prune(connection: &Connection, at: Timestamp, bounds: &Bounds) -> rusqlite::Result<()> {
    let tables = [
        ("sessions", "opened_at", bounds.sessions_ms, bounds.sessions),
        ("status_history", "at", bounds.statuses_ms, bounds.statuses),
    ];
    for (table, at_column, age_ms, n_max) in tables {
        let too_old = format!(
            "DELETE FROM {table} WHERE seq IN (
                SELECT seq FROM {table} WHERE {at_column} < ?1 ORDER BY {at_column} LIMIT ?2)"
        );
        let since = at.unix_ms().saturating_sub(age_ms);
        connection.prepare_cached(&too_old)?.execute(params![since, bounds.a_pass])?;
        let too_many = format!(
            "DELETE FROM {table} WHERE seq IN (
                SELECT seq FROM {table} WHERE seq <= (SELECT max(seq) FROM {table}) - ?1
                ORDER BY seq LIMIT ?2)"
        );
        connection.prepare_cached(&too_many)?.execute(params![n_max, bounds.a_pass])?;
    }
    Ok(())
}

/// Ends the sessions that were open when the collector did, at the last time that it is known to
/// have lived.
pub(super) fn close_lost(connection: &Connection) -> rusqlite::Result<usize> {
    let alive = "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'alive_at'";
    let alive_at = connection.query_row(alive, [], |row| row.get(0))?;
    close_open(connection, Timestamp::from_unix_ms(alive_at), LOST)
}

fn close_open(connection: &Connection, at: Timestamp, why: &str) -> rusqlite::Result<usize> {
    let close = "UPDATE sessions SET closed_at = max(opened_at, ?1), close_reason = ?2
        WHERE closed_at IS NULL";
    connection.prepare_cached(close)?.execute(params![at.unix_ms(), why])
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
