//! How a host that nobody knows becomes one that is trusted: join lines, the keys of agents, and
//! those that wait for a person. Read in this order: what a token and a key are, who waits, the
//! book that decides, and this, which keeps what is decided before it holds.
//!
//! A key that is let in is on the disk before its agent is welcomed; one that is revoked is on the
//! disk before anybody is told so, and its connections end with that.

mod glob;
mod proof;
mod token;

mod door;
mod key;
mod live;
mod tries;

mod book;
mod refusal;
mod revoked;

mod admin;
mod pass;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Knock;
use herdbook_shared::wire::hello::{Hello, Refused};
use ipnet::IpNet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Enrol;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;
use crate::store::{AuditRow, Entry, Row, RowKind, Store};

pub use admin::{AgentError, By, Made, TokenError};
pub use glob::PATTERN_BYTES;
pub use key::{AgentView, How, KeyState};
pub use pass::Pass;
pub use proof::Asked;
pub use revoked::RevokedError;
pub use token::{JoinToken, TokenOrder, TokenState};

use book::{Book, Claim, Claimed, Writing, token_key};
use key::AgentKey;
use proof::fingerprint_of;
use refusal::Refusal;
use revoked::RevokedFile;

/// Most keys, revoked ones included.
const KEYS_MAX: usize = 50_000;
/// Most tokens that are kept, those that are over included.
const TOKENS_MAX: usize = 1_000;
/// How often an agent that waits knocks again.
const PENDING_RETRY_MS: u64 = 10_000;

/// See the module's words.
#[derive(Debug)]
pub struct Enrolment {
    book: Mutex<Book>,
    /// Held from a decision until it is in the writer's queue, so that rows of one token reach the
    /// disk in the order in which it was used.
    order: tokio::sync::Mutex<()>,
    store: Arc<Store>,
    registry: Arc<Registry>,
    revoked: Arc<RevokedFile>,
}

/// What the store kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Docs<'a> {
    /// The tokens of join lines.
    pub tokens: &'a [String],
    /// The keys of agents.
    pub keys: &'a [String],
}

impl Enrolment {
    /// As it was when the collector stopped. A document that cannot be read costs itself.
    ///
    /// # Errors
    ///
    /// Where nobody knows which keys were revoked.
    pub fn of_dir(
        dir: &Path,
        (rule, auto_approve): (Enrol, Vec<IpNet>),
        docs: Docs<'_>,
        store: Arc<Store>,
        registry: Arc<Registry>,
    ) -> Result<Self, RevokedError> {
        let (file, revoked) = RevokedFile::of_dir(dir)?;
        let mut book = Book::new(rule, auto_approve, Instant::now());
        book.revoke_all(revoked);
        let keys = read::<AgentKey>(docs.keys, "keys of agents");
        keys.into_iter().for_each(|key| book.hold(key));
        let tokens = read::<JoinToken>(docs.tokens, "tokens of join lines").into_iter();
        book.tokens = tokens.map(|token| (token.hash, token)).collect();
        let (book, order) = (Mutex::new(book), tokio::sync::Mutex::default());
        Ok(Self { book, order, store, registry, revoked: Arc::new(file) })
    }

    /// Whether whoever knocks is asked for a proof.
    ///
    /// # Errors
    ///
    /// What to tell it instead.
    pub fn knock(&self, knock: &Knock, from: IpAddr) -> Result<(), Refused> {
        let now = (Timestamp::now(), Instant::now());
        let knocked = self.book().knock(knock, from, now);
        knocked.map_err(|(refusal, new)| {
            if let Some(waiting) = new {
                let view = waiting.view(knock.fingerprint);
                tracing::info!(
                    fingerprint = %view.fingerprint, name = &*view.name, %from,
                    "an agent waits to be approved"
                );
                self.tell(ChangeKind::HostPending);
            }
            refusal.told()
        })
    }

    /// Lets an agent in that proves who it is. What is new is on the disk then.
    ///
    /// # Errors
    ///
    /// What to tell it instead.
    pub async fn admit(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        asked: Asked,
        (host_id, hello): (&HostId, &Hello),
        from: IpAddr,
        ending: CancellationToken,
    ) -> Result<Pass, Refused> {
        let claim = claim(fingerprint, asked, (host_id, hello), from);
        let claim = claim.map_err(|refusal| refusal.told())?;
        let rotate = self.claim(claim).await.map_err(|refusal| refusal.told())?;
        Ok(Pass::new(Arc::clone(self), fingerprint, asked, rotate, ending))
    }

