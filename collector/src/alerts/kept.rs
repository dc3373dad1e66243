//! The alerts that are kept: those that are open, and those that were resolved, for a while. They
//! are read here, and written to the store a little later, latest wins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::registry::alert::{ALERTS_MAX, Alert};
use crate::registry::encode::json;
use crate::store::{Batch, DirtySource, Extent, Row, RowKind, WriteError};

/// Most alerts that are kept once they are resolved; beyond, the oldest go.
pub(super) const RESOLVED_MAX: usize = 10_000;
/// For how long they are kept, milliseconds: 30 days.
pub(super) const RESOLVED_MS: i64 = 30 * 86_400_000;

/// An alert as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    pub(super) alert: Arc<Alert>,
    /// Who went with a mass event and was not back yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<Arc<str>>,
}

/// The place of an alert in a list, newest first: when it was raised, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Reverse<i64>, Arc<str>);

/// See the module's words.
#[derive(Debug, Default)]
pub struct Kept {
    all: Mutex<All>,
    dirty: Notify,
    urgent: Notify,
}

#[derive(Debug, Default)]
struct All {
    alerts: BTreeMap<Place, Stored>,
    places: HashMap<Arc<str>, Place>,
    n_resolved: usize,
    /// To be written, or deleted where they are no longer kept.
    dirty: BTreeSet<Arc<str>>,
}

impl Place {
    /// The place of this alert.
    #[must_use]
    pub fn of(alert: &Alert) -> Self {
        Self(Reverse(alert.raised_at.unix_ms()), Arc::clone(&alert.id))
    }

    /// As a cursor in the API.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!("{}-{}", self.0.0, self.1)
    }

    /// Out of a cursor.
    #[must_use]
    pub fn of_cursor(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let at = digits.find('-')? + (text.len() - digits.len());
        let (ms, id) = (text.get(..at)?, text.get(at + 1..)?);
        Some(Self(Reverse(ms.parse().ok()?), id.into()))
    }
}

impl Kept {
    /// What the store kept. A document that cannot be read costs itself.
    #[must_use]
    pub fn of_docs(docs: &[String]) -> Self {
        let kept = Self::default();
        let mut n_unreadable = 0_u64;
        for doc in docs {
            match serde_json::from_str::<Stored>(doc) {
                Ok(stored) => kept.all().insert(stored),
                Err(_) => n_unreadable += 1,
            }
        }
        if n_unreadable > 0 {
            tracing::error!(n_unreadable, "left out stored alerts that cannot be read");
        }
        kept
    }

    /// Keeps an alert as it is now.
    pub(super) fn put(&self, alert: Arc<Alert>) {
        let mut all = self.all();
        let before = all.stored(&alert.id);
        let members = before.map(|before| before.members.clone()).unwrap_or_default();
        all.dirty.insert(Arc::clone(&alert.id));
        all.insert(Stored { alert, members });
        all.prune_to(RESOLVED_MAX);
        drop(all);
        self.dirty.notify_one();
    }

    /// Keeps an alert that a test made up.
    #[cfg(test)]
    pub(crate) fn put_for_test(&self, alert: Arc<Alert>) {
        self.put(alert);
    }

    /// Who went with a mass event and was not back yet.
    pub(super) fn put_members(&self, id: &str, members: Vec<Arc<str>>) {
        let mut all = self.all();
        let Some(stored) = all.stored(id).cloned() else { return };
        all.dirty.insert(Arc::clone(&stored.alert.id));
        all.insert(Stored { members, ..stored });
        drop(all);
        self.dirty.notify_one();
    }

