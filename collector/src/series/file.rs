//! Opens `history.db`: its settings, its format, and what happens where it cannot be used.
//!
//! Rows are keyed by one number, the time above and the set of series below, so that what is
//! written together lies together, and what is too old is at one end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Says "this file is Herdbook's history" in the header of the database.
const APPLICATION_ID: i64 = 0x4845_5248;
/// How long a lock of a backup is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Blocks of an hour fill these well: eleven on a page, where 4 KiB would hold two.
const PAGE_BYTES: u32 = 16 * 1024;
/// The page cache, KiB, negative as SQLite wants it.
const CACHE_KIB: i64 = -2048;
/// After how many pages the log is folded into the database.
const CHECKPOINT_PAGES: u32 = 512;

/// What the newest format has.
const TABLES: [&str; 5] = ["meta", "sets", "open_rows", "fine", "coarse"];

/// What SQLite says where the tables are not those of the format.
const DAMAGE: [&str; 3] = ["no such table", "no such column", "malformed JSON"];

/// The formats, in order. A released step is never changed; a new one is added.
const STEPS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE sets (
        no INTEGER PRIMARY KEY AUTOINCREMENT, host_id TEXT NOT NULL, gpus TEXT NOT NULL,
        used INTEGER NOT NULL, UNIQUE (host_id, gpus)
    );
    CREATE TABLE open_rows (key INTEGER PRIMARY KEY, row BLOB NOT NULL);
    CREATE TABLE fine (key INTEGER PRIMARY KEY, block BLOB NOT NULL);
    CREATE TABLE coarse (key INTEGER PRIMARY KEY, block BLOB NOT NULL);
"];

/// The history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer herdbook-collector (format {found}; this one knows up to \
         {known}): install that version again, or move the file away", path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// It is a database, but none of ours.
    #[error("{} belongs to another program: move it away", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A damaged file cannot be moved away.
    #[error("failed to move {} aside", path.display())]
    Aside {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("failed to use the history")]
    Sqlite(#[from] rusqlite::Error),
}

impl HistoryError {
    /// Whether no space is left.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(error)
            if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Whether what is in the file cannot be believed.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_damage(error))
    }
}

/// Whether pages are damaged, or what stands in them is not what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
        // SQLite has one code for all of these.
        Some(ErrorCode::Unknown) => {
            let text = error.to_string();
            DAMAGE.iter().any(|words| text.contains(words))
        }
        Some(_) => false,
        None => matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        ),
    }
}

/// Opens or creates the history in steps of that many seconds. A damaged one is moved aside and
/// begun anew, as is one that was written in other steps.
pub(super) fn open(path: &Path, step_s: i64) -> Result<Connection, HistoryError> {
    match start(path, step_s) {
        Err(error) if error.is_corrupt() => {
            tracing::error!(%error, source = ?error, "the history is corrupt and begins anew");
            move_aside(path, "corrupt")?;
            start(path, step_s).map(|(connection, _)| connection)
        }
        Ok((connection, found)) if found != step_s => {
            tracing::warn!(found, step_s, "history.step_s was changed: the history begins anew");
            drop(connection);
            move_aside(path, &format!("step-{found}s"))?;
            start(path, step_s).map(|(connection, _)| connection)
        }
        opened => opened.map(|(connection, _)| connection),
    }
}

/// The database, and the step in which it was written.
fn start(path: &Path, step_s: i64) -> Result<(Connection, i64), HistoryError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    let journal_bytes = 2 * CHECKPOINT_PAGES * PAGE_BYTES;
    connection.pragma_update_and_check(None, "journal_size_limit", journal_bytes, |_| Ok(()))?;
    migrate(path, &mut connection, step_s)?;
    for table in TABLES {
        connection.prepare(&format!("SELECT * FROM {table}"))?;
    }
    let step_s = meta(&connection, "step_s")?;
    Ok((connection, step_s))
}

fn migrate(path: &Path, connection: &mut Connection, step_s: i64) -> Result<(), HistoryError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (found, application) = (pragma("user_version")?, pragma("application_id")?);
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let is_empty: bool =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && !is_empty {
        return Err(HistoryError::Foreign { path: path.to_owned() });
    }
    let done = match usize::try_from(found) {
        Ok(done) if done <= STEPS.len() => done,
        _ => return Err(HistoryError::Newer { path: path.to_owned(), found, known }),
    };
    if done == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    set_meta(&transaction, "step_s", step_s)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// A number that is kept beside the rows; 0 where there is none.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = select.query([key])?;
    rows.next()?.map_or(Ok(0), |row| row.get(0))
}