    async fn claim(&self, claim: Claim) -> Result<bool, Refusal> {
        let now = (Timestamp::now(), Instant::now());
        // Whoever is known waits for nobody: a fleet that comes back is not held up by a disk.
        if let Some(rotate) = self.book().claim_known(&claim)? {
            return Ok(rotate);
        }
        let order = self.order.lock().await;
        let claimed = self.book().claim(claim, now)?;
        let writing = match claimed {
            Claimed::Known { rotate } => return Ok(rotate),
            Claimed::New(writing) => *writing,
        };
        let reserved = Reserved { enrolment: self, writing: Some(writing) };
        reserved.write(order, now.0).await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, kind: ChangeKind) {
        self.registry.tell_agent(kind, Moment::now());
    }
}

/// What was reserved for one agent: it is settled or given back, whatever becomes of whoever waits.
struct Reserved<'a> {
    enrolment: &'a Enrolment,
    writing: Option<Writing>,
}

impl Reserved<'_> {
    async fn write(
        mut self,
        order: tokio::sync::MutexGuard<'_, ()>,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        let Some(writing) = &self.writing else { return Ok(false) };
        let registry = &self.enrolment.registry;
        let host_id = writing.key.host_id.as_ref();
        let was_listed = host_id.is_some_and(|id| registry.host(id.as_str()).is_some());
        let (rows, entry) = (rows_of(writing), joined(&writing.key, was_listed, at));
        let queued = self.enrolment.store.enqueue(rows, vec![entry]).await;
        drop(order);
        let written = match queued {
            Ok(receipt) => receipt.written().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "an agent was not let in: its key cannot be kept");
            return Err(Refusal::NotKept);
        }
        let Some(writing) = self.writing.take() else { return Ok(false) };
        let (fingerprint, rotate) = (writing.key.fingerprint, writing.key.rotate);
        let view = {
            let mut book = self.enrolment.book();
            book.settle(writing);
            book.view(&fingerprint, at)
        };
        if let Some(view) = view {
            tracing::info!(%fingerprint, name = &*view.name, how = ?view.how, "an agent joined");
            self.enrolment.tell(ChangeKind::HostApproved);
        }
        Ok(rotate)
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            self.enrolment.book().give_back(&writing);
        }
    }
}

/// Whether it proves what it says, and what it wants then.
fn claim(
    fingerprint: Fingerprint,
    asked: Asked,
    (host_id, hello): (&HostId, &Hello),
    from: IpAddr,
) -> Result<Claim, Refusal> {
    let proof = hello.proof.as_ref().ok_or(Refusal::BadProof)?;
    let is_key = fingerprint_of(&proof.public_key) == fingerprint;
    if !is_key || !asked.holds(proof, &hello.host_id) {
        return Err(Refusal::BadProof);
    }
    Ok(Claim {
        fingerprint,
        public_key: proof.public_key,
        host_id: host_id.clone(),
        name: hello.name.as_str().into(),
        token: token_key(proof.token.as_deref()),
        from,
    })
}

fn rows_of(writing: &Writing) -> Vec<Row> {
    let token = writing.token.as_ref().map(token_row);
    token.into_iter().chain([key_row(&writing.key)]).collect()
}

fn key_row(key: &AgentKey) -> Row {
    let doc = crate::registry::encode::json(key);
    Row { kind: RowKind::AgentKey, id: key.fingerprint.to_string(), doc: Some(doc) }
}

fn token_row(token: &JoinToken) -> Row {
    let doc = crate::registry::encode::json(token);
    Row { kind: RowKind::JoinToken, id: token.id.to_string(), doc: Some(doc) }
}

/// That an agent was let in, for the log of acts: the act of whoever let it.
fn joined(key: &AgentKey, was_listed: bool, at: Timestamp) -> Entry {
    let token = key.token.as_ref().map_or_else(String::new, |id| format!(", join token {id}"));
    let before = if was_listed { ", a host that was listed before without this key" } else { "" };
    let detail = format!("{}{token}, approved by {}{before}", key.name, key.approved_by);
    Entry::Audit(AuditRow {
        at,
        actor: format!("agent {}", key.fingerprint),
        action: "joinAgent".to_owned(),
        subject: key.host_id.as_ref().map(ToString::to_string),
        from_address: Some(key.from_address.to_string()),
        detail,
    })
}

fn read<T: serde::de::DeserializeOwned>(docs: &[String], what: &str) -> Vec<T> {
    let read = docs.iter().filter_map(|doc| serde_json::from_str(doc).ok());
    let all: Vec<T> = read.collect();
    let n_unreadable = docs.len() - all.len();
    if n_unreadable > 0 {
        tracing::error!(n_unreadable, what, "left out what is stored and cannot be read");
    }
    all
}
