//! What a host's services are called: at the address from which its agent connects, and by the
//! host's name. Never by what the agent says of its addresses, since it could name another's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use super::host::HostEntry;
use super::service::record::Found;
use super::url::ServiceUrl;

const LOOPBACK_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The address that a host proved to be its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Its agent connected from there.
    Address(IpAddr),
    /// It is the collector's own machine.
    Own,
}

impl Peer {
    /// Of a connection. One from loopback proves something only where both ends run since the same
    /// boot: through a tunnel everybody comes from there.
    #[must_use]
    pub fn of(remote: IpAddr, boot_id: &str, own_boot_id: Option<&str>) -> Option<Self> {
        let remote = remote.to_canonical();
        if remote.is_loopback() {
            let is_own = !boot_id.is_empty() && own_boot_id == Some(boot_id);
            return is_own.then_some(Self::Own);
        }
        (!remote.is_unspecified()).then_some(Self::Address(remote))
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    address: IpAddr,
    port: u16,
}

impl Listener {
    /// An address that cannot be read is one that nobody else can call.
    pub(super) fn new(address: &str, port: u16) -> Self {
        let address = address.parse::<IpAddr>().map_or(LOOPBACK_V4, |a| a.to_canonical());
        Self { address, port }
    }

    pub(super) fn of(found: &Found) -> Self {
        Self::new(&found.address, found.port)
    }

    /// How surely whoever calls this address reaches it: not at all, or as the system chooses
    /// among those that listen on one port.
    fn reach(self, called: IpAddr) -> u8 {
        match (self.address, called) {
            (listens, called) if listens == called => 3,
            (IpAddr::V4(v4), IpAddr::V4(_)) if v4.is_unspecified() => 2,
            (IpAddr::V6(v6), IpAddr::V6(_)) if v6.is_unspecified() => 2,
            (IpAddr::V6(v6), IpAddr::V4(_)) if v6.is_unspecified() => 1,
            _ => 0,
        }
    }
}

/// The names of one of a host's servers; `all` are all of them. Of several on one port, who is
/// reached most surely has the name; those who are reached alike all claim it, so that none has it.
pub(super) fn names_of(host: &HostEntry, server: Listener, all: &[Listener]) -> Vec<String> {
    if host.id.is_clone() {
        // It has the original's name, and must not touch it.
        return Vec::new();
    }
    let wins = |rank: &dyn Fn(Listener) -> u8| {
        let on_port = all.iter().filter(|other| other.port == server.port);
        on_port.map(|other| rank(*other)).max().is_none_or(|best| rank(server) == best)
    };
    let mut names = Vec::new();
    match host.peer {
        Some(Peer::Address(peer)) if wins(&|l| l.reach(peer)) => {
            names.push(key(peer, server.port));
        }
        Some(Peer::Own) => {
            let localhost = |l: Listener| l.reach(LOOPBACK_V4).max(l.reach(LOOPBACK_V6));
            let loopback: [(String, &dyn Fn(Listener) -> u8); 3] = [
                (key(LOOPBACK_V4, server.port), &|l| l.reach(LOOPBACK_V4)),
                (key(LOOPBACK_V6, server.port), &|l| l.reach(LOOPBACK_V6)),
                (format!("localhost:{}", server.port), &localhost),
            ];
            let covered = loopback.into_iter().filter(|(_, rank)| rank(server) > 0 && wins(rank));
            names.extend(covered.map(|(name, _)| name));
        }
        _ => (),
    }
    let is_beyond_loopback = |l: Listener| u8::from(!l.address.is_loopback());
    let by_name = by_name(&host.facts.name, server.port);
    names.extend(by_name.filter(|_| wins(&is_beyond_loopback)));
    names
}

/// `{name}:{port}`, where the name is one: an agent may call its host by another's address.
fn by_name(name: &str, port: u16) -> Option<String> {
    let url = ServiceUrl::parse(&format!("http://{name}:{port}")).ok()?;
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    (is_name && !url.is_loopback() && url.path().is_empty() && url.port() == port)
        .then(|| url.key())
}

/// Whether a host's name is one, so that its services may be called by it.
pub(super) fn is_name(name: &str) -> bool {
    by_name(name, 1).is_some()
}

fn key(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}:{port}"),
        IpAddr::V6(v6) => format!("[{v6}]:{port}"),
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
