//! A collector on the local network by mDNS (RFC 6762). One that tells no pin is none: a name of
//! the local network is nothing that a certificate could vouch for.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, IfPredicate, Receiver, ResolvedService, ServiceDaemon, ServiceEvent};
use tokio::time::timeout;
use tracing::debug;

use super::{PIN, SERVICE, pins_of};
use crate::config::CollectorUrl;
use crate::enrol::{Target, Trust};

/// Networks of containers and virtual machines on this host, where no collector of others is.
const OF_CONTAINERS: [&str; 6] = ["docker", "veth", "virbr", "br-", "cni", "flannel"];

/// The first that answers.
pub(super) async fn search(deadline: Duration) -> Option<Target> {
    let daemon = match ServiceDaemon::new() {
        Ok(daemon) => daemon,
        Err(error) => {
            debug!(%error, "nobody can be looked for by mDNS");
            return None;
        }
    };
    // Its thread would outlive a search that is given up.
    let daemon = Stopped(daemon);
    timeout(deadline, browse(&daemon.0)).await.ok().flatten()
}

/// A thread that is told to stop with this.
struct Stopped(ServiceDaemon);

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            debug!(%error, "the mDNS thread has stopped already");
        }
    }
}

async fn browse(daemon: &ServiceDaemon) -> Option<Target> {
    let others =
        IfPredicate::new(|interface| interface.is_loopback() || is_of_containers(&interface.name));
    daemon.disable_interface(IfKind::Predicate(others)).ok()?;
    let events: Receiver<ServiceEvent> = daemon.browse(&format!("{SERVICE}.local.")).ok()?;
    loop {
        if let ServiceEvent::ServiceResolved(service) = events.recv_async().await.ok()?
            && let Some(target) = target_of(&service)
        {
            return Some(target);
        }
    }
}

fn is_of_containers(name: &str) -> bool {
    OF_CONTAINERS.iter().any(|prefix| name.starts_with(prefix))
}

fn target_of(service: &ResolvedService) -> Option<Target> {
    let pins = pins_of(service.get_property_val_str(PIN)?);
    if pins.is_empty() {
        return None;
    }
    let addresses = service.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr);
    let address =
        addresses.filter(is_dialled).min_by_key(|address| (address.is_ipv6(), *address))?;
    let url = CollectorUrl::found(&address.to_string(), service.get_port())?;
    Some(Target { url, trust: Trust::Pins(pins) })
}

/// A link-local address means nothing without its interface, and one of loopback nothing elsewhere.
fn is_dialled(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_loopback(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceInfo;

    use super::*;

    fn service(addresses: &str, properties: &[(&str, &str)]) -> ResolvedService {
        let service = format!("{SERVICE}.local.");
        ServiceInfo::new(&service, "c", "c.local.", addresses, 6121, properties)
            .unwrap()
            .as_resolved_service()
    }

    #[test]
    fn what_is_found_is_known_by_its_pin() {
        let pin = herdbook_shared::fingerprint::Fingerprint::of_digest([1; 32]);
        let told = [("pin", &*pin.to_string())];
        let target = target_of(&service("fe80::1,fd00::7,169.254.0.1,10.0.0.7", &told)).unwrap();
        assert_eq!(target.url.to_string(), "https://10.0.0.7:6121");
        assert_eq!(target.trust, Trust::Pins(vec![pin]));
        let target = target_of(&service("fe80::1,fd00::7", &told)).unwrap();
        assert_eq!(target.url.to_string(), "https://[fd00::7]:6121");
    }

    #[test]
    fn what_tells_no_pin_or_address_is_none() {
        let pin = herdbook_shared::fingerprint::Fingerprint::of_digest([1; 32]).to_string();
        for (addresses, properties) in [
            ("10.0.0.7", vec![]),
            ("10.0.0.7", vec![("pin", "")]),
            ("10.0.0.7", vec![("pin", "sha256:AAAA")]),
            ("127.0.0.1,169.254.0.1,fe80::1", vec![("pin", &*pin)]),
        ] {
            assert_eq!(target_of(&service(addresses, &properties)), None, "{properties:?}");
        }
    }

    #[test]
    fn networks_of_containers_are_passed_over() {
        assert!(["docker0", "veth12", "virbr0", "br-0a1b"].into_iter().all(is_of_containers));
        assert!(!["eth0", "br0", "wlp3s0", "tailscale0"].into_iter().any(is_of_containers));
    }
}
