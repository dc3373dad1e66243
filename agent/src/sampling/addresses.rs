//! The host's own addresses and how far each reaches, from `/proc/net/fib_trie`, `if_inet6`, `route`
//! and `ipv6_route`: plain text that needs no unsafe call, and that fixtures can stand in for. Of the
//! agent's own kernel it is also asked which interface has an address (`labels`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use herdbook_shared::limits;
use herdbook_shared::wire::inventory::{Address, Scope};

use super::Roots;
use super::interface::Purpose;
use super::source::beginning;
use super::word::word;

mod labels;

/// A route that refuses what it matches (`RTF_REJECT`).
const REJECT: u32 = 0x0200;
/// More of a file than this is not read: about 10,000 addresses.
const FILE_BYTES: u64 = 1024 * 1024;

/// Every address but loopback, in the order of [`address_details`].
#[must_use]
pub fn addresses(roots: &Roots) -> Vec<String> {
    address_details(roots, None).into_iter().map(|address| address.address).collect()
}

/// Every address but loopback, the likeliest first: the one that the collector's socket has as its
/// own end, then those of the interface that the default route takes, other networks', tunnels',
/// containers', link-local ones; IPv4 before IPv6.
#[must_use]
pub fn address_details(roots: &Roots, own_end: Option<IpAddr>) -> Vec<Address> {
    let read = |name| beginning(&roots.net().join(name), FILE_BYTES).unwrap_or_default();
    let routes = routes(&read("route"));
    let outward = Outward::of(&routes, &read("ipv6_route"));
    let mut found = fib_trie(&read("fib_trie"), &routes);
    if roots.is_own() {
        let labels = labels::labels();
        found.iter_mut().for_each(|found| found.name(&labels));
    }
    found.extend(if_inet6(&read("if_inet6")));
    let own_end = own_end.map(|address| address.to_canonical()).filter(|own| is_told(*own));
    // The socket proves it, whatever the files say; but only of the network that the agent is in.
    let is_found = |own: &IpAddr| found.iter().any(|found| found.address == *own);
    if let Some(address) = own_end.filter(|own| roots.is_own() && !is_found(own)) {
        found.push(Found { address, interface: String::new(), standing: Standing::Stable });
    }
    let mut purposes = BTreeMap::new();
    for Found { interface, .. } in &found {
        let look = || Purpose::seen(&roots.sys.join("class/net"), interface);
        purposes.entry(interface.clone()).or_insert_with(look);
    }
    rank(found, &outward, &purposes, own_end)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    address: IpAddr,
    /// Empty where it cannot be told.
    interface: String,
    standing: Standing,
}

/// Whether an address is there to be used by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Stable,
    /// It is on its way in or out, or changes by the day for privacy's sake.
    Passing,
}

#[derive(Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    destination: u32,
    mask: u32,
    metric: u32,
}

/// The interfaces that the default routes take.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outward {
    v4: Option<String>,
    v6: Option<String>,
}

impl Outward {
    fn of(routes: &[Route], ipv6_route: &str) -> Self {
        let v4 = routes.iter().filter(|route| route.mask == 0 && route.interface != "lo");
        let v4 = v4.min_by_key(|route| route.metric).map(|route| route.interface.clone());
        let v6 = ipv6_route.lines().filter_map(default6).min_by_key(|(metric, _)| *metric);
        Self { v4, v6: v6.map(|(_, interface)| interface.to_owned()) }
    }

    /// Whether the address's interface leads out. Where IPv4 does not, IPv6 may all the same.
    fn takes(&self, found: &Found) -> bool {
        let is = |interface: &Option<String>| interface.as_deref() == Some(&found.interface);
        match found.address {
            IpAddr::V4(_) => is(&self.v4) || (self.v4.is_none() && is(&self.v6)),
            IpAddr::V6(_) => is(&self.v4) || is(&self.v6),
        }
    }
}

impl Found {
    fn name(&mut self, labels: &BTreeMap<Ipv4Addr, String>) {
        if let IpAddr::V4(address) = self.address
            && let Some(label) = labels.get(&address)
        {
            self.interface.clone_from(label);
        }
    }
}

