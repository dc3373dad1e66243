//! What survives a restart: `state.db`, one SQLite file with one writer.
//!
//! It knows ids and documents, not what is in them. Rows are whole entities, latest wins, so a
//! lost write is healed by the next one. Sessions and changes of status are added as they happen,
//! in tables of their own, and so is the audit log.

mod aside;
mod audit;
pub mod backup;
mod copy;
mod error;
mod file;
mod flush;
mod history;
mod lock;
mod migrations;
mod place;
mod reader;
mod said;
mod snapshots;
mod sum;
mod waiting;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

pub use audit::{AuditEntry, AuditHead, AuditRow, AuditVerdict, DETAIL_BYTES};
pub use error::{OpenError, WriteError};
pub use flush::{Batch, DirtySource, Extent, flush};
pub use history::{Entry, SessionRow, StatusRow, Whose};
pub use reader::{Numbered, ReadError, Reader};
pub use said::Said;
pub use snapshots::keep_snapshots;
pub use waiting::Waiting;

use audit::Fold;
use writer::{Dirty, Job, Put, Writer};

/// The name of the database in its directory.
const DATABASE: &str = "state.db";
/// Batches that may wait for the writer; more wait in [`Store::write`].
const QUEUE: usize = 64;
/// How long the last write may take before the directory is left as it is.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// Most pages of `state.db`, 4 KiB each: 4 GiB, hundreds of times what 10,000 hosts need.
const PAGES_MAX: u32 = 1 << 20;

/// The open store. One at a time a directory.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    state: watch::Sender<StoreState>,
    n_since_snapshot: Arc<AtomicU64>,
    fold: Fold,
    writer: Option<std::thread::JoinHandle<()>>,
}

/// What the store held when it was opened.
#[derive(Debug, Default)]
pub struct Loaded {
    /// This collector's id, a random UUID made once.
    pub collector_id: String,
    /// The document of each host, JSON.
    pub hosts: Vec<String>,
    /// The document of each service, JSON.
    pub services: Vec<String>,
    /// The document of each alert that is kept, JSON.
    pub alerts: Vec<String>,
    /// The document of each silence, JSON.
    pub silences: Vec<String>,
    /// The document of each entry that a catalog got while running, JSON.
    pub catalog_entries: Vec<String>,
    /// The document of each API token, JSON.
    pub api_tokens: Vec<String>,
    /// The document of each token by which hosts join, JSON.
    pub join_tokens: Vec<String>,
    /// The document of each person, JSON.
    pub people: Vec<String>,
    /// The document of each sign-in, JSON.
    pub sign_ins: Vec<String>,
    /// The document of each agent's key, JSON.
    pub agent_keys: Vec<String>,
}

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// A host.
    Host,
    /// A service.
    Service,
    /// An alert.
    Alert,
    /// A silence.
    Silence,
    /// An entry that a catalog got while running.
    CatalogEntry,
    /// A token of a program that uses the API.
    ApiToken,
    /// A token by which hosts join.
    JoinToken,
    /// A person who may sign in.
    Person,
    /// A sign-in of a person that has not ended.
    SignIn,
    /// The key of an agent.
    AgentKey,
}

/// One entity as it shall be kept; no document deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: RowKind,
    /// Its id.
    pub id: String,
    /// Its document, JSON.
    pub doc: Option<String>,
}

/// How the store does, for `/readyz` and the page's banner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// What is written is kept.
    #[default]
    Ok,
    /// The disk is full. What changes is kept in memory and written when space returns.
    DiskFull,
    /// Writing fails for another reason, which the log tells.
    Failing,
}

impl StoreState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::DiskFull, Self::Failing];

    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::DiskFull => "disk_full",
            Self::Failing => "failing",
        }
    }
}

impl Store {
    /// Opens or creates the store in `dir`, brings it up to date and reads it.
    ///
    /// A corrupt database is moved aside, with one line in the log, and a fresh one begins.
    ///
    /// # Errors
    ///
    /// [`OpenError`], in words for whoever started the program.
    pub fn open(dir: &Path) -> Result<(Self, Loaded), OpenError> {
        Self::open_bounded(dir, PAGES_MAX)
    }

    /// [`Store::open`] with a bound of its own, so that tests reach it.
    pub(crate) fn open_bounded(dir: &Path, pages_max: u32) -> Result<(Self, Loaded), OpenError> {
        let lock = lock::take(dir)?;
        let path = dir.join(DATABASE);
        let (file, loaded) = file::open(&path, pages_max)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let n_since_snapshot = Arc::<AtomicU64>::default();
        let writer = Writer::new(file, Arc::clone(&n_since_snapshot), lock);
        let thread = std::thread::Builder::new().name("store".to_owned());
        let writer = thread
            .spawn(move || writer.run(queue))
            .map_err(|source| OpenError::Directory { dir: dir.to_owned(), source })?;
        let state = watch::Sender::new(StoreState::Ok);
        let fold = Fold::new(Instant::now());
        Ok((Self { path, jobs, state, n_since_snapshot, fold, writer: Some(writer) }, loaded))
    }

