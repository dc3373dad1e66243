//! What people say of a host, beside what its agent tells: it goes on top, and is there again once
//! the agent says something else. And how people remove a host.
//!
//! Not here: what agents do to hosts ([`super::arrive`]), and how hosts are judged
//! ([`super::mark`]).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::ids::HostId;
use herdbook_shared::limits;
use herdbook_shared::missing::Missing;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::arrive::OpenError;
use super::change::ChangeKind;
use super::host::{HostEntry, HostFacts, HostLive, HostStatus};
use super::mark::status_kind;
use super::moment::Moment;
use super::service::ServiceEntry;
use super::transaction::Transaction;
use super::{HOSTS_MAX, Registry};

/// Longest notes, bytes.
pub const NOTES_BYTES: usize = 4 * 1024;

/// What people say of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostPatch {
    /// Its role, instead of what its agent tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Labels on top of those that its agent tells.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Its services shall get nothing new.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
    /// That it is away is no news: a laptop that sleeps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expected_absent: bool,
}

/// A change of a [`HostPatch`]. Of each field: `None` leaves it, `Some(None)` takes back what
/// people said, `Some(Some(…))` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostEdit {
    /// Its role.
    pub role: Option<Option<String>>,
    /// Labels, one by one: those that are not named stay.
    pub labels: Option<Option<BTreeMap<String, Option<String>>>>,
    /// Free words.
    pub notes: Option<Option<String>>,
    /// Whether it drains.
    pub drain: Option<Option<bool>>,
    /// Whether it may be away.
    pub expected_absent: Option<Option<bool>>,
}

/// No host has this id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no host {0:?}")]
pub struct UnknownHost(pub String);

/// An edit does not keep to the bounds of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {expected}")]
pub struct WrongEdit {
    /// Which field.
    pub field: &'static str,
    /// What it may be.
    pub expected: &'static str,
}

/// A host was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchHostError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownHost),
    /// It is not what the caller saw.
    #[error("the host has changed meanwhile: its revision is {revision}")]
    Stale {
        /// The present one.
        revision: u64,
    },
    /// The edit breaks a bound.
    #[error(transparent)]
    Wrong(#[from] WrongEdit),
}

/// A host was not removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveHostError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownHost),
    /// It is not what the caller saw.
    #[error("the host has changed meanwhile: its revision is {revision}")]
    Stale {
        /// The present one.
        revision: u64,
    },
    /// Its agent is connected, and would list it anew.
    #[error(
        "the agent of this host is connected and would list it again at once: stop the agent \
         first (systemctl stop herdbook-agent on the host) or revoke its key (herdbook-collector \
         host revoke), then remove the host"
    )]
    Connected,
}

impl HostEdit {
    /// Holds the bounds of each field.
    ///
    /// # Errors
    ///
    /// The first field that breaks them.
    pub fn check(&self) -> Result<(), WrongEdit> {
        let is_word = |text: &str| {
            !text.is_empty() && text.len() <= limits::WORD_BYTES && !text.contains(char::is_control)
        };
        let wrong = |field, expected| Err(WrongEdit { field, expected });
        if self.role.iter().flatten().any(|role| !is_word(role)) {
            return wrong("role", "1 to 256 bytes, without control characters");
        }
        for (key, value) in self.labels.iter().flatten().flatten() {
            let value = value.as_deref().unwrap_or_default();
            if !is_word(key) || !(value.is_empty() || is_word(value)) {
                return wrong(
                    "labels",
                    "keys of 1 to 256 bytes and values of up to 256, without control characters",
                );
            }
        }
        let is_text = |text: &str| !text.contains(|c: char| c.is_control() && !"\n\t".contains(c));
        let mut notes = self.notes.iter().flatten();
        if notes.any(|notes| notes.len() > NOTES_BYTES || !is_text(notes)) {
            return wrong(
                "notes",
                "at most 4096 bytes, without control characters but \\n and \\t",
            );
        }
        Ok(())
    }
}

impl HostPatch {
    /// The patch after an edit.
    ///
    /// # Errors
    ///
    /// Where the edit, or what it leads to, breaks a bound.
    pub fn edited(&self, edit: &HostEdit) -> Result<Self, WrongEdit> {
        edit.check()?;
        let mut patch = self.clone();
        if let Some(role) = &edit.role {
            patch.role.clone_from(role);
        }
        match &edit.labels {
            Some(None) => patch.labels.clear(),
            Some(Some(labels)) => patch.merge_labels(labels),
            None => (),
        }
        if let Some(notes) = &edit.notes {
            patch.notes = notes.clone().unwrap_or_default();
        }
        patch.drain = edit.drain.map_or(patch.drain, Option::unwrap_or_default);
        patch.expected_absent =
            edit.expected_absent.map_or(patch.expected_absent, Option::unwrap_or_default);
        if patch.labels.len() > limits::LABELS {
            return Err(WrongEdit { field: "labels", expected: "at most 64 that people set" });
        }
        Ok(patch)
    }

    fn merge_labels(&mut self, labels: &BTreeMap<String, Option<String>>) {
        for (key, value) in labels {
            match value {
                Some(value) => self.labels.insert(key.clone(), value.clone()),
                None => self.labels.remove(key),
            };
        }
    }

    /// Roughly what it takes in memory, bytes.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let labels = self.labels.iter().map(|(key, value)| 48 + key.len() + value.len());
        128 + self.notes.len() + labels.sum::<usize>()
    }
}

impl HostEntry {
    /// Its role: what people say, else what its agent tells.
    #[must_use]
    pub fn role(&self) -> &str {
        self.patch.role.as_deref().unwrap_or(&self.facts.role)
    }

