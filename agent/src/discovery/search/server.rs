//! Listening sockets put together to servers: a process that holds several on one port is one
//! server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::guise::Guise;
use super::owner::Holder;
use super::process::Processes;
use super::sockets::{ALL_V4, ALL_V6, Listening};

/// What listens on a port.
#[derive(Clone, Debug)]
pub(super) struct Server<'a> {
    pub(super) port: u16,
    pub(super) sockets: Vec<&'a Listening>,
    pub(super) holder: Holder,
    /// `None` where the process is not known.
    pub(super) guise: Option<Guise>,
}

/// Puts sockets, ordered by port, together.
pub(super) fn servers<'a>(
    sockets: &'a [Listening],
    holders: &[Holder],
    processes: &Processes,
) -> Vec<Server<'a>> {
    let mut servers: Vec<Server<'a>> = Vec::new();
    for (listening, holder) in sockets.iter().zip(holders) {
        let guise = match holder {
            Holder::Process(pid) => processes.get(*pid).map(|seen| processes.guise(seen)),
            Holder::NoServer => Some(Guise::Other),
            Holder::SomeServer | Holder::Unknown => None,
        };
        let one = Server { port: listening.port, sockets: vec![listening], holder: *holder, guise };
        let at_port = servers.iter_mut().rev().take_while(|server| server.port == one.port);
        match at_port.into_iter().find(|server| server.is_also(&one)) {
            Some(server) => server.sockets.push(listening),
            None => servers.push(one),
        }
    }
    servers
}

impl Server<'_> {
    /// Whether this socket on the same port belongs to the same server.
    fn is_also(&self, one: &Server<'_>) -> bool {
        let shares_address = self
            .sockets
            .iter()
            .any(|socket| one.sockets.iter().any(|l| l.address == socket.address));
        // Several processes may share an address: the kernel hands each some connections.
        if shares_address {
            return true;
        }
        match (&self.guise, &one.guise) {
            (Some(Guise::Forwarder(_)), Some(Guise::Forwarder(_))) => {
                // One process each for 0.0.0.0 and [::].
                self.is_on(ALL_V4) && one.is_on(ALL_V6)
            }
            (Some(_), Some(_)) => self.holder == one.holder,
            (None, None) => self.uid() == one.uid() && self.is_on_twin_of(one),
            _ => false,
        }
    }

    /// Loopback of both families, or all addresses of both.
    fn is_on_twin_of(&self, one: &Server<'_>) -> bool {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        [[ALL_V4, ALL_V6], loopback].iter().any(|[v4, v6]| self.is_on(*v4) && one.is_on(*v6))
    }

    fn is_on(&self, address: IpAddr) -> bool {
        self.sockets.iter().any(|socket| socket.address == address)
    }

    fn uid(&self) -> Option<u32> {
        self.sockets.first().map(|socket| socket.uid)
    }

    /// The widest of the addresses that it listens on.
    pub(super) fn listens_on(&self) -> IpAddr {
        let width = |address: &IpAddr| match address {
            address if address.is_unspecified() => 0,
            address if address.is_loopback() => 2,
            _ => 1,
        };
        let addresses = self.sockets.iter().map(|socket| socket.address);
        addresses.min_by_key(|address| (width(address), *address)).unwrap_or(ALL_V4)
    }

    /// Where it is reached, and no other server is: loopback if it hears that, or else an address that
    /// may be contacted.
    pub(super) fn target(
        &self,
        all: &[Listening],
        is_allowed: impl Fn(IpAddr) -> bool,
    ) -> Option<SocketAddr> {
        // A server on 127.0.0.1 alone hides 127.0.0.1 from a server on 0.0.0.0.
        let is_hidden = |address: IpAddr| {
            let exact = all.iter().any(|l| l.port == self.port && l.address == address);
            exact && !self.is_on(address)
        };
        let loopback = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
            IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)),
        ];
        let own = self.sockets.iter().map(|socket| socket.address);
        let mut all_addresses = loopback.into_iter().chain(own.filter(|a| !a.is_unspecified()));
        let address = all_addresses.find(|address| {
            let is_heard = self.sockets.iter().any(|socket| socket.hears(*address));
            is_heard && !is_hidden(*address) && is_allowed(*address)
        })?;
        Some(SocketAddr::new(address, self.port))
    }
}
