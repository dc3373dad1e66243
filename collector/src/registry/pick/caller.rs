//! Who asks for a service, as far as it matters to what can be reached: a server that listens on
//! loopback is of use on its own host alone.

use std::net::IpAddr;
use std::sync::Arc;

use crate::registry::Registry;
use crate::registry::host::HostEntry;
use crate::registry::service::{Check, ServiceEntry};

/// From where a service shall be called.
#[derive(Clone, Debug, Default)]
pub enum Caller {
    /// On this host.
    Host(Arc<HostEntry>),
    /// On the collector's own machine, where several agents may run.
    Here,
    /// Nobody knows, but not there.
    #[default]
    Elsewhere,
}

/// `from` names no host, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCaller {
    /// None.
    #[error("no host has the id or name {0:?}")]
    NoHost(String),
    /// Several.
    #[error("{n_hosts} hosts are named {name:?}: give the id of one of them")]
    Ambiguous {
        /// Their name.
        name: String,
        /// How many.
        n_hosts: usize,
    },
}

impl Registry {
    /// Who asks: the host that `from` names by its id or its only name, else the one whose agent
    /// has the same address, where loopback is the collector's own machine.
    ///
    /// # Errors
    ///
    /// Where `from` names no host, or several.
    pub fn caller(
        &self,
        from: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<Caller, UnknownCaller> {
        match from {
            Some(name) => self.host_named(name).map(Caller::Host),
            None => Ok(self.caller_at(peer)),
        }
    }

    fn host_named(&self, name: &str) -> Result<Arc<HostEntry>, UnknownCaller> {
        let unknown = || UnknownCaller::NoHost(name.to_owned());
        if let Some(host) = self.host(name) {
            return Ok(host);
        }
        match self.whereabouts.of_name(name) {
            Ok(id) => self.host(id.as_str()).ok_or_else(unknown),
            Err(0) => Err(unknown()),
            Err(n_hosts) => Err(UnknownCaller::Ambiguous { name: name.to_owned(), n_hosts }),
        }
    }

    fn caller_at(&self, peer: Option<IpAddr>) -> Caller {
        let Some(peer) = peer else { return Caller::Elsewhere };
        if peer.to_canonical().is_loopback() {
            return Caller::Here;
        }
        let host = self.whereabouts.of_address(peer).and_then(|id| self.host(id.as_str()));
        host.map_or(Caller::Elsewhere, Caller::Host)
    }

    /// Whether a caller is where this service runs.
    pub(super) fn is_beside(
        &self,
        caller: &Caller,
        service: &ServiceEntry,
        host: Option<&HostEntry>,
    ) -> bool {
        match caller {
            Caller::Elsewhere => false,
            Caller::Here => self.runs_here(service, host),
            Caller::Host(own) => {
                service.host_id() == Some(&own.id)
                    || (self.is_here(own) && self.runs_here(service, host))
            }
        }
    }

    /// Whether a service with a loopback address runs on the collector's machine. Where the
    /// collector itself asks it, or it registered with it, that is what its address means.
    fn runs_here(&self, service: &ServiceEntry, host: Option<&HostEntry>) -> bool {
        match service.facts.check {
            Check::Agent => host.is_some_and(|host| self.is_here(host)),
            Check::Probe | Check::Heartbeat => true,
        }
    }

    /// A session from loopback is of the collector's machine only with its boot: the rest are
    /// tunnels.
    fn is_here(&self, host: &HostEntry) -> bool {
        let Some(own) = self.boot_id.as_deref() else { return false };
        host.session.as_ref().is_some_and(|session| {
            session.remote_address.to_canonical().is_loopback() && session.boot_id == own
        })
    }
}
