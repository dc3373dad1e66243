//! What is changed by hand: it lies over what every source says, and can be taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::registry::service::facts::{declared_beats, labels_of, told_labels};
use crate::registry::service::record::{Declared, Records};
use crate::registry::service::{Check, Role, ServiceEntry};

use super::UnknownService;
use super::bounds::{self, OutOfBounds};

/// Labels by key; `None` takes one away.
type LabelEdits = BTreeMap<String, Option<String>>;

/// Which fields to change. A field that is not there stays; `null` takes back what was changed by
/// hand, so that the sources count again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of the record, documented there")]
pub struct ServicePatch {
    #[serde(deserialize_with = "given")]
    pub name: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub kind: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub role: Option<Option<Role>>,
    #[serde(deserialize_with = "given")]
    pub caps: Option<Option<Vec<String>>>,
    /// Laid over the labels as they are, key by key; `null` takes a key away.
    #[serde(deserialize_with = "given")]
    pub labels: Option<Option<LabelEdits>>,
    #[serde(deserialize_with = "given")]
    pub priority: Option<Option<i32>>,
    #[serde(deserialize_with = "given")]
    pub ctx_limit: Option<Option<u64>>,
    #[serde(deserialize_with = "given")]
    pub cost_hint_usd_per_1k: Option<Option<f64>>,
    #[serde(deserialize_with = "given")]
    pub heartbeat_interval_s: Option<Option<u64>>,
    #[serde(deserialize_with = "given")]
    pub ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "given")]
    pub drain: Option<Option<bool>>,
}

/// Why a service is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownService),
    /// It is no longer as whoever changes it knows it.
    #[error("it was changed since: its revision is {revision}")]
    Stale {
        /// What it is now.
        revision: u64,
    },
    /// It shall get work again while its host drains.
    #[error("its host drains, and all services with it: end the drain of the host instead")]
    HostDrains,
    /// The change breaks a bound.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
}

impl Registry {
    /// Changes a service by hand. With `if_revision`, only where that is still its revision.
    ///
    /// # Errors
    ///
    /// Where there is none, it changed since, its host drains and it shall not, or the change
    /// breaks a bound; nothing changes then.
    pub fn patch_service(
        &self,
        id: &str,
        patch: ServicePatch,
        if_revision: Option<u64>,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, PatchError> {
        let mut transaction = self.command(moment);
        let before = self.resolve(id).ok_or_else(|| UnknownService(id.to_owned()))?;
        if if_revision.is_some_and(|revision| revision != before.revision) {
            return Err(PatchError::Stale { revision: before.revision });
        }
        if patch.drain == Some(Some(false)) && before.host_drains {
            return Err(PatchError::HostDrains);
        }
        if before.facts.check != Check::Heartbeat {
            let (interval_s, ttl_s) = (patch.heartbeat_interval_s, patch.ttl_s);
            bounds::beats_of_nobody(interval_s.flatten(), ttl_s.flatten())?;
        }
        let is_timed = patch.heartbeat_interval_s.is_some() || patch.ttl_s.is_some();
        let known = before.facts.records.patch.as_deref().cloned().unwrap_or_default();
        let is_labelled = patch.labels.is_some();
        let patched = patch.onto(known, &told_labels(&before.facts.records));
        bounds::fields(&patched)?;
        let is_empty = patched == Declared::default();
        let patch = (!is_empty).then(|| Arc::new(patched));
        let records = Records { patch, ..before.facts.records.clone() };
        if is_timed {
            let (interval, ttl) = declared_beats(&records);
            bounds::beats(interval, ttl)?;
        }
        if is_labelled {
            bounds::labels(&labels_of(&records))?;
        }
        Ok(transaction.put_records(&before, records))
    }

    /// Gives a service another role, be it a higher or a lower one.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn promote_service(
        &self,
        id: &str,
        role: Role,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, UnknownService> {
        self.lay_over(id, moment, |patch| Declared { role: Some(role), ..patch })
    }

    /// Has a service get nothing new, or get work again.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn drain_service(
        &self,
        id: &str,
        drain: bool,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, UnknownService> {
        self.lay_over(id, moment, |patch| Declared { drain: Some(drain), ..patch })
    }

    fn lay_over(
        &self,
        id: &str,
        moment: Moment,
        edit: impl FnOnce(Declared) -> Declared,
    ) -> Result<Arc<ServiceEntry>, UnknownService> {
        let mut transaction = self.command(moment);
        let before = self.resolve(id).ok_or_else(|| UnknownService(id.to_owned()))?;
        let known = before.facts.records.patch.as_deref().cloned().unwrap_or_default();
        let patch = Some(Arc::new(edit(known)));
        let records = Records { patch, ..before.facts.records.clone() };
        Ok(transaction.put_records(&before, records))
    }
}

impl ServicePatch {
    /// What was changed by hand before, with this change in it.
    fn onto(self, known: Declared, told: &BTreeMap<String, String>) -> Declared {
        let (labels, label_edits) = match self.labels {
            None => (known.labels, known.label_edits),
            Some(None) => (None, None),
            Some(Some(edits)) => (known.labels, edited(known.label_edits, edits, told)),
        };
        Declared {
            name: self.name.unwrap_or(known.name),
            kind: self.kind.unwrap_or(known.kind),
            role: self.role.unwrap_or(known.role),
            caps: self.caps.unwrap_or(known.caps),
            labels,
            label_edits,
            priority: self.priority.unwrap_or(known.priority),
            ctx_limit: self.ctx_limit.unwrap_or(known.ctx_limit),
            cost_hint_usd_per_1k: self.cost_hint_usd_per_1k.unwrap_or(known.cost_hint_usd_per_1k),
            heartbeat_interval_s: self.heartbeat_interval_s.unwrap_or(known.heartbeat_interval_s),
            ttl_s: self.ttl_s.unwrap_or(known.ttl_s),
            drain: self.drain.unwrap_or(known.drain),
            ..known
        }
    }
}

/// Edits by key on top of earlier ones. Nothing need be taken away that no source tells.
fn edited(
    known: Option<LabelEdits>,
    edits: LabelEdits,
    told: &BTreeMap<String, String>,
) -> Option<LabelEdits> {
    let mut all = known.unwrap_or_default();
    all.extend(edits);
    all.retain(|key, value| value.is_some() || told.contains_key(key));
    (!all.is_empty()).then_some(all)
}

/// A field that is there, be it `null`.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
