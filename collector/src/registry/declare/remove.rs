//! Taking a service, or what one source says of it, out of the register by hand.

use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::host::HostStatus;
use crate::registry::moment::Moment;
use crate::registry::service::{ServiceEntry, Source, Word};
use crate::registry::transaction::Transaction;
use crate::registry::unkept::Dirty;
use crate::registry::vouch::NotYours;

use super::UnknownService;

/// Why a service is gone that somebody took off the list, or that took itself off.
pub const REMOVED_BY_HAND: &str = "removed by hand";
const CAUSE_OF_FILE: &str = "no file declares it any more";

/// Why a service is not removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownService),
    /// It is no longer as whoever removes it knows it.
    #[error("it was changed since: its revision is {revision}")]
    Stale {
        /// What it is now.
        revision: u64,
    },
    /// It would be listed again at once.
    #[error("its host's agent still reports it")]
    Reported,
    /// It would be listed again at the next reload.
    #[error("a file declares it")]
    Declared,
    /// It is somebody else's.
    #[error(transparent)]
    NotYours(#[from] NotYours),
    /// That source says nothing of it.
    #[error("the source {} says nothing of it", .0.word())]
    NoSource(Source),
}

/// What to remove of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What this source says of it; `None`: all of it.
    pub source: Option<Source>,
    /// Only where this is still its revision.
    pub if_revision: Option<u64>,
    /// Who removes it; `None`: an admin, who may remove anything.
    pub caller: Option<Arc<str>>,
}

impl Removal {
    /// What to remove of a service: what others than its owner say of it is not for its owner to
    /// take back.
    fn part_of(&self, service: &ServiceEntry) -> Option<Source> {
        let records = &service.facts.records;
        let is_told_by_others = records.agent.is_some() || records.file.is_some();
        let own = || (self.caller.is_some() && is_told_by_others).then_some(Source::Manual);
        self.source.or_else(own)
    }

    /// Whether the service is as whoever removes it knows it.
    fn is_of(&self, service: &ServiceEntry) -> Result<(), RemoveError> {
        service.is_for(self.caller.as_deref())?;
        let revision = service.revision;
        let is_known = self.if_revision.is_none_or(|known| known == revision);
        if is_known { Ok(()) } else { Err(RemoveError::Stale { revision }) }
    }
}

/// What became of a service.
#[derive(Clone, Debug)]
pub enum Removed {
    /// It is no longer listed; as it was before.
    Gone(Arc<ServiceEntry>),
    /// Other sources still have it.
    Stays(Arc<ServiceEntry>),
}

impl Registry {
    /// Removes a service. Returns it as it was.
    ///
    /// # Errors
    ///
    /// Where there is none, or where it would come back by itself.
    pub fn remove_service(
        &self,
        id: &str,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, RemoveError> {
        match self.withdraw_service(id, Removal::default(), moment)? {
            Removed::Gone(entry) | Removed::Stays(entry) => Ok(entry),
        }
    }

    /// Removes what one source says of a service, and the service with its last source. Returns
    /// it where it stays. What a file declares is for whoever reads the files to take back: it is
    /// listed again at the next reload.
    ///
    /// # Errors
    ///
    /// Where there is none, that source says nothing of it, or its agent reports it.
    pub fn remove_source(
        &self,
        id: &str,
        source: Source,
        moment: Moment,
    ) -> Result<Option<Arc<ServiceEntry>>, RemoveError> {
        let removal = Removal { source: Some(source), ..Removal::default() };
        match self.withdraw_service(id, removal, moment)? {
            Removed::Gone(_) => Ok(None),
            Removed::Stays(entry) => Ok(Some(entry)),
        }
    }

    /// Removes a service, or what one source says of it. One that was deregistered because its
    /// beats were missing is forgotten, so that no beat of it lists it again.
    ///
    /// # Errors
    ///
    /// See [`RemoveError`].
    pub fn withdraw_service(
        &self,
        id: &str,
        removal: Removal,
        moment: Moment,
    ) -> Result<Removed, RemoveError> {
        let mut transaction = self.command(moment);
        let Some(before) = self.resolve(id) else { return transaction.forget(id, removal) };
        removal.is_of(&before)?;
        match removal.part_of(&before) {
            Some(source) => transaction.withdraw_source(&before, source)?,
            None => transaction.withdraw_all(&before)?,
        }
        drop(transaction);
        Ok(match self.service(before.id.as_str()) {
            Some(stays) => Removed::Stays(stays),
            None => Removed::Gone(before),
        })
    }
}

impl Transaction<'_> {
    fn withdraw_all(&mut self, before: &ServiceEntry) -> Result<(), RemoveError> {
        if self.is_reported(before) {
            return Err(RemoveError::Reported);
        }
        if before.facts.records.file.is_some() {
            return Err(RemoveError::Declared);
        }
        self.end(before, REMOVED_BY_HAND);
        Ok(())
    }

    fn withdraw_source(
        &mut self,
        before: &ServiceEntry,
        source: Source,
    ) -> Result<(), RemoveError> {
        let sources = before.facts.records.sources();
        if !sources.contains(&source) {
            return Err(RemoveError::NoSource(source));
        }
        if source == Source::Agent && self.is_reported(before) {
            return Err(RemoveError::Reported);
        }
        let cause = if source == Source::File { CAUSE_OF_FILE } else { REMOVED_BY_HAND };
        match sources[..] {
            [_] => self.end(before, cause),
            _ => self.lose_source(&before.id, source, cause),
        }
        Ok(())
    }

    /// One that left does not come back.
    fn forget(&mut self, id: &str, removal: Removal) -> Result<Removed, RemoveError> {
        let departed = self.departed(&ServiceId::from_text(id));
        let is_all = |source| departed.iter().any(|e| e.facts.records.sources() == [source]);
        let is_whole = removal.source.is_none_or(is_all);
        let departed = departed.filter(|_| is_whole);
        let departed = departed.ok_or_else(|| UnknownService(id.to_owned()))?;
        removal.is_of(&departed)?;
        tracing::info!(service = %departed.id, "service removed by hand, which had left before");
        self.ledger.departed.remove(&departed.id);
        self.mark_dirty(Dirty::Service(departed.id.clone()));
        Ok(Removed::Gone(departed))
    }

    /// Whoever registered itself is deregistered, all others are removed.
    fn end(&mut self, before: &ServiceEntry, cause: &str) {
        let is_own = before.facts.records.sources() == [Source::Own];
        let kind =
            if is_own { ChangeKind::ServiceDeregistered } else { ChangeKind::ServiceRemoved };
        tracing::info!(service = %before.id, cause, "service removed");
        self.unlist_service(&before.id, kind, cause);
    }

    /// A server that is down, or whose host is gone, is remembered and no longer reported.
    fn is_reported(&self, service: &ServiceEntry) -> bool {
        let Some(found) = service.facts.found() else { return false };
        let host = self.host(&found.host_id);
        let is_host_there = host.is_some_and(|host| host.status != HostStatus::Offline);
        is_host_there && found.down_since.is_none()
    }
}

#[cfg(test)]
#[path = "remove_tests.rs"]
mod tests;
