//! People, tokens and sign-ins: who is there and whose right holds at a moment. It neither waits
//! nor writes; what is kept of each is its document.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::password::Hashed;
use super::secret::{Digest, digest_of_text, digest_text};
use super::{Lapse, Role};
use crate::registry::encode::json;
use crate::store::{Row, RowKind};

const HOUR_MS: i64 = 3_600_000;
/// How long a sign-in lasts that is not used.
pub(super) const IDLE_MS: i64 = 12 * HOUR_MS;
/// How long a sign-in lasts.
pub(super) const WHOLE_MS: i64 = 7 * 24 * HOUR_MS;
/// How long a token is listed that was revoked or has expired.
const LISTED_MS: i64 = 30 * 24 * HOUR_MS;
/// When something was used last is kept to this precision.
const USED_MS: i64 = 60_000;

/// Somebody who may sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) password: Hashed,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) last_seen_at: Option<Timestamp>,
}

/// A token of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// The digest of its text.
    pub(super) digest: String,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) lapse: Lapse,
}

/// A sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SignIn {
    /// The digest of what the cookie holds.
    pub(super) digest: String,
    pub(super) person: Arc<str>,
    pub(super) created_at: Timestamp,
    pub(super) last_used_at: Timestamp,
    #[serde(skip)]
    pub(super) lapse: Lapse,
}

/// A person as the API tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Person")]
pub struct PersonView {
    /// By which they sign in.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
    /// Since when they may.
    pub created_at: Timestamp,
    /// Who let them.
    pub created_by: String,
    /// When they asked for something last, to the minute.
    pub last_seen_at: Option<Timestamp>,
}

/// Whether a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It holds.
    Active,
    /// Its time is over.
    Expired,
    /// An admin took it back.
    Revoked,
}

/// A token as the API tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ApiToken")]
pub struct TokenView {
    /// By which it is named; it proves nothing.
    pub id: Arc<str>,
    /// What it is for.
    pub name: Arc<str>,
    /// What it lets do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Until when it holds; `null`: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it holds.
    pub state: TokenState,
}

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) people: BTreeMap<Arc<str>, Person>,
    pub(super) tokens: BTreeMap<Arc<str>, Token>,
    by_digest: HashMap<Digest, Arc<str>>,
    pub(super) sign_ins: HashMap<Digest, SignIn>,
    /// Whose time of last use is newer than what is kept. What they are is asked for when that is
    /// written: it may have changed since.
    used: HashSet<Used>,
}

/// Something that was used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Used {
    Token(Arc<str>),
    SignIn(Digest),
    Person(Arc<str>),
}

impl Token {
    pub(super) fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    pub(super) fn view(&self, now: Timestamp) -> TokenView {
        let state = self.state(now);
        let Self { id, name, role, created_at, created_by, expires_at, last_used_at, .. } =
            self.clone();
        TokenView { id, name, role, created_at, created_by, expires_at, last_used_at, state }
    }

    pub(super) fn row(&self) -> Row {
        row(RowKind::ApiToken, &self.id, Some(json(self)))
    }

    fn is_listed(&self, now: Timestamp) -> bool {
        let over = self.revoked_at.or(self.expires_at.filter(|at| *at <= now));
        over.is_none_or(|at| now.ms_since(at) < LISTED_MS)
    }
}

impl Person {
    pub(super) fn view(&self) -> PersonView {
        let Self { name, role, created_at, created_by, last_seen_at, .. } = self.clone();
        PersonView { name, role, created_at, created_by, last_seen_at }
    }

    pub(super) fn row(&self) -> Row {
        row(RowKind::Person, &self.name, Some(json(self)))
    }
}

impl SignIn {
    /// Until when it lasts if it is not used again.
    pub(super) fn expires_at(&self) -> Timestamp {
        let idle = self.last_used_at.unix_ms().saturating_add(IDLE_MS);
        let whole = self.created_at.unix_ms().saturating_add(WHOLE_MS);
        Timestamp::from_unix_ms(idle.min(whole))
    }

    pub(super) fn row(&self) -> Row {
        row(RowKind::SignIn, &self.digest, Some(json(self)))
    }
}

pub(super) fn row(kind: RowKind, id: &str, doc: Option<String>) -> Row {
    Row { kind, id: id.to_owned(), doc }
}

/// What the store kept. A document that cannot be read costs itself: its right is gone.
fn read<T: for<'de> Deserialize<'de>>(docs: &[String], what: &'static str) -> Vec<T> {
    let all: Vec<T> = docs.iter().filter_map(|doc| serde_json::from_str(doc).ok()).collect();
    let n_unreadable = docs.len() - all.len();
    if n_unreadable > 0 {
        tracing::error!(n_unreadable, what, "left out what cannot be read");
    }
    all
}

impl Book {
    pub(super) fn of_docs(people: &[String], tokens: &[String], sign_ins: &[String]) -> Self {
        let mut book = Self::default();
        let people = read::<Person>(people, "people").into_iter();
        book.people = people.map(|one| (Arc::clone(&one.name), one)).collect();
        read(tokens, "tokens").into_iter().for_each(|token| book.put_token(token));
        read(sign_ins, "sign-ins").into_iter().for_each(|sign_in| book.put_sign_in(sign_in));
        book
    }

    pub(super) fn put_token(&mut self, token: Token) {
        if let Some(digest) = digest_of_text(&token.digest) {
            self.by_digest.insert(digest, Arc::clone(&token.id));
            self.tokens.insert(Arc::clone(&token.id), token);
        }
    }

