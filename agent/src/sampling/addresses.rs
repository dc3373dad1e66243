//! The host's own addresses and how far each reaches, from `/proc/net/fib_trie`, `route` and
//! `if_inet6`: plain text that needs no unsafe call, and that fixtures can stand in for. Of the
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
        found.push(Found { address, interface: String::new() });
    }
    let mut purposes = BTreeMap::new();
    for Found { interface, .. } in &found {
        let look = || Purpose::seen(&roots.sys.join("class/net"), interface);
        purposes.entry(interface.clone()).or_insert_with(look);
    }
    rank(found, &routes, &purposes, own_end)
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
    routes: &[Route],
    purposes: &BTreeMap<String, Purpose>,
    own_end: Option<IpAddr>,
) -> Vec<Address> {
    let outward = routes.iter().find(|route| route.mask == 0).map(|route| &route.interface);
    let purpose = |found: &Found| match outward == Some(&found.interface) {
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
            outward != Some(&found.interface),
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
    let address = IpAddr::from(Ipv6Addr::from(address)).to_canonical();
    (flags & DUPLICATE == 0).then_some(Found { address, interface })
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

    fn order(roots: &Roots, own_end: Option<&str>) -> Vec<String> {
        let own_end = own_end.map(|address| address.parse().unwrap());
        address_details(roots, own_end).into_iter().map(|address| address.address).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_likeliest_comes_first_and_loopback_not_at_all() {
        let (_folder, roots) = roots(&[("route", ROUTE), ("fib_trie", TRIE), ("if_inet6", INET6)]);
        let expected = ["192.0.2.2", "fd00::2", "10.0.0.7", "172.17.0.1", "fe80::fc:ff:fe00:1"];
        assert_eq!(addresses(&roots), expected);
        let details = address_details(&roots, None);
        let scopes: Vec<Scope> = details.iter().map(|address| address.scope).collect();
        let [global, private] = [Scope::Global, Scope::Private];
        assert_eq!(scopes, [global, private, private, Scope::Container, Scope::LinkLocal]);
        assert_eq!(details[1].interface.as_deref(), Some("eth0"));
        assert_eq!(details[3].interface.as_deref(), Some("docker0"));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_sockets_own_end_goes_before_all_others() {
        let (_folder, roots) = roots(&[("route", ROUTE), ("fib_trie", TRIE), ("if_inet6", INET6)]);
        for own_end in ["10.0.0.7", "::ffff:10.0.0.7"] {
            let expected = ["10.0.0.7", "192.0.2.2", "fd00::2", "172.17.0.1", "fe80::fc:ff:fe00:1"];
            assert_eq!(order(&roots, Some(own_end)), expected);
        }
        let details = address_details(&roots, Some("172.17.0.1".parse().unwrap()));
        assert!(details[0].is_own_end && details[0].scope == Scope::Container);
        assert!(details[1..].iter().all(|address| !address.is_own_end));
        // The collector is on this machine.
        assert_eq!(order(&roots, Some("127.0.0.1")), addresses(&roots));
    }

    #[test]
    fn an_own_end_that_no_file_names_is_told_on_the_own_root_alone() {
        let (_folder, roots) = roots(&[("fib_trie", TRIE)]);
        assert_eq!(order(&Roots::default(), Some("203.0.113.9"))[0], "203.0.113.9");
        assert_eq!(order(&roots, Some("203.0.113.9")), addresses(&roots));
    }

    #[test]
    fn ranges_tell_the_scope() {
        for (address, scope) in [
            ("8.8.8.8", Scope::Global),
            ("100.63.255.255", Scope::Global),
            ("100.64.0.1", Scope::Shared),
            ("100.127.255.255", Scope::Shared),
            ("100.128.0.0", Scope::Global),
            ("10.1.2.3", Scope::Private),
            ("172.31.0.1", Scope::Private),
            ("192.168.1.7", Scope::Private),
            ("169.254.1.1", Scope::LinkLocal),
            ("2001:db8::1", Scope::Global),
            ("fd12::1", Scope::Private),
            ("fe80::1", Scope::LinkLocal),
        ] {
            assert_eq!(scope_of(address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn no_text_panics_and_no_address_stands_twice() {
        let line = "(\\|-- [0-9]{1,3}\\.0\\.0\\.[0-9]|/32 host LOCAL|e[01] [0-9A-F]{8} 0 1 0 0 0 [0F]{8}|[0-9a-f]{32} 1 40 00 80 e0)";
        proptest::proptest!(|(lines in proptest::collection::vec(line, 0..30))| {
            let text = lines.join("\n");
            let routes = routes(&text);
            let mut found = fib_trie(&text, &routes);
            found.extend(if_inet6(&text));
            let ranked = rank(found, &routes, &BTreeMap::new(), None);
            let mut each: Vec<&str> = ranked.iter().map(|a| a.address.as_str()).collect();
            each.sort_unstable();
            each.dedup();
            proptest::prop_assert_eq!(each.len(), ranked.len());
        });
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
