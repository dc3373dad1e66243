//! Which connections nobody has vouched for, and who must go where there are too many: the oldest
//! one of the address that has most, in favour of the newcomer, so that those who are slow on purpose
//! never starve those who are quick, and those who are many not those who are few. It knows no
//! socket, and time comes in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use herdbook_shared::fingerprint::Fingerprint;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::network::Network;
use super::sources::Sources;
use crate::limits;

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) of_network: usize,
    pub(super) strangers: usize,
    pub(super) connections: usize,
    pub(super) hosts: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            of_network: limits::STRANGERS_OF_NETWORK,
            strangers: limits::STRANGERS,
            connections: limits::CONNECTIONS,
            hosts: limits::HOSTS_KNOWN,
        }
    }
}

/// One connection, as long as it is there.
pub(super) type Id = u64;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Pools {
    bounds: Bounds,
    next_id: Id,
    strangers: BTreeMap<Id, Stranger>,
    /// Where all of them come from.
    sources: Sources,
    networks: HashMap<Network, Crowd>,
    vouched: HashSet<Id>,
    /// Hosts that proved who they are, and the network that they did it from. One that no bound
    /// applies to has none.
    hosts: HashMap<Fingerprint, Option<Network>>,
}

#[derive(Debug)]
struct Stranger {
    peer: Peer,
    since: Instant,
    leave: CancellationToken,
}

/// Who is of one network.
#[derive(Debug, Default)]
struct Crowd {
    strangers: Sources,
    n_hosts: usize,
}

/// Where somebody comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// Without one, only the bound over all applies.
    pub(super) network: Option<Network>,
}

/// A newcomer that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) id: Id,
    /// Is cancelled when it must go.
    pub(super) leave: CancellationToken,
    /// Whether another one went in its favour.
    pub(super) has_replaced: bool,
}

impl Pools {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next_id: 0,
            strangers: BTreeMap::new(),
            sources: Sources::default(),
            networks: HashMap::new(),
            vouched: HashSet::new(),
            hosts: HashMap::new(),
        }
    }

    /// Lets in somebody who needs nobody to vouch.
    pub(super) fn admit_vouched(&mut self) -> Id {
        let id = self.id();
        self.vouched.insert(id);
        id
    }

    /// Lets a stranger in, or not. Whoever is in the way is spared while it is new, unless its
    /// address would still have no fewer than the newcomer's.
    pub(super) fn admit(&mut self, peer: Peer, now: Instant) -> Option<Admitted> {
        let in_the_way = self.in_the_way(&peer);
        if let Some((n_theirs, n_own, id)) = in_the_way {
            let since = self.strangers.get(&id)?.since;
            let is_new = now.duration_since(since) < limits::STRANGER_SPARED_FOR;
            if is_new && n_theirs <= n_own + 1 {
                return None;
            }
            self.remove_stranger(id)?.leave.cancel();
        }
        let (id, leave) = (self.id(), CancellationToken::new());
        self.strangers.insert(id, Stranger { peer, since: now, leave: leave.clone() });
        self.sources.insert(peer.address, id);
        if let Some(network) = peer.network {
            self.networks.entry(network).or_default().strangers.insert(peer.address, id);
        }
        Some(Admitted { id, leave, has_replaced: in_the_way.is_some() })
    }

    /// Who must go before a stranger may come, how many its address has, and how many the newcomer's;
    /// nobody where there is room.
    fn in_the_way(&self, peer: &Peer) -> Option<(usize, usize, Id)> {
        let of = |sources: &Sources| {
            let (n_theirs, id) = sources.oldest_of_the_most()?;
            Some((n_theirs, sources.n_of(peer.address), id))
        };
        let crowd = peer.network.and_then(|network| self.networks.get(&network));
        if let Some(crowd) = crowd
            && crowd.strangers.len() >= self.bounds.of_network + crowd.n_hosts
        {
            return of(&crowd.strangers);
        }
        // Those who are vouched for keep their room, and one more place is for whoever comes.
        let room = self.bounds.connections.saturating_sub(self.vouched.len() + 1).max(1);
        let n_allowed = (self.bounds.strangers + self.hosts.len()).min(room);
        if self.strangers.len() >= n_allowed { of(&self.sources) } else { None }
    }

    /// Takes a connection out of the strangers for good. One that had to go stays gone.
    pub(super) fn vouch(&mut self, id: Id) {
        if self.remove_stranger(id).is_some() {
            self.vouched.insert(id);
        }
    }

    /// Remembers from which network a host comes, so that there is room for it when it comes back.
    pub(super) fn know(&mut self, host: Fingerprint, network: Option<Network>) {
        let is_known = self.hosts.contains_key(&host);
        if !is_known && self.hosts.len() >= self.bounds.hosts {
            return;
        }
        self.forget(&host);
        self.hosts.insert(host, network);
        if let Some(network) = network {
            self.networks.entry(network).or_default().n_hosts += 1;
        }
    }

    /// A host is none any more.
    pub(super) fn forget(&mut self, host: &Fingerprint) {
        let Some(Some(network)) = self.hosts.remove(host) else { return };
        if let Some(crowd) = self.networks.get_mut(&network) {
            crowd.n_hosts = crowd.n_hosts.saturating_sub(1);
        }
        self.tidy(network);
    }

    /// A connection is closed.
    pub(super) fn leave(&mut self, id: Id) {
        if !self.vouched.remove(&id) {
            self.remove_stranger(id);
        }
    }

    fn remove_stranger(&mut self, id: Id) -> Option<Stranger> {
        let stranger = self.strangers.remove(&id)?;
        let Peer { address, network } = stranger.peer;
        self.sources.remove(address, id);
        if let Some(network) = network {
            if let Some(crowd) = self.networks.get_mut(&network) {
                crowd.strangers.remove(address, id);
            }
            self.tidy(network);
        }
        Some(stranger)
    }

    fn tidy(&mut self, network: Network) {
        let is_empty = |crowd: &Crowd| crowd.strangers.is_empty() && crowd.n_hosts == 0;
        if self.networks.get(&network).is_some_and(is_empty) {
            self.networks.remove(&network);
        }
    }

    fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    #[cfg(test)]
    pub(super) fn n_strangers(&self) -> usize {
        self.strangers.len()
    }
}

#[cfg(test)]
#[path = "pools_tests.rs"]
mod tests;
