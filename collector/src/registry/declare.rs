//! Services by word of mouth: a person adds one, a file declares one, a program registers itself,
//! and somebody changes, promotes, drains or removes it by hand.
//!
//! Every source keeps a record of its own ([`super::service::record`]), which it replaces as a
//! whole; what is changed by hand lies over all of them. Not here: what agents find
//! (`inventory`), and how a declared service is judged.

pub mod bounds;
pub mod form;
pub mod observed;
pub mod patch;
pub mod remove;
mod whole;

use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::change::ChangeKind;
use super::join::DeclaredAs;
use super::mark::status_kind;
use super::moment::Moment;
use super::service::record::{Declared, Records};
use super::service::{Check, ServiceEntry, ServiceFacts, ServiceStatus, ServiceType, Source, Word};
use super::transaction::Transaction;
use super::vouch::NotYours;
use super::{Registry, SERVICES_MAX};

use bounds::OutOfBounds;

pub use whole::Whole;

/// There is no such service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no service {0:?}")]
pub struct UnknownService(pub String);

/// Why a service is not declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpsertError {
    /// What is declared breaks a bound.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// It was added as something else.
    #[error("it was added as {0}, which does not change: remove it first")]
    OtherType(&'static str),
    /// No more services are taken in.
    #[error("the register is full: it holds {SERVICES_MAX} services")]
    Full,
    /// It is somebody else's.
    #[error(transparent)]
    NotYours(#[from] NotYours),
}

/// Why a service is not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// It is there already.
    #[error("it is there already, as {0}")]
    Exists(ServiceId),
    /// What is declared breaks a bound.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// No more services are taken in.
    #[error("the register is full: it holds {SERVICES_MAX} services")]
    Full,
    /// It is somebody else's, and left for a while.
    #[error(transparent)]
    NotYours(#[from] NotYours),
}

/// A service that was declared.
#[derive(Clone, Debug)]
pub struct Upserted {
    /// The service after it.
    pub entry: Arc<ServiceEntry>,
    /// It was not listed before.
    pub is_new: bool,
}

impl Registry {
    /// Lists a service that a source other than an agent declares.
    ///
    /// # Errors
    ///
    /// Where it is there already, be it by another source, or cannot be listed.
    pub fn add_service(
        &self,
        source: Source,
        declared: Declared,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, AddError> {
        self.add(Whole::of(source, declared)?, moment)
    }

    /// Lists a service that is declared.
    ///
    /// # Errors
    ///
    /// Where it is there already, be it by another source, or cannot be listed.
    pub fn add(&self, whole: Whole, moment: Moment) -> Result<Arc<ServiceEntry>, AddError> {
        let mut transaction = self.command(moment);
        if let Some(there) = transaction.known(&whole) {
            return Err(AddError::Exists(there.id.clone()));
        }
        transaction.may_declare(&whole)?;
        transaction.upsert(whole).map(|upserted| upserted.entry).ok_or(AddError::Full)
    }

    /// Lists a service that a source other than an agent declares, or replaces what that source
    /// said of it before. Who registers itself thereby beats.
    ///
    /// # Errors
    ///
    /// Where it cannot be listed.
    pub fn upsert_service(
        &self,
        source: Source,
        declared: Declared,
        moment: Moment,
    ) -> Result<Upserted, UpsertError> {
        self.upsert(Whole::of(source, declared)?, moment)
    }

    /// Lists a service that is declared, or replaces what its source said of it before.
    ///
    /// # Errors
    ///
    /// Where it cannot be listed.
    pub fn upsert(&self, whole: Whole, moment: Moment) -> Result<Upserted, UpsertError> {
        let mut transaction = self.command(moment);
        transaction.may_declare(&whole)?;
        if let Some(other) = transaction.other_type(&whole) {
            return Err(UpsertError::OtherType(other.word()));
        }
        transaction.upsert(whole).ok_or(UpsertError::Full)
    }

    /// The service that a declaration is about, where it is listed: the one that it would replace
    /// a record of, or join.
    #[must_use]
    pub fn declared_service(&self, whole: &Whole, moment: Moment) -> Option<Arc<ServiceEntry>> {
        match &whole.own_id {
            // For one of a known id no lock is taken.
            Some(id) => self.service(id.as_str()),
            None => self.transaction(moment).known(whole),
        }
    }
}

impl Transaction<'_> {
    fn upsert(&mut self, whole: Whole) -> Option<Upserted> {
        let Whole { source, declared, url, own_id } = whole;
        if let Some(id) = own_id {
            return self.register_own(id, declared);
        }
        if self.owner_of(&url).is_none() && self.is_full() {
            return None;
        }
        let (entry, declared_as) = self.declare(source, declared, &url);
        Some(Upserted { entry, is_new: declared_as == DeclaredAs::New })
    }

    /// The type as which a person added this service, where that is another one.
    fn other_type(&self, whole: &Whole) -> Option<ServiceType> {
        if whole.source != Source::Manual {
            return None;
        }
        let added = self.known(whole)?.facts.records.manual.as_deref()?.r#type;
        added.filter(|_| added != whole.declared.r#type)
    }

    fn is_full(&self) -> bool {
        self.registry.services.len() >= SERVICES_MAX
    }

    pub(super) fn known(&self, whole: &Whole) -> Option<Arc<ServiceEntry>> {
        match &whole.own_id {
            Some(id) => self.registry.service(id.as_str()),
            None => self.owner_of(&whole.url),
        }
    }

    /// Who registers itself is known by name, type and URL, and never joins another entry: behind
    /// one address many programs may stand.
    fn register_own(&mut self, id: ServiceId, declared: Declared) -> Option<Upserted> {
        let listed = self.registry.service(id.as_str());
        let is_new = listed.is_none();
        if is_new && self.is_full() {
            return None;
        }
        // What people said of it holds, also where it left for a while.
        let departed = || self.departed(&id).filter(|_| is_new);
        let before = listed.or_else(departed);
        let known = before.as_ref().map(|before| before.facts.records.clone());
        let records = known.unwrap_or_default().registered_again(declared);
        let entry = match &before {
            Some(before) if is_new => {
                let aliases = Arc::clone(&before.facts.aliases);
                let entry = self.with_records(before, records, aliases);
                self.put_service(entry, ChangeKind::ServiceRegistered, None)
            }
            Some(before) => self.put_records(before, records),
            None => {
                let facts = ServiceFacts::of(records, Check::Heartbeat, self.moment.at, None);
                let entry = ServiceEntry::unjudged(id, facts);
                let entry = ServiceEntry { status: ServiceStatus::Healthy, ..entry };
                self.put_service(entry, ChangeKind::ServiceRegistered, None)
            }
        };
        self.beat_by_registering(&entry);
        let entry = self.registry.service(entry.id.as_str()).unwrap_or(entry);
        Some(Upserted { entry, is_new })
    }

    /// One that was deregistered because its beats were missing, and may come back.
    pub(super) fn departed(&self, id: &ServiceId) -> Option<Arc<ServiceEntry>> {
        let gone = self.ledger.departed.get(id.as_str())?;
        let after_ms = i64::try_from(self.registry.checks.departed_after.as_millis());
        let is_over = self.moment.at.ms_since(gone.at) >= after_ms.unwrap_or(i64::MAX);
        (!is_over).then(|| Arc::clone(&gone.entry))
    }

    /// Replaces the records of a service, and tells what that changes, if anything.
    fn put_records(&mut self, before: &Arc<ServiceEntry>, records: Records) -> Arc<ServiceEntry> {
        let after = self.with_records(before, records, Arc::clone(&before.facts.aliases));
        self.put_changed(before, after, None)
    }

    /// Puts a successor in place, unless it is the same.
    fn put_changed(
        &mut self,
        before: &Arc<ServiceEntry>,
        after: ServiceEntry,
        cause: Option<String>,
    ) -> Arc<ServiceEntry> {
        let is_same = after.facts == before.facts
            && after.status == before.status
            && after.unconfirmed == before.unconfirmed;
        if is_same {
            self.confirm(before);
            return Arc::clone(before);
        }
        let kind = before.kind_of_change(&after);
        let entry = self.put_service(after, kind, cause);
        if let Some(host) = entry.host_id() {
            self.follow_services(host, |_| ());
        }
        entry
    }
}

impl ServiceEntry {
    /// The word for what changed most.
    pub(super) fn kind_of_change(&self, after: &Self) -> ChangeKind {
        if after.status != self.status {
            status_kind(after.status)
        } else if after.facts.role != self.facts.role {
            ChangeKind::ServicePromoted
        } else if (after.facts.drain, after.host_drains) != (self.facts.drain, self.host_drains) {
            ChangeKind::ServiceDraining
        } else {
            ChangeKind::ServiceChanged
        }
    }
}

#[cfg(test)]
#[path = "declare_tests.rs"]
mod tests;
