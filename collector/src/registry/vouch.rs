//! Who answers for a service: whose it is, so that nobody else of those who may register one changes
//! it, and who says that it may be dialled where it is.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::Registry;
use super::declare::Whole;
use super::names::Peer;
use super::service::record::Records;
use super::service::{ServiceEntry, ServiceFacts};
use super::transaction::Transaction;

/// It is for whoever registered it, and for admins, to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not yours: only whoever registered it, and admins, may change it; register yours under \
     a name or URL of its own, or ask an admin"
)]
pub struct NotYours(pub ServiceId);

impl Records {
    /// Who registered it; `None`: an admin, a file or an agent did, or more than one did.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<str>> {
        let mut records = [&self.own, &self.manual].into_iter().flatten();
        let owner = records.next()?.owner.as_ref()?;
        records.all(|other| other.owner.as_ref() == Some(owner)).then_some(owner)
    }

    /// Whether a file, or somebody who may have anything dialled, says that it is called there.
    fn is_placed_by_admin(&self, url: &str) -> bool {
        let placed = [&self.file, &self.manual, &self.own];
        let mut placed = placed.into_iter().filter_map(Option::as_deref);
        placed.any(|record| record.owner.is_none() && record.url.as_deref() == Some(url))
    }
}

impl ServiceEntry {
    /// Whether this caller may change it. `None` is an admin.
    ///
    /// # Errors
    ///
    /// Where it is somebody else's, or nobody's in particular.
    pub fn is_for(&self, caller: Option<&str>) -> Result<(), NotYours> {
        let owner = self.facts.records.owner().map(AsRef::as_ref);
        if caller.is_none() || caller == owner { Ok(()) } else { Err(NotYours(self.id.clone())) }
    }
}

impl Registry {
    /// Whether this caller may change the service of this id or name, where there is one. One that
    /// left because its beats were missing counts too.
    ///
    /// # Errors
    ///
    /// Where it is somebody else's.
    pub fn is_for(&self, id: &str, caller: Option<&str>) -> Result<(), NotYours> {
        if caller.is_none() {
            return Ok(());
        }
        let left = || self.departed(id);
        self.resolve(id).or_else(left).map_or(Ok(()), |service| service.is_for(caller))
    }

    /// Whether somebody who may say so answers for an address of a service: a file or an admin who
    /// placed the service there, or an agent that connected from there.
    #[must_use]
    pub fn vouches(&self, facts: &ServiceFacts, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_its_hosts = || {
            let host = facts.host_id.as_ref().and_then(|id| self.host(id.as_str()));
            host.is_some_and(|host| host.peer == Some(Peer::Address(address)))
        };
        facts.records.is_placed_by_admin(&facts.url)
            || is_its_hosts()
            || self.whereabouts.is_proved(address)
    }
}

impl Transaction<'_> {
    /// Whether whoever declares this may: nobody takes over what is somebody else's, be it listed
    /// or gone for a while.
    pub(super) fn may_declare(&self, whole: &Whole) -> Result<(), NotYours> {
        let Some(caller) = whole.declared().owner.as_deref() else { return Ok(()) };
        let left = || whole.own_id.as_ref().and_then(|id| self.departed(id));
        self.known(whole).or_else(left).map_or(Ok(()), |service| service.is_for(Some(caller)))
    }
}

#[cfg(test)]
#[path = "vouch_tests.rs"]
mod tests;
