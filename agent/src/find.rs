//! Finds a collector where none is known: on this machine, else by DNS, else by mDNS.
//!
//! The one on this machine comes first: nobody on the network can take the agent of a single
//! machine away from its own collector. What is found on the network is spoken to over TLS, and
//! learns no more than the host's name and its key's fingerprint before it asks for a proof.

use std::net::Ipv4Addr;
use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use crate::config::{CollectorDiscovery, CollectorUrl};
use crate::enrol::{PINS_MAX, Target, Trust};

mod mdns;
mod srv;

/// Something listens on this machine, or not; asked without a word.
const LOOPBACK_DEADLINE: Duration = Duration::from_millis(500);
/// For the whole of the search by DNS, and for that by mDNS.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a collector calls its service, in both kinds of DNS (RFC 6763).
const SERVICE: &str = "_herdbook._tcp";
/// The key under which its TXT record has its pins.
const PIN: &str = "pin";

/// Finds a collector.
#[derive(Debug)]
pub struct Finder {
    discovery: CollectorDiscovery,
}

impl Finder {
    /// One that looks on the network, or on this machine alone.
    #[must_use]
    pub fn new(discovery: CollectorDiscovery) -> Self {
        Self { discovery }
    }

    /// A collector, whichever comes first; that of this machine, where there is none yet.
    pub async fn find(&mut self) -> Target {
        let local = Target { url: CollectorUrl::local(), trust: Trust::Roots };
        if self.discovery == CollectorDiscovery::Off || is_there(local.url.port()).await {
            return local;
        }
        search().await.unwrap_or(local)
    }

    /// Where a collector that was found before is now, told by its key; where it was, if it is not
    /// found again.
    pub async fn find_again(&mut self, known: Target) -> Target {
        if self.discovery == CollectorDiscovery::Off {
            return known;
        }
        let Some(found) = search().await else { return known };
        let is_same = match (&found.trust, &known.trust) {
            (Trust::Pins(told), Trust::Pins(expected)) => {
                told.iter().any(|pin| expected.contains(pin))
            }
            _ => false,
        };
        if is_same { Target { url: found.url, trust: known.trust } } else { known }
    }
}

/// On the network.
async fn search() -> Option<Target> {
    if let Ok(Some(found)) = timeout(DEADLINE, srv::search()).await {
        debug!("found the collector at {found} by DNS");
        return Some(found);
    }
    let found = mdns::search(DEADLINE).await?;
    debug!("found the collector at {found} by mDNS");
    Some(found)
}

async fn is_there(port: u16) -> bool {
    let connected = timeout(LOOPBACK_DEADLINE, TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
    connected.await.is_ok_and(|connected| connected.is_ok())
}

/// The pins of a TXT record's `pin=…`. What is none counts for nothing.
fn pins_of(value: &str) -> Vec<Fingerprint> {
    let pins: Result<Vec<_>, _> = value.split(',').take(PINS_MAX + 1).map(str::parse).collect();
    pins.ok().filter(|pins| pins.len() <= PINS_MAX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_txt_record_holds_a_few_pins_or_none() {
        let pin = Fingerprint::of_digest([1; 32]);
        assert_eq!(pins_of(&pin.to_string()), [pin]);
        assert_eq!(pins_of(&format!("{pin},{pin}")), [pin, pin]);
        assert!(pins_of("").is_empty() && pins_of("sha256:").is_empty());
        assert!(pins_of(&format!("{pin},x")).is_empty());
        assert!(pins_of(&vec![pin.to_string(); 5].join(",")).is_empty());
    }

    #[tokio::test]
    async fn a_collector_of_this_machine_is_seen_without_a_word() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_there(port).await);
        drop(listener);
        assert!(!is_there(port).await);
    }

    #[tokio::test]
    async fn where_nothing_may_be_looked_for_it_is_this_machine() {
        let found = Finder::new(CollectorDiscovery::Off).find().await;
        assert_eq!(found.url, CollectorUrl::local());
    }
}
