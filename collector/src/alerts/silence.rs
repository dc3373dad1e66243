//! Silences: of which alerts nobody wants to be told, and until when. They change nothing of the
//! alerts themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use herdbook_shared::limits::WORD_BYTES;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::registry::Registry;
use crate::registry::alert::{Alert, SubjectKind};
use crate::registry::encode::json;
use crate::registry::finding::Severity;
use crate::registry::service::Word;
use crate::store::{Row, RowKind, Store, WriteError};

use super::Rule;

/// Most silences at one time.
pub(super) const SILENCES_MAX: usize = 1_000;
/// Longest comment, bytes.
pub(super) const COMMENT_BYTES: usize = 4 * 1024;
/// The longest silence, milliseconds: a year. For ever is what `enabled = false` is for.
const LONGEST_MS: i64 = 366 * 86_400_000;

/// Which alerts are silenced: those for which all of what is said here is so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "SilenceMatcher")]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// Of this rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Rule>")]
    pub rule: Option<String>,
    /// Of this severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Severity>")]
    pub severity: Option<String>,
    /// About this.
    #[serde(skip_serializing_if = "MatcherSubject::is_empty")]
    pub subject: MatcherSubject,
    /// About a host or service with this label, or a service on such a host: `key` or `key=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What an alert is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "SilenceSubject")]
#[serde(default, deny_unknown_fields)]
pub struct MatcherSubject {
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SubjectKind>")]
    pub kind: Option<String>,
    /// With this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// With this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Silence {
    /// A random UUID.
    pub id: Arc<str>,
    /// Which alerts.
    pub matcher: Matcher,
    /// Until when.
    pub until: Timestamp,
    /// Why, for people.
    pub comment: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// A silence was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// A field has a value that is not allowed.
    #[error("{field} must be {expected}")]
    Wrong {
        /// Which.
        field: &'static str,
        /// What it may be.
        expected: String,
    },
    /// There are too many.
    #[error("there are {SILENCES_MAX} silences already: delete some")]
    Full,
    /// It could not be kept.
    #[error("it could not be kept")]
    Write(#[from] WriteError),
}

/// All silences. They are read without a lock.
#[derive(Debug)]
pub struct Silences {
    registry: Arc<Registry>,
    all: ArcSwap<BTreeMap<Arc<str>, Arc<Silence>>>,
    /// Held by whoever changes them, until that is on the disk.
    changing: Mutex<()>,
}

impl Silences {
    /// What the store kept. A document that cannot be read costs itself.
    #[must_use]
    pub fn of_docs(docs: &[String], registry: Arc<Registry>) -> Self {
        let read = docs.iter().map(|doc| serde_json::from_str::<Silence>(doc));
        let silences: Vec<Silence> = read.filter_map(Result::ok).collect();
        let n_unreadable = docs.len() - silences.len();
        if n_unreadable > 0 {
            tracing::error!(n_unreadable, "left out stored silences that cannot be read");
        }
        let by_id = silences.into_iter().map(|one| (Arc::clone(&one.id), Arc::new(one)));
        let all = ArcSwap::from_pointee(by_id.collect());
        Self { registry, all, changing: Mutex::default() }
    }

    /// The silence for which this alert is not told to anybody now: the one that lasts longest.
    #[must_use]
    pub fn silenced_by(&self, alert: &Alert, now: Timestamp) -> Option<Arc<str>> {
        let all = self.all.load();
        let matching = all.values().filter(|one| one.until > now && self.matches(one, alert));
        matching.max_by_key(|one| one.until).map(|one| Arc::clone(&one.id))
    }

    /// Those that still hold, in the order of their ids.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<Arc<Silence>> {
        self.all.load().values().filter(|one| one.until > now).cloned().collect()
    }

    /// Adds one, and returns it once it is on the disk.
    ///
    /// # Errors
    ///
    /// [`SilenceError`]: it does not hold.
    pub async fn add(
        &self,
        store: &Store,
        matcher: Matcher,
        until: Timestamp,
        comment: String,
        now: Timestamp,
    ) -> Result<Arc<Silence>, SilenceError> {
        matcher.check()?;
        check(until, &comment, now)?;
        let _changing = self.changing.lock().await;
        if self.list(now).len() >= SILENCES_MAX {
            return Err(SilenceError::Full);
        }
        let id: Arc<str> = Uuid::new_v4().to_string().into();
        let silence = Arc::new(Silence { id, matcher, until, comment, created_at: now });
        let gone = self.in_the_way(now);
        let rows = gone.iter().map(|id| row(id, None));
        store.write(rows.chain([row(&silence.id, Some(json(&*silence)))]).collect()).await?;
        self.change(|all| {
            all.retain(|id, _| gone.as_ref() != Some(id));
            all.insert(Arc::clone(&silence.id), Arc::clone(&silence));
        });
        Ok(silence)
    }

    /// The one that was over first, where those that are over, and are kept a while in case the
    /// clock is wrong, take the room of another.
    fn in_the_way(&self, now: Timestamp) -> Option<Arc<str>> {
        let all = self.all.load();
        let over = all.values().filter(|one| one.until <= now);
        let first = over.min_by_key(|one| one.until).map(|one| Arc::clone(&one.id));
        first.filter(|_| all.len() >= SILENCES_MAX)
    }

