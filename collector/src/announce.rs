//! Tells the local network where this collector is, by mDNS (RFC 6762, RFC 6763): agents that know
//! none find it, and its pin beside it. Nothing that comes in over mDNS is used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::fingerprint::Fingerprint;
use mdns_sd::{IfKind, IfPredicate, ServiceDaemon, ServiceInfo};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::auth::HostName;
use crate::tls::Keys;

/// What agents look for.
const SERVICE: &str = "_herdbook._tcp.local.";
/// Networks of containers and virtual machines on this host, where no other host is.
const OF_CONTAINERS: [&str; 6] = ["docker", "veth", "virbr", "br-", "cni", "flannel"];
/// An instance's name is one label.
const LABEL_BYTES: usize = 63 - HOST_PREFIX.len();
/// Apart from the host's own name, for which the host may have a responder already.
const HOST_PREFIX: &str = "herdbook-";
/// What the last words may take.
const STOP_DEADLINE: Duration = Duration::from_secs(1);

/// Why nothing is announced.
#[derive(Debug, thiserror::Error)]
#[error("cannot announce the collector by mDNS; set announce = false, or give agents a join line")]
pub struct AnnounceError(#[from] mdns_sd::Error);

/// Announces the collector until `stop`, and anew whenever it is to be known by other keys. It can be
/// found by other ways as well: that it cannot be announced ends nothing.
pub async fn run(listeners: Vec<SocketAddr>, keys: Arc<Keys>, stop: CancellationToken) {
    let name = HostName::of_machine().into_iter().next().map(|name| name.to_string());
    let name = name.unwrap_or_else(|| "collector".to_owned());
    let mut changes = keys.changes();
    loop {
        let announced = Announcement::start(&name, &listeners, &keys.pins());
        let announced = announced.unwrap_or_else(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            warn!(%error, cause, "nobody on the network is told of this collector");
            None
        });
        let is_over = tokio::select! {
            () = stop.cancelled() => true,
            changed = changes.changed() => changed.is_err(),
        };
        if let Some(announced) = announced {
            announced.stop().await;
        }
        if is_over {
            // A part that ends before the collector is told to would end it.
            return stop.cancelled().await;
        }
    }
}

/// A collector that is announced, until it is stopped.
pub struct Announcement {
    daemon: ServiceDaemon,
}

impl Announcement {
    /// Announces the listeners that are not on loopback, on their interfaces. `name` is the host's
    /// for people. None where every listener is on loopback.
    ///
    /// # Errors
    ///
    /// Where mDNS cannot be spoken.
    pub fn start(
        name: &str,
        listeners: &[SocketAddr],
        pins: &[Fingerprint],
    ) -> Result<Option<Self>, AnnounceError> {
        let mut open: Vec<SocketAddr> =
            listeners.iter().copied().filter(|listener| is_open(*listener)).collect();
        open.sort_by_key(SocketAddr::port);
        if open.is_empty() {
            return Ok(None);
        }
        let daemon = ServiceDaemon::new()?;
        let others = IfPredicate::new(|interface| {
            interface.is_loopback() || is_of_containers(&interface.name)
        });
        daemon.disable_interface(IfKind::Predicate(others))?;
        for on_port in open.chunk_by(|one, other| one.port() == other.port()) {
            daemon.register(service(name, on_port, open[0].port(), pins)?)?;
        }
        info!("announced by mDNS as {SERVICE}");
        Ok(Some(Self { daemon }))
    }

    /// Takes the announcement back, so that nobody looks here any more.
    pub async fn stop(self) {
        // Leaving says goodbye for all that was announced.
        let stopped = async { self.daemon.shutdown().ok()?.recv_async().await.ok() };
        if timeout(STOP_DEADLINE, stopped).await.is_err() {
            debug!("the mDNS thread did not stop within 1 s");
        }
    }
}

/// The listeners of one port, told by their addresses. The first port has the plain name.
fn service(
    name: &str,
    listeners: &[SocketAddr],
    first_port: u16,
    pins: &[Fingerprint],
) -> Result<ServiceInfo, mdns_sd::Error> {
    let port = listeners.first().map_or(0, SocketAddr::port);
    let host = host_of(name);
    let instance = if port == first_port { host.clone() } else { format!("{host}-{port}") };
    let host = format!("{HOST_PREFIX}{host}.local.");
    let pins: Vec<String> = pins.iter().map(Fingerprint::to_string).collect();
    let txt = [("pin", pins.join(","))];
    let is_everywhere = listeners.iter().any(|listener| listener.ip().is_unspecified());
    if is_everywhere {
        let service = ServiceInfo::new(SERVICE, &instance, &host, "", port, &txt[..])?;
        return Ok(service.enable_addr_auto());
    }
    let addresses: Vec<std::net::IpAddr> = listeners.iter().map(SocketAddr::ip).collect();
    let mut service = ServiceInfo::new(SERVICE, &instance, &host, &addresses[..], port, &txt[..])?;
    service.set_interfaces(addresses.into_iter().map(IfKind::Addr).collect());
    Ok(service)
}

/// One label of the host's name.
fn host_of(name: &str) -> String {
    let label = name.split('.').next().unwrap_or_default();
    let plain: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    let plain = &plain[..plain.len().min(LABEL_BYTES - "-65535".len())];
    if plain.is_empty() { "collector".to_owned() } else { plain.to_ascii_lowercase() }
}

fn is_open(listener: SocketAddr) -> bool {
    !listener.ip().to_canonical().is_loopback()
}

fn is_of_containers(name: &str) -> bool {
    OF_CONTAINERS.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_collector_on_loopback_is_not_announced() {
        let listeners = [at("127.0.0.1:6121"), at("[::1]:6121")];
        assert!(Announcement::start("gpu-0", &listeners, &[]).unwrap().is_none());
    }

    #[test]
    fn a_service_tells_port_addresses_and_pins() {
        let pins = [Fingerprint::of_digest([1; 32]), Fingerprint::of_digest([2; 32])];
        let one = service("GPU 0.example", &[at("10.0.0.7:6121")], 6121, &pins).unwrap();
        assert_eq!(one.get_fullname(), "gpu-0._herdbook._tcp.local.");
        assert_eq!(one.get_hostname(), "herdbook-gpu-0.local.");
        assert_eq!(one.get_property_val_str("pin"), Some(&*format!("{},{}", pins[0], pins[1])));
        assert!(!one.is_addr_auto());
        let all = service("gpu-0", &[at("0.0.0.0:6122")], 6121, &pins).unwrap();
        assert_eq!(all.get_fullname(), "gpu-0-6122._herdbook._tcp.local.");
        assert!(all.is_addr_auto());
    }

    #[test]
    fn four_pins_fit_into_a_txt_record() {
        let pins = [Fingerprint::of_digest([1; 32]); 4];
        assert!(service("gpu-0", &[at("10.0.0.7:6121")], 6121, &pins).is_ok());
    }

    #[test]
    fn every_name_makes_a_label() {
        assert_eq!(host_of("gpu_1.lan"), "gpu-1");
        assert_eq!(host_of("日本"), "collector");
        assert_eq!(host_of(""), "collector");
        assert!(host_of(&"a".repeat(300)).len() < 63 - HOST_PREFIX.len());
    }
}