/// Keeps a number beside the rows.
pub(super) fn set_meta(connection: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    let upsert =
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.prepare_cached(upsert)?.execute((key, value)).map(|_| ())
}

/// Keeps the files for whoever wants to look, under a name that says why and when. Of those that
/// were moved for a reason like this one only these, the newest, stay.
pub(super) fn move_aside(path: &Path, why: &str) -> Result<(), HistoryError> {
    let aside = with_suffix(path, &format!(".{why}-{}", Timestamp::now().unix_ms()));
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match std::fs::rename(&from, to) {
            Err(source) if suffix.is_empty() || source.kind() != std::io::ErrorKind::NotFound => {
                return Err(HistoryError::Aside { path: from, source });
            }
            _ => {}
        }
    }
    tracing::warn!(moved_to = %aside.display(), "the old history was moved aside");
    let kind = why.split('-').next().unwrap_or(why);
    for path in older(path, kind, &aside) {
        match std::fs::remove_file(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "an older one was removed"),
            Err(error) => tracing::warn!(path = %path.display(), %error, "an older one stays"),
        }
    }
    Ok(())
}

/// The files that were moved aside for reasons of that kind before this one.
fn older(path: &Path, kind: &str, newest: &Path) -> Vec<PathBuf> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(prefix), Some(newest)) =
        (name(&with_suffix(path, &format!(".{kind}-"))), name(newest))
    else {
        return Vec::new();
    };
    let entries = path.parent().and_then(|dir| std::fs::read_dir(dir).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_older = |path: &PathBuf| {
        name(path).is_some_and(|name| name.starts_with(&prefix) && !name.starts_with(&newest))
    };
    paths.filter(is_older).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_fresh_one_has_the_newest_format_and_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        set_meta(&open(&path, 60).unwrap(), "mark", 7).unwrap();
        let connection = open(&path, 60).unwrap();
        assert_eq!(meta(&connection, "mark").unwrap(), 7);
        let page_bytes: i64 =
            connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        assert_eq!(page_bytes, i64::from(PAGE_BYTES));
    }

    #[test]
    fn a_damaged_one_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        assert_eq!(meta(&open(&path, 60).unwrap(), "step_s").unwrap(), 60);
        assert!(names(dir.path()).iter().any(|name| name.starts_with("history.db.corrupt-")));
    }

    #[test]
    fn one_of_other_steps_is_moved_aside_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        drop(open(&path, 60).unwrap());
        assert_eq!(meta(&open(&path, 10).unwrap(), "step_s").unwrap(), 10);
        assert!(names(dir.path()).iter().any(|name| name.starts_with("history.db.step-60s-")));
    }

    #[test]
    fn of_those_that_were_moved_aside_the_newest_of_each_kind_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        for old in ["corrupt-7", "corrupt-7-wal", "step-10s-7", "step-60s-8", "other-7"] {
            std::fs::write(with_suffix(&path, &format!(".{old}")), "").unwrap();
        }
        std::fs::write(&path, vec![7; 8192]).unwrap();
        drop(open(&path, 60).unwrap());
        drop(open(&path, 10).unwrap());
        let mut names = names(dir.path());
        names.sort();
        let stay =
            ["history.db", "history.db.corrupt-", "history.db.other-7", "history.db.step-60s-"];
        assert_eq!(names.len(), stay.len(), "{names:?}");
        assert!(names.iter().zip(stay).all(|(name, stay)| name.starts_with(stay)), "{names:?}");
        assert!(!names.iter().any(|name| name.ends_with("corrupt-7") || name.ends_with("s-8")));
    }

    #[test]
    fn a_newer_one_and_that_of_another_program_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        open(&path, 60).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(&path, 60).unwrap_err(), HistoryError::Newer { found: 99, .. }));
        let theirs = dir.path().join("theirs.db");
        Connection::open(&theirs).unwrap().execute("CREATE TABLE theirs (x)", []).unwrap();
        assert!(matches!(open(&theirs, 60).unwrap_err(), HistoryError::Foreign { .. }));
        assert_eq!(names(dir.path()).iter().filter(|name| name.contains("corrupt")).count(), 0);
    }
}
