//! Which service is which: the id that a service is given once, and how what an agent reports is
//! matched with what is known.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::wire::inventory::Service;

use super::host::HostEntry;
use super::names::is_name;
use super::service::{Reachable, ServiceEntry};
use super::url::ServiceUrl;

/// The known service that a report is about: the one with its address and port, else the only one
/// on its port, since a server that was bound anew is the same server.
pub(super) fn matching<'a>(
    report: &Service,
    known: &'a [Arc<ServiceEntry>],
    reported: &[Service],
) -> Option<&'a Arc<ServiceEntry>> {
    let exact = |entry: &&Arc<ServiceEntry>| {
        let found = entry.facts.found();
        found.is_some_and(|found| found.port == report.port && found.address == report.address)
    };
    if let Some(entry) = known.iter().find(exact) {
        return Some(entry);
    }
    let is_on_port = |entry: &&Arc<ServiceEntry>| {
        entry.facts.found().is_some_and(|found| found.port == report.port)
    };
    let mut on_port = known.iter().filter(is_on_port);
    let (only, more) = (on_port.next()?, on_port.next());
    let n_reported = reported.iter().filter(|other| other.port == report.port).count();
    (more.is_none() && n_reported == 1).then_some(only)
}

/// An id for a service that is seen for the first time: `{host name}:{port}`, and where that is
/// taken, with the host's id or the service's address in it. A host that is named like an address
/// gets its id in it at once: the plain one is for whoever is there.
pub(super) fn fresh_id(
    host: &HostEntry,
    report: &Service,
    is_taken: impl Fn(&str) -> bool,
    port_is_used: bool,
) -> Option<ServiceId> {
    let name = host.facts.name.to_lowercase();
    let (address, port) = (&report.address, report.port);
    let short = short_id(&host.id);
    let unique = format!("{name}-{short}");
    let names = if is_name(&name) { vec![name, unique] } else { vec![unique] };
    let plain = names.iter().map(|name| format!("{name}:{port}"));
    let with_address = names.iter().map(|name| format!("{name}-{address}:{port}"));
    let candidates: Vec<String> = match port_is_used {
        true => with_address.chain(plain).collect(),
        false => plain.chain(with_address).collect(),
    };
    let free = candidates.into_iter().find(|id| !is_taken(id))?;
    Some(ServiceId::from_text(&free))
}

/// An id for a service that is known by its URL alone: its address and path, and where another one
/// has that, with a number.
pub(super) fn fresh_id_of_url(url: &ServiceUrl, is_taken: impl Fn(&str) -> bool) -> ServiceId {
    let (plain, mut n) = (url.id(), 1_u64);
    let mut id = plain.clone();
    while is_taken(&id) {
        n += 1;
        id = format!("{plain}~{n}");
    }
    ServiceId::from_text(&id)
}

/// Six characters of the id's random end, and the number of a clone.
fn short_id(id: &HostId) -> String {
    let (uuid, clone) = id.as_str().split_once('~').unwrap_or((id.as_str(), ""));
    let start = uuid.len().saturating_sub(6);
    format!("{}{}", uuid.get(start..).unwrap_or(uuid), clone)
}

/// Where a service is called, and from where it can be: at its loopback address only, else at the
/// address on which it listens, else at its agent's address, else at its host's first one.
pub(super) fn address(
    report: &Service,
    peer: Option<IpAddr>,
    host: &HostEntry,
) -> (String, Reachable) {
    let Ok(listen) = report.address.parse::<IpAddr>() else {
        return (url(IpAddr::from([127, 0, 0, 1]), report.port), Reachable::Loopback);
    };
    let listen = listen.to_canonical();
    if listen.is_loopback() {
        return (url(listen, report.port), Reachable::Loopback);
    }
    let specific = (!listen.is_unspecified()).then_some(listen);
    let proved = peer.filter(|peer| !peer.is_loopback());
    let claimed = || host.facts.addresses.iter().find_map(|address| address.parse::<IpAddr>().ok());
    let claimed = || claimed().map(|address| address.to_canonical());
    match specific.or(proved).or_else(claimed) {
        Some(address) => (url(address, report.port), Reachable::Host),
        None => (url(IpAddr::from([127, 0, 0, 1]), report.port), Reachable::Unknown),
    }
}

fn url(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(v4) => format!("http://{v4}:{port}"),
        IpAddr::V6(v6) => format!("http://[{v6}]:{port}"),
    }
}
