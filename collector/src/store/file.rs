//! Opens `state.db`: its settings, its format, its contents, and what happens where it is damaged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::aside::{make_room, remove_parts};
use super::copy::{CopyError, Pace, copy, open_source};
use super::history::close_lost;
use super::migrations::{MigrateError, format_of, migrate, newest};
use super::place::FileId;
use super::snapshots::Snapshots;
use super::{Loaded, OpenError, sum};

/// SQLite before this may lose data where it resets its write-ahead log.
const SQLITE_MIN: i32 = 3_051_003;
/// How long a lock of a reader or of a backup is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache, KiB, negative as SQLite wants it: what the largest transactions touch. In a
/// smaller one pages are read again, and written twice, before the transaction is over.
const CACHE_KIB: i64 = -2000;
/// What is kept of the write-ahead log after a checkpoint, bytes.
const JOURNAL_BYTES: u32 = 64 * 1024 * 1024;

/// A database that can be opened again with the same settings.
#[derive(Debug)]
pub(super) struct StateFile {
    pub(super) path: PathBuf,
    pub(super) pages_max: u32,
    pub(super) connection: Option<Connection>,
    /// Which file was opened.
    pub(super) id: FileId,
}

/// Opens, checks, migrates and reads the database, a fresh one where it is damaged.
pub(super) fn open(path: &Path, pages_max: u32) -> Result<(StateFile, Loaded), OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    remove_parts(path);
    let opened = if is_lost(path) {
        tracing::error!(path = %path.display(), "the database is gone");
        start_again(path, pages_max)
    } else if is_emptied(path) {
        tracing::error!(path = %path.display(), "the database is empty, and once was not");
        start_again(path, pages_max)
    } else {
        match start(path, pages_max) {
            Err(Damage::Corrupt(source)) => {
                move_aside(path, &source)?;
                start_again(path, pages_max)
            }
            other => other,
        }
    };
    let (connection, loaded) = opened.map_err(|damage| damage.in_words(path))?;
    let id =
        FileId::of(path).map_err(|source| OpenError::Directory { dir: path.to_owned(), source })?;
    let file = StateFile { path: path.to_owned(), pages_max, connection: Some(connection), id };
    Ok((file, loaded))
}

/// Why a database cannot be used as it is.
enum Damage {
    Corrupt(rusqlite::Error),
    Refused(MigrateError),
    Failed(rusqlite::Error),
    NotCopied(CopyError),
}

impl From<CopyError> for Damage {
    fn from(error: CopyError) -> Self {
        Self::NotCopied(error)
    }
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
            Self::NotCopied(CopyError::DiskFull { .. }) => OpenError::DiskFull { path },
            Self::NotCopied(source) => OpenError::NotKept { path, source },
            Self::Refused(MigrateError::Sqlite(source))
            | Self::Corrupt(source)
            | Self::Failed(source) => {
                if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
                    OpenError::DiskFull { path }
                } else {
                    OpenError::Sqlite { path, source: source.into() }
                }
            }
        }
    }
}

