//! The host's own addresses, from `/proc/net/fib_trie`, `route` and `if_inet6`: plain text that
//! needs no unsafe call, and that fixtures can stand in for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use herdbook_shared::limits;

use super::Roots;
use super::interface::Purpose;

/// Every address but loopback, the likeliest first: those of the interface that the default route
/// takes, other networks', tunnels', containers', link-local ones; IPv4 before IPv6.
#[must_use]
pub fn addresses(roots: &Roots) -> Vec<String> {
    let read = |name| std::fs::read_to_string(roots.proc.join("net").join(name));
    let routes = routes(&read("route").unwrap_or_default());
    let mut found = fib_trie(&read("fib_trie").unwrap_or_default(), &routes);
    found.extend(if_inet6(&read("if_inet6").unwrap_or_default()));
    rank(found, &routes)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    address: IpAddr,
    /// Empty where it cannot be told.
    interface: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    destination: u32,
    mask: u32,
}

fn rank(mut found: Vec<Found>, routes: &[Route]) -> Vec<String> {
    let outward = routes.iter().find(|route| route.mask == 0).map(|route| &route.interface);
    found.retain(|found| !found.address.is_loopback() && !found.address.is_unspecified());
    found.sort_by_key(|found| {
        (
            is_link_local(found.address),
            Purpose::of(&found.interface),
            outward != Some(&found.interface),
            found.address,
        )
    });
    found.dedup_by_key(|found| found.address);
    found.truncate(limits::ADDRESSES);
    found.into_iter().map(|found| found.address.to_string()).collect()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
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
            found.push(Found { address: address.into(), interface });
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

fn route(line: &str) -> Option<Route> {
    let mut fields = line.split_ascii_whitespace();
    let interface = fields.next()?.to_owned();
    let destination = hex(fields.next()?)?;
    let mask = hex(fields.nth(5)?)?;
    Some(Route { interface, destination, mask })
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
    let mut fields = line.split_ascii_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
    let interface = fields.next()?.to_owned();
    (flags & DUPLICATE == 0).then(|| Found { address: Ipv6Addr::from(address).into(), interface })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
        docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n\
        eth1 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n\
        eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n\
        eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n";
    const TRIE: &str = "Main:\n  |-- 10.0.0.7\n    /32 host LOCAL\n  |-- 127.0.0.1\n    /32 host \
        LOCAL\n  |-- 172.17.0.1\n    /32 host LOCAL\n  |-- 192.0.2.0\n    /24 link UNICAST\n  \
        |-- 192.0.2.2\n    /32 host LOCAL\nLocal:\n  |-- 192.0.2.2\n    /32 host LOCAL\n  \
        |-- 192.0.2.255\n    /32 link BROADCAST\n";
    const INET6: &str = "fe8000000000000000fc00fffe000001 04 40 20 80 eth0\n\
        fd000000000000000000000000000002 04 40 00 82 eth0\n\
        fd000000000000000000000000000003 04 40 00 88 eth0\n\
        00000000000000000000000000000001 01 80 10 80 lo\n";

    fn roots(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join("net").join(name), text).unwrap();
        }
        let roots = Roots { proc: folder.path().to_owned(), ..Roots::default() };
        (folder, roots)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_likeliest_comes_first_and_loopback_not_at_all() {
        let (_folder, roots) = roots(&[("route", ROUTE), ("fib_trie", TRIE), ("if_inet6", INET6)]);
        let expected = ["192.0.2.2", "fd00::2", "10.0.0.7", "172.17.0.1", "fe80::fc:ff:fe00:1"];
        assert_eq!(addresses(&roots), expected);
    }

    #[test]
    fn without_routes_the_addresses_are_still_told() {
        let (_folder, roots) = roots(&[("fib_trie", TRIE)]);
        assert_eq!(addresses(&roots), ["10.0.0.7", "172.17.0.1", "192.0.2.2"]);
    }

    #[test]
    fn garbage_gives_no_address() {
        let (_folder, roots) = roots(&[
            ("route", "x\ny z\n"),
            ("fib_trie", "|-- a\n/32 host LOCAL\n/32 host LOCAL"),
            ("if_inet6", "zz 1\n\nfe80"),
        ]);
        assert!(addresses(&roots).is_empty());
    }
}
