//! Opens `state.db`: its settings, its format, its contents, and what happens where it is damaged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::history::close_lost;
use super::migrations::{MigrateError, migrate};
use super::{Loaded, OpenError};

/// SQLite before this may lose data where it resets its write-ahead log.
const SQLITE_MIN: i32 = 3_051_003;
/// How long a lock of a reader or of a backup is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache, KiB, negative as SQLite wants it.
const CACHE_KIB: i64 = -256;
/// What is kept of the write-ahead log after a checkpoint, bytes.
const JOURNAL_BYTES: u32 = 64 * 1024 * 1024;

/// A database that can be opened again with the same settings.
#[derive(Debug)]
pub(super) struct StateFile {
    pub(super) path: PathBuf,
    pub(super) pages_max: u32,
    pub(super) connection: Option<Connection>,
}

/// Opens, checks, migrates and reads the database, a fresh one where it is damaged.
pub(super) fn open(path: &Path, pages_max: u32) -> Result<(StateFile, Loaded), OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    let opened = match start(path, pages_max) {
        Err(Damage::Corrupt(source)) => {
            move_aside(path, &source)?;
            start(path, pages_max)
        }
        other => other,
    };
    let (connection, loaded) = opened.map_err(|damage| damage.in_words(path))?;
    let file = StateFile { path: path.to_owned(), pages_max, connection: Some(connection) };
    Ok((file, loaded))
}

/// Why a database cannot be used as it is.
enum Damage {
    Corrupt(rusqlite::Error),
    Refused(MigrateError),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Damage {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A header that no version writes, a table that should be there, or a value that is
            // not of its type.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            | None => Self::Corrupt(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<MigrateError> for Damage {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Sqlite(error) => error.into(),
            refused => Self::Refused(refused),
        }
    }
}

impl Damage {
    fn in_words(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Refused(MigrateError::Newer { found, known }) => {
                OpenError::Newer { path, found, known }
            }
            Self::Refused(MigrateError::Foreign) => OpenError::Foreign { path },
            Self::Refused(MigrateError::Sqlite(source))
            | Self::Corrupt(source)
            | Self::Failed(source) => {
                if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
                    OpenError::DiskFull { path }
                } else {
                    OpenError::Sqlite { path, source }
                }
            }
        }
    }
}

fn start(path: &Path, pages_max: u32) -> Result<(Connection, Loaded), Damage> {
    let mut connection = connect(path, pages_max)?;
    check(&connection)?;
    migrate(&mut connection)?;
    if let Err(error) = close_lost(&connection) {
        // Of a full disk, say: they are not shown as open, and ended at the next start.
        tracing::warn!(%error, "sessions that were open at the last end stay so in the history");
    }
    let loaded = load(&connection)?;
    Ok((connection, loaded))
}

/// A connection with the store's settings, also after a failure that made the last one useless.
pub(super) fn connect(path: &Path, pages_max: u32) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Whole entities are written and, but for the start, never read: a small cache will do.
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update_and_check(None, "journal_size_limit", JOURNAL_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
    Ok(connection)
}

fn check(connection: &Connection) -> Result<(), Damage> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(Damage::Corrupt(rusqlite::Error::SqliteFailure(code, Some(verdict))))
}

/// Keeps the damaged files for whoever wants to look, under a name that says when.
fn move_aside(path: &Path, source: &rusqlite::Error) -> Result<(), OpenError> {
    let stamp = Timestamp::now().unix_ms();
    let aside = with_suffix(path, &format!(".corrupt-{stamp}"));
    tracing::error!(
        path = %path.display(), moved_to = %aside.display(), error = %source,
        "the database is corrupt: it was moved aside and a fresh one begins"
    );
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match std::fs::rename(&from, &to) {
            Err(error) if suffix.is_empty() || error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::Directory { dir: from, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    Ok(Loaded {
        collector_id: collector_id(connection)?,
        hosts: documents(connection, "SELECT doc FROM hosts ORDER BY id")?,
        services: documents(connection, "SELECT doc FROM services ORDER BY id")?,
        alerts: documents(connection, "SELECT doc FROM alerts ORDER BY id")?,
        silences: documents(connection, "SELECT doc FROM silences ORDER BY id")?,
        catalog_entries: documents(connection, "SELECT doc FROM catalog_entries ORDER BY id")?,
    })
}

fn collector_id(connection: &Connection) -> rusqlite::Result<String> {
    let select = "SELECT value FROM meta WHERE key = 'collector_id'";
    if let Some(id) = connection.query_row(select, [], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let id = uuid::Uuid::new_v4().to_string();
    connection.execute("INSERT INTO meta VALUES ('collector_id', ?1)", params![id])?;
    Ok(id)
}

/// A document that is no text any more is one entity lost, not the start.
fn documents(connection: &Connection, select: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query([])?;
    let (mut documents, mut n_unreadable) = (Vec::new(), 0_u64);
    while let Some(row) = rows.next()? {
        match row.get_ref(0)?.as_str() {
            Ok(text) => documents.push(text.to_owned()),
            Err(_) => n_unreadable += 1,
        }
    }
    if n_unreadable > 0 {
        tracing::error!(n_unreadable, select, "left out documents that are no text");
    }
    Ok(documents)
}
