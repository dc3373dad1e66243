//! Who may get in: people, tokens of programs and sign-ins, as they are kept and as they hold now.
//! What is given is on the disk before it holds; what is taken back is on the disk before it ends,
//! and ends at once then for whoever is using it.

mod people;
mod rates;
mod sign_in;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::book::Book;
use super::first_admin::FirstAdmin;
use super::password::Hasher;
use super::secret::Digest;
use super::{Caller, Principal, Who, audited};
use crate::config::{Config, Proxy};
use crate::secret::Secret;
use crate::store::{AuditRow, Entry, Loaded, Row, Store, WriteError};

pub use sign_in::SignedIn;

use rates::Rates;

/// How soon a right ends whose time is over.
const LAPSE_EVERY: Duration = Duration::from_millis(500);
/// After so many of these, what was used is written.
const KEEP_EVERY: u32 = 120;

/// See the module's words.
#[derive(Debug)]
pub struct Access {
    store: Arc<Store>,
    /// Owns what is done for a request and goes on when whoever sent it hangs up.
    tasks: TaskTracker,
    demands_credentials: bool,
    proxy: Proxy,
    book: Mutex<Book>,
    /// Held by whoever changes it, until that is on the disk.
    changing: tokio::sync::Mutex<()>,
    first_admin: Mutex<Option<FirstAdmin>>,
    hasher: Hasher,
    rates: Rates,
}

/// Something about people, tokens or sign-ins was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A field has a value that is not allowed.
    #[error("{field} must be {expected}")]
    Wrong {
        /// Which.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// There is such a person.
    #[error("there is a person of this name already")]
    Exists,
    /// There is no such person.
    #[error("there is no such person")]
    NoPerson,
    /// There are too many.
    #[error("there are too many already: remove some")]
    Full,
    /// Nobody would be left who may do everything.
    #[error("this is the last admin: make another person admin first")]
    LastAdmin,
    /// The name or the password is wrong, and nobody is told which.
    #[error("the name or the password is wrong")]
    Refused,
    /// Too often.
    #[error("too many tries to sign in: wait, also with the right password")]
    Limited(Duration),
    /// The code of the first admin is wrong, or over.
    #[error(
        "the code is wrong, used or over; a new one is printed when the collector starts again"
    )]
    BadCode,
    /// There is an admin.
    #[error("there is an admin already: sign in")]
    HasAdmin,
    /// Whoever asks has no password.
    #[error("only a person who signed in has a password to change")]
    NotAPerson,
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// It could not be kept.
    #[error("it could not be kept")]
    Write(#[from] WriteError),
}

impl Access {
    /// What the store kept, under these rules.
    #[must_use]
    pub fn new(config: &Config, loaded: &Loaded, store: Arc<Store>, tasks: TaskTracker) -> Self {
        let rules = (config.demands_credentials(), config.proxy.clone());
        Self::with_rules(rules, loaded, store, tasks)
    }

    /// The same, where no file says so.
    pub(crate) fn with_rules(
        (demands_credentials, proxy): (bool, Proxy),
        loaded: &Loaded,
        store: Arc<Store>,
        tasks: TaskTracker,
    ) -> Self {
        let book = Book::of_docs(&loaded.people, &loaded.api_tokens, &loaded.sign_ins);
        Self {
            store,
            tasks,
            demands_credentials,
            proxy,
            book: Mutex::new(book),
            changing: tokio::sync::Mutex::default(),
            first_admin: Mutex::default(),
            hasher: Hasher::default(),
            rates: Rates::default(),
        }
    }

    /// Whether even whoever is on this machine needs credentials.
    #[must_use]
    pub fn demands_credentials(&self) -> bool {
        self.demands_credentials
    }

    /// Whether somebody has to become the first admin.
    #[must_use]
    pub fn needs_first_admin(&self) -> bool {
        self.demands_credentials && !self.book().has_admin()
    }

    /// The code by which the first admin signs up, where one is needed: to be printed, once a
    /// start.
    #[must_use]
    pub fn first_admin_code(&self) -> Option<Secret> {
        if !self.needs_first_admin() {
            return None;
        }
        let (first, code) = FirstAdmin::new(Instant::now())?;
        *self.first_admin() = Some(first);
        Some(code)
    }

    /// Ends rights whose time is over, and keeps when they were used, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(LAPSE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looking = async {
            for n in 1_u32.. {
                ticks.tick().await;
                self.book().lapse(Timestamp::now());
                if n % KEEP_EVERY == 0 {
                    self.keep_used().await;
                }
            }
        };
        stop.run_until_cancelled(looking).await;
        self.keep_used().await;
    }

    /// Runs what is done for a request to its end, though whoever sent it may hang up: what is on
    /// the disk must hold, and what was done must be told.
    pub async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.tasks.spawn(work).await.ok()
    }

    /// Adds a row to the audit log.
    ///
    /// # Errors
    ///
    /// Where it could not be kept.
    pub async fn note(&self, row: AuditRow) -> Result<(), WriteError> {
        self.store.append(vec![Entry::Audit(row)]).await
    }

    /// Takes out what is over and writes when the rest was used. What cannot be written now is
    /// found again, or is a time of last use that is a little old.
    async fn keep_used(&self) {
        let _changing = self.changing.lock().await;
        let (over, used) = {
            let mut book = self.book();
            (book.over(Timestamp::now()), book.take_used())
        };
        let rows: Vec<_> = used.into_iter().chain(over.iter().cloned()).collect();
        if !rows.is_empty() && self.store.write(rows).await.is_ok() {
            self.book().forget(&over);
        }
    }

    /// Keeps rows with what the audit log tells of them, then lets them hold.
    async fn change(
        &self,
        rows: Vec<Row>,
        told: AuditRow,
        apply: impl FnOnce(&mut Book),
    ) -> Result<(), AccessError> {
        audited(&self.store, rows, told).await?;
        apply(&mut self.book());
        Ok(())
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The program whose token has this digest.
    pub(super) fn by_token(&self, digest: &Digest) -> Option<Caller> {
        let mut book = self.book();
        let token = book.use_token(digest, Timestamp::now())?;
        let who = Who::Token { id: Arc::clone(&token.id), name: Arc::clone(&token.name) };
        Some(Caller {
            lapse: token.lapse.clone(),
            expires_at: token.expires_at,
            ..Caller::of(Principal::Known { role: token.role, who })
        })
    }

    /// The person whose sign-in has this digest.
    pub(super) fn by_sign_in(&self, digest: &Digest) -> Option<Caller> {
        let mut book = self.book();
        let (person, sign_in) = book.use_sign_in(digest, Timestamp::now())?;
        let who = Who::Person(Arc::clone(&person.name));
        Some(Caller {
            lapse: sign_in.lapse.clone(),
            expires_at: Some(sign_in.expires_at()),
            sign_in: Some(*digest),
            ..Caller::of(Principal::Known { role: person.role, who })
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_admin(&self) -> MutexGuard<'_, Option<FirstAdmin>> {
        self.first_admin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock for all who are let in, so that tests need not wait.
    #[cfg(test)]
    pub(crate) fn lapse_at(&self, now: Timestamp) {
        self.book().lapse(now);
    }
}

#[cfg(test)]
#[path = "access/kept_tests.rs"]
mod kept_tests;
#[cfg(test)]
#[path = "access/tests.rs"]
mod tests;
