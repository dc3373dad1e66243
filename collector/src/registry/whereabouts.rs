//! Hosts by what people and sockets call them: their name, and the address of their session. What
//! two hosts share names neither. Loopback addresses name nobody: behind a tunnel everybody has one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dashmap::DashMap;
use herdbook_shared::ids::HostId;

use super::host::HostEntry;
use super::names::Peer;

/// See the module's words. Follows the hosts, within the transaction that replaces them.
#[derive(Debug, Default)]
pub(super) struct Whereabouts(DashMap<Sign, BTreeSet<HostId>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sign {
    /// In lower case.
    Name(String),
    Address(IpAddr),
    /// By its newest session, open or over.
    Proved(IpAddr),
}

impl Whereabouts {
    /// A host was replaced, or came, or went.
    pub(super) fn follow(&self, before: Option<&HostEntry>, after: Option<&HostEntry>) {
        let (Some(host), is_same) = (before.or(after), same_signs(before, after)) else { return };
        if is_same {
            return;
        }
        for sign in before.into_iter().flat_map(signs) {
            if let Some(mut hosts) = self.0.get_mut(&sign) {
                hosts.remove(&host.id);
            }
            self.0.remove_if(&sign, |_, hosts| hosts.is_empty());
        }
        for sign in after.into_iter().flat_map(signs) {
            self.0.entry(sign).or_default().insert(host.id.clone());
        }
    }

    /// The only host of this name, or how many there are.
    pub(super) fn of_name(&self, name: &str) -> Result<HostId, usize> {
        self.only(&Sign::Name(name.to_lowercase()))
    }

    /// The only host whose session comes from this address.
    pub(super) fn of_address(&self, address: IpAddr) -> Option<HostId> {
        self.only(&Sign::Address(address.to_canonical())).ok()
    }

    /// Whether an agent connected from this address, be it there now or not.
    pub(super) fn is_proved(&self, address: IpAddr) -> bool {
        self.0.contains_key(&Sign::Proved(address))
    }

    fn only(&self, sign: &Sign) -> Result<HostId, usize> {
        let Some(hosts) = self.0.get(sign) else { return Err(0) };
        match (hosts.first(), hosts.len()) {
            (Some(only), 1) => Ok(only.clone()),
            (_, n_hosts) => Err(n_hosts),
        }
    }
}

fn same_signs(before: Option<&HostEntry>, after: Option<&HostEntry>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    before.facts.name == after.facts.name
        && address(before) == address(after)
        && before.peer == after.peer
}

fn signs(host: &HostEntry) -> impl Iterator<Item = Sign> {
    let name = Sign::Name(host.facts.name.to_lowercase());
    let proved = match host.peer {
        Some(Peer::Address(address)) => Some(Sign::Proved(address)),
        Some(Peer::Own) | None => None,
    };
    [name].into_iter().chain(address(host).map(Sign::Address)).chain(proved)
}

fn address(host: &HostEntry) -> Option<IpAddr> {
    let address = host.session.as_ref()?.remote_address.to_canonical();
    (!address.is_loopback()).then_some(address)
}