    /// One of its labels.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        let said = self.patch.labels.get(key).or_else(|| self.facts.labels.get(key));
        said.map(String::as_str)
    }

    /// Its labels: those of its agent, and on top those that people set.
    #[must_use]
    pub fn labels(&self) -> Cow<'_, BTreeMap<String, String>> {
        if self.patch.labels.is_empty() {
            return Cow::Borrowed(&self.facts.labels);
        }
        let mut labels = self.facts.labels.clone();
        labels.extend(self.patch.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        Cow::Owned(labels)
    }

    /// Whether it is kept however long it is away: people expect it back, or wrote of it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.patch.expected_absent || !self.patch.notes.is_empty()
    }
}

impl HostFacts {
    /// A host of which nothing but its name is known.
    fn unheard(name: &str, at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            role: "worker".to_owned(),
            labels: BTreeMap::new(),
            agent_version: String::new(),
            protocol: 0,
            interval_ms: limits::SAMPLE_INTERVAL_MS_MIN,
            first_seen: at,
            addresses: Vec::new(),
            address_details: Vec::new(),
            system: None,
            gpus: None,
            missing: Missing::new(),
        }
    }
}

impl Registry {
    /// The host of this id; lists it under this name where it was never heard of.
    ///
    /// # Errors
    ///
    /// Where there is no room for another host.
    pub fn ensure_host(
        &self,
        id: &HostId,
        name: &str,
        moment: Moment,
    ) -> Result<Arc<HostEntry>, OpenError> {
        let mut transaction = self.transaction(moment);
        if let Some(known) = transaction.host(id) {
            return Ok(known);
        }
        if self.n_hosts() >= HOSTS_MAX {
            return Err(OpenError::Full);
        }
        let facts = Arc::new(HostFacts::unheard(name, moment.at));
        let entry = HostEntry::unheard(id, facts, HostLive::new(None), moment);
        Ok(transaction.put_host(entry, ChangeKind::HostRegistered, None))
    }

    /// How a host does.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn host_status(&self, id: &str) -> Result<HostStatus, UnknownHost> {
        let host = self.host(id).ok_or_else(|| UnknownHost(id.to_owned()))?;
        Ok(host.status)
    }

    /// Changes what people say of a host. An edit that says nothing new changes nothing.
    ///
    /// # Errors
    ///
    /// [`PatchHostError`]: nothing was changed.
    pub fn patch_host(
        &self,
        id: &str,
        edit: &HostEdit,
        if_revision: Option<u64>,
        moment: Moment,
    ) -> Result<Arc<HostEntry>, PatchHostError> {
        let mut transaction = self.command(moment);
        let host = self.host(id).ok_or_else(|| UnknownHost(id.to_owned()))?;
        if if_revision.is_some_and(|revision| revision != host.revision) {
            return Err(PatchHostError::Stale { revision: host.revision });
        }
        let patch = host.patch.edited(edit)?;
        transaction.put_patch(&host, patch);
        Ok(self.host(id).unwrap_or(host))
    }

    /// Changes what people say of these hosts, in one transaction. Returns those that were changed;
    /// those that are gone, or would break a bound, are left out.
    pub fn patch_hosts(&self, ids: &[HostId], edit: &HostEdit, moment: Moment) -> Vec<HostId> {
        let mut transaction = self.command(moment);
        let mut changed = Vec::new();
        for host in ids.iter().filter_map(|id| self.host(id.as_str())) {
            let Ok(patch) = host.patch.edited(edit) else { continue };
            if transaction.put_patch(&host, patch) {
                changed.push(host.id.clone());
            }
        }
        changed
    }

    /// Removes a host whose agent is not connected, and what that agent told of services.
    ///
    /// # Errors
    ///
    /// [`RemoveHostError`]: nothing was removed.
    pub fn remove_host(
        &self,
        id: &str,
        if_revision: Option<u64>,
        moment: Moment,
    ) -> Result<Arc<HostEntry>, RemoveHostError> {
        let mut transaction = self.command(moment);
        let host = self.host(id).ok_or_else(|| UnknownHost(id.to_owned()))?;
        if if_revision.is_some_and(|revision| revision != host.revision) {
            return Err(RemoveHostError::Stale { revision: host.revision });
        }
        if host.session.is_some() {
            return Err(RemoveHostError::Connected);
        }
        tracing::info!(host = %host.id, name = host.facts.name, "host removed by hand");
        transaction.remove_host(&host.id, "removed by hand");
        Ok(host)
    }
}

impl Transaction<'_> {
    /// Puts a patch on a host, unless it says so already; its services drain with it.
    fn put_patch(&mut self, host: &Arc<HostEntry>, patch: HostPatch) -> bool {
        if patch == *host.patch {
            return false;
        }
        let successor = HostEntry { patch: Arc::new(patch), ..(**host).clone() };
        let entry = self.put_host(successor, ChangeKind::HostChanged, None);
        self.drain_services(&entry);
        true
    }

    fn drain_services(&mut self, host: &HostEntry) {
        let drain = host.patch.drain;
        let cause = if drain { "its host drains" } else { "its host no longer drains" };
        for service in self.services_of(host) {
            if service.host_drains == drain {
                continue;
            }
            let after = ServiceEntry { host_drains: drain, ..(*service).clone() };
            let kind = match after.shown_status() {
                status if status == service.shown_status() => ChangeKind::ServiceChanged,
                status => status_kind(status),
            };
            self.put_service(after, kind, Some(cause.to_owned()));
        }
    }

    /// Whether the host of a service drains. Each successor of a service is told so anew, by
    /// whatever way it came to its host.
    pub(super) fn host_drains(&self, service: &ServiceEntry) -> bool {
        let host = service.host_id().and_then(|id| self.host(id));
        host.is_some_and(|host| host.patch.drain)
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
