//! The formats of `state.db`, in order. A released step is never changed; a new one is added.

use rusqlite::{Connection, TransactionBehavior};

/// Says "this file is Herdbook's" in the header of the database.
const APPLICATION_ID: i64 = 0x4845_5244;

const STEPS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE hosts (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
    CREATE TABLE services (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
    ",
    "
    CREATE TABLE sessions (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, host_id TEXT NOT NULL,
        instance_id TEXT NOT NULL, boot_id TEXT NOT NULL, transport TEXT NOT NULL,
        remote_address TEXT NOT NULL, local_address TEXT, agent_version TEXT NOT NULL,
        opened_at INTEGER NOT NULL, closed_at INTEGER, close_reason TEXT, latency_ms INTEGER,
        samples INTEGER
    );
    CREATE INDEX sessions_of_host ON sessions (host_id, seq);
    CREATE INDEX sessions_by_age ON sessions (opened_at);
    CREATE INDEX sessions_open ON sessions (seq) WHERE closed_at IS NULL;
    CREATE TABLE status_history (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
        was TEXT, now TEXT, cause TEXT, n_more INTEGER NOT NULL
    );
    CREATE INDEX status_of_subject ON status_history (kind, id, seq);
    CREATE INDEX status_by_age ON status_history (at);
    ",
    "
    ALTER TABLE hosts ADD COLUMN sum INTEGER;
    ALTER TABLE services ADD COLUMN sum INTEGER;
    CREATE TABLE alerts (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE silences (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE catalog_entries (
        id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER
    ) WITHOUT ROWID;
    ",
    "
    CREATE TABLE api_tokens (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE join_tokens (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE people (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE sign_ins (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE agent_keys (id TEXT PRIMARY KEY, doc TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, doc TEXT NOT NULL, hash BLOB NOT NULL
    );
    ",
];

/// Why a database is not brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    #[error("written by a newer version")]
    Newer { found: i64, known: i64 },
    #[error("not one of ours")]
    Foreign,
    #[error("a step failed")]
    Sqlite(#[from] rusqlite::Error),
}

/// The format that this version writes.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The format of a database of ours; `None` where it is empty.
pub(super) fn format_of(connection: &Connection) -> Result<Option<i64>, MigrateError> {
    let found: i64 = pragma(connection, "user_version")?;
    if is_empty(connection)? {
        return Ok(None);
    }
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(MigrateError::Foreign);
    }
    if (0..=newest()).contains(&found) {
        Ok(Some(found))
    } else {
        Err(MigrateError::Newer { found, known: newest() })
    }
}

/// Brings the database to the newest format, all steps or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), MigrateError> {
    let found = format_of(connection)?.unwrap_or(0);
    let known = newest();
    if found == known {
        return Ok(());
    }
    let done = usize::try_from(found).unwrap_or(0);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_database_gets_every_step_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(pragma(&connection, "user_version").unwrap(), STEPS.len() as i64);
        connection.execute("INSERT INTO hosts (id, doc) VALUES ('a', '{}')", []).unwrap();
    }

    #[test]
    fn a_database_of_the_first_version_gets_the_later_steps_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection.execute("INSERT INTO hosts (id, doc) VALUES ('a', '{}')", []).unwrap();
        migrate(&mut connection).unwrap();
        let count = |select: &str| connection.query_row(select, [], |row| row.get::<_, i64>(0));
        assert_eq!(count("SELECT count(*) FROM hosts").unwrap(), 1);
        assert_eq!(count("SELECT count(*) FROM sessions").unwrap(), 0);
        assert_eq!(count("SELECT count(*) FROM status_history").unwrap(), 0);
    }

    #[test]
    fn a_newer_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(matches!(error, MigrateError::Newer { found: 99, .. }), "{error}");
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute("CREATE TABLE theirs (x)", []).unwrap();
        assert!(matches!(migrate(&mut connection).unwrap_err(), MigrateError::Foreign));
    }
}