fn start(path: &Path, pages_max: u32) -> Result<(Connection, Loaded), Damage> {
    let mut connection = connect(path, pages_max)?;
    check(&connection)?;
    keep_old(&connection, path)?;
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
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update_and_check(None, "journal_size_limit", JOURNAL_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
    Ok(connection)
}

/// Keeps a database of an older format as it is, beside the one that is brought up to date, and
/// none that is older still.
fn keep_old(connection: &Connection, path: &Path) -> Result<(), Damage> {
    let Some(found) = format_of(connection)?.filter(|found| *found < newest()) else {
        return Ok(());
    };
    let kept = with_suffix(path, &format!(".format-{found}"));
    copy(connection, &kept, Pace::Fast)?;
    tracing::info!(path = %kept.display(), "kept the database as it was, in format {found}");
    for older in 0..found {
        // Most likely there is none.
        let _ = std::fs::remove_file(with_suffix(path, &format!(".format-{older}")));
    }
    Ok(())
}

/// What SQLite finds wrong with a database, or `ok`.
pub(super) fn verdict(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

fn check(connection: &Connection) -> Result<(), Damage> {
    let verdict = verdict(connection)?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(Damage::Corrupt(rusqlite::Error::SqliteFailure(code, Some(verdict))))
}

/// Whether there was a database once, and no longer is.
fn is_lost(path: &Path) -> bool {
    !path.exists() && !Snapshots::of(path).all().is_empty()
}

/// Whether there was something in the database once, and no longer is.
fn is_emptied(path: &Path) -> bool {
    is_blank(path) && !Snapshots::of(path).all().is_empty()
}

/// Whether it is a database with nothing in it, no table even. One that is damaged is not.
fn is_blank(path: &Path) -> bool {
    path.exists() && open_source(path).is_ok_and(|file| matches!(format_of(&file), Ok(None)))
}

/// Starts from the newest snapshot that is whole, else from nothing.
fn start_again(path: &Path, pages_max: u32) -> Result<(Connection, Loaded), Damage> {
    let snapshots = Snapshots::of(path);
    for (at, snapshot) in snapshots.all() {
        let name = snapshot.display();
        remove(path);
        if let Err(error) = snapshots.put_in_place(&snapshot) {
            tracing::error!(snapshot = %name, %error, "a snapshot cannot be put in place");
            continue;
        }
        if is_blank(path) {
            tracing::error!(snapshot = %name, "a snapshot is empty");
            continue;
        }
        match start(path, pages_max) {
            Err(Damage::Corrupt(error)) => {
                tracing::error!(snapshot = %name, %error, "a snapshot is damaged as well");
            }
            started => {
                tracing::warn!(
                    snapshot = %name, made_at = %at,
                    "goes on from a snapshot: what changed by hand since then is to be done again"
                );
                return started;
            }
        }
    }
    remove(path);
    tracing::warn!("there is no snapshot that is whole: a fresh database begins");
    start(path, pages_max)
}

/// Keeps the damaged files for whoever wants to look, under a name that says when.
fn move_aside(path: &Path, source: &rusqlite::Error) -> Result<(), OpenError> {
    make_room(path, "corrupt");
    let stamp = Timestamp::now().unix_ms();
    let aside = with_suffix(path, &format!(".corrupt-{stamp}"));
    tracing::error!(
        path = %path.display(), moved_to = %aside.display(), error = %source,
        "the database is corrupt: it was moved aside"
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

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) {
    for suffix in ["-wal", "-shm", ""] {
        // What is not there is what is wanted; what stays is found when it is opened.
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
}

fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    Ok(Loaded {
        collector_id: collector_id(connection)?,
        hosts: documents(connection, "hosts")?,
        services: documents(connection, "services")?,
        alerts: documents(connection, "alerts")?,
        silences: documents(connection, "silences")?,
        catalog_entries: documents(connection, "catalog_entries")?,
        api_tokens: documents(connection, "api_tokens")?,
        join_tokens: documents(connection, "join_tokens")?,
        people: documents(connection, "people")?,
        sign_ins: documents(connection, "sign_ins")?,
        agent_keys: documents(connection, "agent_keys")?,
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

/// A document that is no longer what was written is one entity lost, not the start.
fn documents(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare(&format!("SELECT id, doc, sum FROM {table} ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let (mut documents, mut n_damaged) = (Vec::new(), 0_u64);
    while let Some(row) = rows.next()? {
        match (row.get_ref(0)?.as_str(), row.get_ref(1)?.as_str(), row.get_ref(2)?) {
            (Ok(id), Ok(doc), sum) if is_sum_of(sum, id, doc) => documents.push(doc.to_owned()),
            _ => n_damaged += 1,
        }
    }
    if n_damaged > 0 {
        tracing::error!(n_damaged, table, "left out documents that the disk has changed");
    }
    Ok(documents)
}

/// Rows of the first formats have no sum, until they are written again.
fn is_sum_of(sum: ValueRef<'_>, id: &str, doc: &str) -> bool {
    match sum {
        ValueRef::Null => true,
        ValueRef::Integer(sum) => sum == sum::of(id, doc),
        _ => false,
    }
}