    /// The rows that are to be written.
    #[cfg(test)]
    pub(super) fn rows(&self) -> Vec<Row> {
        let batch = self.take(Extent::All, usize::MAX);
        batch.rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Has an alert written once more.
    pub(super) fn write_again(&self, id: &Arc<str>) {
        self.all().dirty.insert(Arc::clone(id));
        self.dirty.notify_one();
    }

    /// Lets go of what was resolved long ago.
    pub(super) fn prune(&self, now: Timestamp) {
        let mut all = self.all();
        let until = now.unix_ms().saturating_sub(RESOLVED_MS);
        let is_old =
            |stored: &Stored| stored.alert.resolved_at.is_some_and(|at| at.unix_ms() < until);
        let old = all.alerts.iter().filter(|(_, stored)| is_old(stored));
        let old: Vec<Place> = old.map(|(place, _)| place.clone()).collect();
        old.iter().for_each(|place| all.remove(place));
        drop(all);
        if !old.is_empty() {
            self.dirty.notify_one();
        }
    }

    /// Those of these that come after a place, newest first, up to `max`.
    #[must_use]
    pub fn list(
        &self,
        after: Option<&Place>,
        max: usize,
        is_wanted: impl Fn(&Alert) -> bool,
    ) -> Vec<Arc<Alert>> {
        let all = self.all();
        let wanted = |stored: &&Stored| is_wanted(&stored.alert);
        let alert = |stored: &Stored| Arc::clone(&stored.alert);
        match after {
            Some(after) => {
                let rest = all.alerts.range(after..).filter(|(place, _)| *place != after);
                rest.map(|(_, stored)| stored).filter(wanted).take(max).map(alert).collect()
            }
            None => all.alerts.values().filter(wanted).take(max).map(alert).collect(),
        }
    }

    /// All that are open, and the newest mass event of each sort.
    pub(super) fn restorable(&self) -> Vec<Stored> {
        let all = self.all();
        let is_open =
            |stored: &&Stored| stored.alert.resolved_at.is_none() || !stored.members.is_empty();
        // Oldest first: where two are of one sort, the newer one counts.
        all.alerts.values().rev().filter(is_open).cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn stored(&self, id: &str) -> Option<&Stored> {
        self.alerts.get(self.places.get(id)?)
    }

    fn insert(&mut self, stored: Stored) {
        let place = Place::of(&stored.alert);
        self.n_resolved += usize::from(stored.alert.resolved_at.is_some());
        self.places.insert(Arc::clone(&stored.alert.id), place.clone());
        if let Some(before) = self.alerts.insert(place, stored) {
            self.n_resolved -= usize::from(before.alert.resolved_at.is_some());
        }
    }

    fn remove(&mut self, place: &Place) {
        if let Some(stored) = self.alerts.remove(place) {
            self.n_resolved -= usize::from(stored.alert.resolved_at.is_some());
            self.places.remove(&stored.alert.id);
            self.dirty.insert(Arc::clone(&stored.alert.id));
        }
    }

    fn prune_to(&mut self, max: usize) {
        while self.n_resolved > max {
            let is_resolved = |(_, stored): &(&Place, &Stored)| stored.alert.resolved_at.is_some();
            let Some((oldest, _)) = self.alerts.iter().rev().find(is_resolved) else { return };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    fn row(&self, id: &Arc<str>) -> Row {
        Row { kind: RowKind::Alert, id: id.to_string(), doc: self.stored(id).map(json) }
    }
}

impl DirtySource for Kept {
    /// Nobody waits for an alert to be kept.
    fn urgent(&self) -> &Notify {
        &self.urgent
    }

    fn dirty(&self) -> &Notify {
        &self.dirty
    }

    fn has_urgent(&self) -> bool {
        false
    }

    fn take(&self, extent: Extent, max: usize) -> Batch {
        if extent == Extent::Urgent {
            return Batch::default();
        }
        let mut all = self.all();
        let ids: Vec<_> = std::iter::from_fn(|| all.dirty.pop_first()).take(max).collect();
        let rows = ids.iter().map(|id| (None, all.row(id))).collect();
        Batch { rows, through: 0, is_cut: !all.dirty.is_empty() }
    }

    fn kept(&self, _: u64) {}

    /// Documents are made anew when they are taken again, so that the latest state wins.
    fn give_back(&self, batch: Batch, _: &WriteError) {
        let ids = batch.rows.into_iter().map(|(_, row)| Arc::from(row.id));
        self.all().dirty.extend(ids);
        self.dirty.notify_one();
    }
}

/// Open ones are bounded by the registry.
const _: () = assert!(ALERTS_MAX + RESOLVED_MAX <= 20_000);

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