    pub(super) fn put_sign_in(&mut self, sign_in: SignIn) {
        if let Some(digest) = digest_of_text(&sign_in.digest) {
            self.sign_ins.insert(digest, sign_in);
        }
    }

    pub(super) fn has_admin(&self) -> bool {
        self.people.values().any(|person| person.role == Role::Admin)
    }

    /// Whether nobody is left who may do everything, if this one may not.
    pub(super) fn is_last_admin(&self, name: &str) -> bool {
        let is_admin = |person: &Person| person.role == Role::Admin;
        self.people.get(name).is_some_and(is_admin)
            && !self.people.values().any(|person| is_admin(person) && &*person.name != name)
    }

    /// The token of this digest, if it holds; notes that it was used.
    pub(super) fn use_token(&mut self, digest: &Digest, now: Timestamp) -> Option<&Token> {
        let token = self.tokens.get_mut(self.by_digest.get(digest)?)?;
        if token.state(now) != TokenState::Active || token.lapse.is_ended() {
            return None;
        }
        if token.last_used_at.is_none_or(|at| now.ms_since(at) >= USED_MS) {
            token.last_used_at = Some(now);
            self.used.insert(Used::Token(Arc::clone(&token.id)));
        }
        Some(token)
    }

    /// The sign-in of this digest and its person, if it holds; notes that it was used.
    pub(super) fn use_sign_in(
        &mut self,
        digest: &Digest,
        now: Timestamp,
    ) -> Option<(&Person, &SignIn)> {
        let sign_in = self.sign_ins.get_mut(digest)?;
        let person = self.people.get_mut(&sign_in.person)?;
        if sign_in.expires_at() <= now || sign_in.lapse.is_ended() {
            return None;
        }
        if now.ms_since(sign_in.last_used_at) >= USED_MS {
            sign_in.last_used_at = now;
            person.last_seen_at = Some(now);
            self.used.insert(Used::SignIn(*digest));
            self.used.insert(Used::Person(Arc::clone(&person.name)));
        }
        Some((person, sign_in))
    }

    /// Those of a person, used longest ago first.
    pub(super) fn sign_ins_of(&self, name: &str) -> Vec<Digest> {
        let own = self.sign_ins.iter().filter(|(_, sign_in)| &*sign_in.person == name);
        let mut own: Vec<_> = own.map(|(digest, one)| (one.last_used_at, *digest)).collect();
        own.sort_unstable();
        own.into_iter().map(|(_, digest)| digest).collect()
    }

    /// Whoever was used longest ago of all.
    pub(super) fn oldest_sign_in(&self) -> Option<Digest> {
        self.sign_ins.iter().min_by_key(|(_, one)| one.last_used_at).map(|(digest, _)| *digest)
    }

    /// Ends sign-ins, and those who use them.
    pub(super) fn end_sign_ins(&mut self, digests: &[Digest]) {
        for sign_in in digests.iter().filter_map(|digest| self.sign_ins.remove(digest)) {
            sign_in.lapse.end();
        }
    }

    /// Ends who uses the sign-ins of a person, which go on: the next request has other rights.
    pub(super) fn renew_sign_ins_of(&mut self, name: &str) {
        for sign_in in self.sign_ins.values_mut().filter(|one| &*one.person == name) {
            std::mem::take(&mut sign_in.lapse).end();
        }
    }

    pub(super) fn remove_person(&mut self, name: &str) {
        self.people.remove(name);
        self.end_sign_ins(&self.sign_ins_of(name));
    }

    /// Ends those whose time is over: for tokens their users alone, as they are listed on.
    pub(super) fn lapse(&mut self, now: Timestamp) {
        for token in self.tokens.values().filter(|one| one.state(now) != TokenState::Active) {
            token.lapse.end();
        }
        for sign_in in self.sign_ins.values().filter(|one| one.expires_at() <= now) {
            sign_in.lapse.end();
        }
    }

    /// What is no longer to be kept.
    pub(super) fn over(&self, now: Timestamp) -> Vec<Row> {
        let tokens = self.tokens.values().filter(|one| !one.is_listed(now));
        let tokens = tokens.map(|one| row(RowKind::ApiToken, &one.id, None));
        let is_over =
            |one: &&SignIn| one.expires_at() <= now || !self.people.contains_key(&one.person);
        let sign_ins = self.sign_ins.values().filter(is_over);
        tokens.chain(sign_ins.map(|one| row(RowKind::SignIn, &one.digest, None))).collect()
    }

    /// Lets go of what is no longer kept.
    pub(super) fn forget(&mut self, rows: &[Row]) {
        for row in rows {
            match row.kind {
                RowKind::ApiToken => {
                    if let Some(token) = self.tokens.remove(row.id.as_str()) {
                        self.by_digest.retain(|_, id| *id != token.id);
                    }
                }
                _ => self.end_sign_ins(digest_of_text(&row.id).as_slice()),
            }
        }
    }

    /// What was used since this was asked last, as it is now; nothing of what is gone.
    pub(super) fn take_used(&mut self) -> Vec<Row> {
        let used = std::mem::take(&mut self.used);
        used.iter().filter_map(|used| self.row_of(used)).collect()
    }

    fn row_of(&self, used: &Used) -> Option<Row> {
        match used {
            Used::Token(id) => self.tokens.get(id).map(Token::row),
            Used::SignIn(digest) => self.sign_ins.get(digest).map(SignIn::row),
            Used::Person(name) => self.people.get(name).map(Person::row),
        }
    }
}

/// The digest as it stands in a document.
pub(super) fn text_of(digest: &Digest) -> String {
    digest_text(digest)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