    /// Batches that wait for the writer.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Keeps `rows`, all or none; answered once they are on the disk.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: nothing of the batch was kept.
    pub async fn write(&self, rows: Vec<Row>) -> Result<(), WriteError> {
        self.put(rows, Vec::new()).await
    }

    /// Adds what happened, all or nothing; answered once it is on the disk.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: nothing of the batch was kept.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), WriteError> {
        self.put(Vec::new(), entries).await
    }

    /// Keeps `rows` and adds what happened, all or nothing; answered once both are on the disk.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: nothing of the batch was kept.
    pub async fn commit(&self, rows: Vec<Row>, entries: Vec<Entry>) -> Result<(), WriteError> {
        self.put(rows, entries).await
    }

    /// Reads what was appended, however busy the writer is.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.path.clone())
    }

    /// Puts rows and entries into the writer's queue, which keeps their order; they are on the disk
    /// once the receipt says so.
    ///
    /// # Errors
    ///
    /// [`WriteError::Closed`].
    pub async fn enqueue(
        &self,
        rows: Vec<Row>,
        entries: Vec<Entry>,
    ) -> Result<Receipt, WriteError> {
        let (done, answer) = oneshot::channel();
        let now = Instant::now();
        let told = |entry| match entry {
            Entry::Audit(row) => self.fold.pass(row, now).map(Entry::Audit),
            entry => Some(entry),
        };
        let entries = entries.into_iter().filter_map(told).collect();
        let job = Job::Put(Put { rows, entries, done });
        self.jobs.send(job).await.map_err(|_| WriteError::Closed)?;
        Ok(Receipt(answer))
    }

    async fn put(&self, rows: Vec<Row>, entries: Vec<Entry>) -> Result<(), WriteError> {
        self.enqueue(rows, entries).await?.written().await
    }

    /// Keeps a batch of what this source has, and says whether there is more.
    async fn write_dirty(
        &self,
        source: &Arc<dyn DirtySource>,
        extent: Extent,
    ) -> Result<bool, WriteError> {
        let (done, answer) = oneshot::channel();
        let job = Job::Dirty(Dirty { source: Arc::clone(source), extent, done });
        self.jobs.send(job).await.map_err(|_| WriteError::Closed)?;
        answer.await.unwrap_or(Err(WriteError::Closed))
    }

    /// How the store does, and that it changes.
    #[must_use]
    pub fn watch_state(&self) -> watch::Receiver<StoreState> {
        self.state.subscribe()
    }

    /// How the store does.
    #[must_use]
    pub fn state(&self) -> StoreState {
        *self.state.borrow()
    }

    /// Writes what is queued, folds the log into the database and lets go of the directory; a disk
    /// that hangs is waited for no longer than 10 s.
    pub async fn close(self) {
        self.close_within(CLOSE_WITHIN).await;
    }

    async fn close_within(mut self, within: Duration) {
        let writer = self.stop();
        // The writer may be waiting for a slow disk: that wait is not the runtime's.
        let joining = tokio::task::spawn_blocking(move || join(writer));
        let error = match timeout(within, joining).await {
            Ok(Ok(())) => return,
            Ok(Err(broke)) => broke.to_string(),
            Err(late) => late.to_string(),
        };
        tracing::error!(error, "the store did not close");
    }

    fn stop(&mut self) -> Option<std::thread::JoinHandle<()>> {
        // Replacing the sender closes the queue, which ends the writer once it is empty.
        self.jobs = mpsc::channel(1).0;
        self.writer.take()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        join(self.stop());
    }
}

fn join(writer: Option<std::thread::JoinHandle<()>>) {
    if writer.is_some_and(|writer| writer.join().is_err()) {
        tracing::error!("the store's writer panicked");
    }
}

/// Of what waits for the writer.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<(), WriteError>>);

impl Receipt {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: nothing of the batch was kept.
    pub async fn written(self) -> Result<(), WriteError> {
        self.0.await.unwrap_or(Err(WriteError::Closed))
    }
}

impl Row {
    /// How large its document is.
    #[must_use]
    pub fn doc_bytes(&self) -> usize {
        self.doc.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod formats_tests;
#[cfg(test)]
mod tests;