    /// Removes one, and returns once that is on the disk. `false`: there is none.
    ///
    /// # Errors
    ///
    /// Where that could not be kept: it goes on to hold.
    pub async fn remove(&self, store: &Store, id: &str) -> Result<bool, SilenceError> {
        let _changing = self.changing.lock().await;
        if !self.all.load().contains_key(id) {
            return Ok(false);
        }
        store.write(vec![row(id, None)]).await?;
        self.change(|all| drop(all.remove(id)));
        Ok(true)
    }

    /// Lets go of those that are over. What cannot be deleted now is deleted another time.
    pub(super) async fn prune(&self, store: &Store, now: Timestamp) {
        let _changing = self.changing.lock().await;
        let all = self.all.load_full();
        let over: Vec<_> = all.values().filter(|one| one.until <= now).collect();
        let rows: Vec<_> = over.iter().map(|one| row(&one.id, None)).collect();
        if !rows.is_empty() && store.write(rows).await.is_ok() {
            self.change(|all| over.iter().for_each(|one| drop(all.remove(&one.id))));
        }
    }

    /// How many there are, those that are over as well.
    #[cfg(test)]
    pub(super) fn n_all(&self) -> usize {
        self.all.load().len()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Arc<str>, Arc<Silence>>)) {
        let mut all = (**self.all.load()).clone();
        change(&mut all);
        self.all.store(Arc::new(all));
    }

    fn matches(&self, silence: &Silence, alert: &Alert) -> bool {
        let Matcher { rule, severity, subject, label } = &silence.matcher;
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        is(rule, &alert.rule)
            && is(severity, alert.severity.word())
            && is(&subject.kind, alert.subject.kind.word())
            && is(&subject.id, &alert.subject.id)
            && is(&subject.name, &alert.subject.name)
            && label.as_deref().is_none_or(|label| self.has_label(alert, label))
    }

    fn has_label(&self, alert: &Alert, label: &str) -> bool {
        let of_host = |id: &str| {
            let host = self.registry.host(id);
            host.is_some_and(|host| is_on(label, |key| host.label(key)))
        };
        match alert.subject.kind {
            SubjectKind::Host => of_host(&alert.subject.id),
            SubjectKind::Service => {
                let id = &alert.subject.id;
                let service = self.registry.service(id).or_else(|| self.registry.departed(id));
                service.is_some_and(|service| {
                    is_on(label, |key| service.facts.labels.get(key).map(String::as_str))
                        || service.host_id().is_some_and(|id| of_host(id.as_str()))
                })
            }
            SubjectKind::Fleet | SubjectKind::Collector => false,
        }
    }
}

impl Matcher {
    fn check(&self) -> Result<(), SilenceError> {
        let wrong = |field, expected: &str| {
            Err(SilenceError::Wrong { field, expected: expected.to_owned() })
        };
        if *self == Self::default() {
            return wrong(
                "matcher",
                "an object that says at least one of rule, severity, subject \
                and label",
            );
        }
        one_of::<Rule>("matcher.rule", self.rule.as_deref())?;
        one_of::<Severity>("matcher.severity", self.severity.as_deref())?;
        one_of::<SubjectKind>("matcher.subject.kind", self.subject.kind.as_deref())?;
        let texts = [
            ("matcher.subject.id", &self.subject.id),
            ("matcher.subject.name", &self.subject.name),
            ("matcher.label", &self.label),
        ];
        for (field, text) in texts {
            let is_text = |text: &String| {
                let max = if field == "matcher.label" { 2 * WORD_BYTES + 1 } else { WORD_BYTES };
                !text.is_empty() && text.len() <= max && !text.contains(char::is_control)
            };
            if !text.as_ref().is_none_or(is_text) {
                return wrong(field, "1 to 256 bytes, without control characters");
            }
        }
        Ok(())
    }
}

impl MatcherSubject {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn one_of<T: Word>(field: &'static str, word: Option<&str>) -> Result<(), SilenceError> {
    if word.is_none_or(|word| T::of_word(word).is_some()) {
        return Ok(());
    }
    let words: Vec<_> = T::ALL.iter().map(|value| value.word()).collect();
    Err(SilenceError::Wrong { field, expected: format!("one of {}", words.join(", ")) })
}

/// Whether a label, `key` or `key=value`, is among those that are looked up.
fn is_on<'a>(label: &str, value_of: impl FnOnce(&str) -> Option<&'a str>) -> bool {
    match label.split_once('=') {
        Some((key, value)) => value_of(key) == Some(value),
        None => value_of(label).is_some(),
    }
}

fn check(until: Timestamp, comment: &str, now: Timestamp) -> Result<(), SilenceError> {
    let wrong =
        |field, expected: &str| Err(SilenceError::Wrong { field, expected: expected.to_owned() });
    if until <= now || until.ms_since(now) > LONGEST_MS {
        return wrong("until", "a time to come, within a year, such as 2026-11-20T10:00:00Z");
    }
    if comment.len() > COMMENT_BYTES
        || comment.contains(|c: char| c.is_control() && !"\n\t".contains(c))
    {
        return wrong("comment", "at most 4096 bytes, without control characters but \\n and \\t");
    }
    Ok(())
}

fn row(id: &str, doc: Option<String>) -> Row {
    Row { kind: RowKind::Silence, id: id.to_owned(), doc }
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