fn rank(
    mut found: Vec<Found>,
    outward: &Outward,
    purposes: &BTreeMap<String, Purpose>,
    own_end: Option<IpAddr>,
) -> Vec<Address> {
    let purpose = |found: &Found| match outward.takes(found) {
        // Whatever it is, it leads out.
        true => Purpose::of(&found.interface).min(Purpose::Tunnel),
        // Its network has no route of its own, as those that make tunnels of this range leave it.
        false if found.interface.is_empty() && scope_of(found.address) == Scope::Shared => {
            Purpose::Tunnel
        }
        false => purposes.get(&found.interface).copied().unwrap_or(Purpose::Network),
    };
    found.retain(|found| is_told(found.address));
    found.sort_by_key(|found| {
        (
            own_end != Some(found.address),
            scope_of(found.address) == Scope::LinkLocal,
            purpose(found),
            found.standing,
            !outward.takes(found),
            found.address,
        )
    });
    found.dedup_by_key(|found| found.address);
    found.truncate(limits::ADDRESSES);
    let address = |found: Found| Address {
        address: found.address.to_string(),
        scope: scope(found.address, purpose(&found)),
        is_own_end: own_end == Some(found.address),
        interface: Some(word(&found.interface)).filter(|name| !name.is_empty()),
    };
    found.into_iter().map(address).collect()
}

fn is_told(address: IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

fn scope(address: IpAddr, purpose: Purpose) -> Scope {
    match (scope_of(address), purpose) {
        (Scope::LinkLocal, _) => Scope::LinkLocal,
        (_, Purpose::Guests) => Scope::Container,
        (scope, _) => scope,
    }
}

/// As far as the address tells by itself.
fn scope_of(address: IpAddr) -> Scope {
    match address {
        IpAddr::V4(address) if address.is_link_local() => Scope::LinkLocal,
        IpAddr::V4(address) if address.is_private() => Scope::Private,
        // 100.64.0.0/10
        IpAddr::V4(address) if u32::from(address) >> 22 == 0b01_1001_0001 => Scope::Shared,
        IpAddr::V6(address) if address.is_unicast_link_local() => Scope::LinkLocal,
        IpAddr::V6(address) if address.is_unique_local() => Scope::Private,
        IpAddr::V4(_) | IpAddr::V6(_) => Scope::Global,
    }
}

/// `|-- 192.0.2.2`, then `/32 host LOCAL`: an address of this machine. The file has no names, so
/// the narrowest route to the address tells the interface.
fn fib_trie(text: &str, routes: &[Route]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
        {
            let interface = interface(address, routes).to_owned();
            found.push(Found { address: address.into(), interface, standing: Standing::Stable });
        }
    }
    found
}

fn interface(address: Ipv4Addr, routes: &[Route]) -> &str {
    let address = u32::from(address);
    routes
        .iter()
        .filter(|route| route.mask != 0 && address & route.mask == route.destination)
        .max_by_key(|route| route.mask)
        .map_or("", |route| &route.interface)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`
fn routes(text: &str) -> Vec<Route> {
    text.lines().skip(1).filter_map(route).collect()
}

/// `None` for one that leads nowhere: such a route has `*` for an interface.
fn route(line: &str) -> Option<Route> {
    let mut fields = line.split_ascii_whitespace();
    let interface = fields.next().filter(|name| *name != "*")?.to_owned();
    let destination = hex(fields.next()?)?;
    let flags = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
    let metric = fields.nth(2)?.parse().ok()?;
    let mask = hex(fields.next()?)?;
    (flags & REJECT == 0).then_some(Route { interface, destination, mask, metric })
}

/// Metric and interface of a default route:
/// `destination length source length gateway metric references use flags interface`
fn default6(line: &str) -> Option<(u32, &str)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [destination, length, _, _, _, metric, _, _, flags, interface] = fields[..] else {
        return None;
    };
    let is_default = length == "00" && destination.bytes().all(|digit| digit == b'0');
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let metric = u32::from_str_radix(metric, 16).ok()?;
    (is_default && flags & REJECT == 0 && interface != "lo").then_some((metric, interface))
}

/// The kernel prints the address as it lies in memory, read as one number.
fn hex(field: &str) -> Option<u32> {
    u32::from_str_radix(field, 16).ok().map(|number| u32::from_be_bytes(number.to_ne_bytes()))
}

/// `address index prefix scope flags name`
fn if_inet6(text: &str) -> Vec<Found> {
    text.lines().filter_map(inet6).collect()
}

fn inet6(line: &str) -> Option<Found> {
    /// Another machine has it too (`IFA_F_DADFAILED`).
    const DUPLICATE: u32 = 0x08;
    /// Temporary, deprecated, tentative.
    const PASSING: u32 = 0x01 | 0x20 | 0x40;
    let mut fields = line.split_ascii_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
    let interface = fields.next()?.to_owned();
    let address = IpAddr::from(Ipv6Addr::from(address)).to_canonical();
    let standing = if flags & PASSING == 0 { Standing::Stable } else { Standing::Passing };
    (flags & DUPLICATE == 0).then_some(Found { address, interface, standing })
}

#[cfg(test)]
#[path = "addresses_tests.rs"]
mod tests;
