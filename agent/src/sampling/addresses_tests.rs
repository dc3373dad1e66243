//! Addresses on folders that stand in for `/proc`.

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
    let line = "(\\|-- [0-9]{1,3}\\.0\\.0\\.[0-9]|/32 host LOCAL|e[01] [0-9A-F]{8} 0 1 0 0 0 [0F]{8}|[0-9a-f]{32} 1 40 00 80 e0|0{32} 00 0{32} 00 0{32} [0-9a-f]{8} 1 0 [0-9a-f]{8} e[01])";
    proptest::proptest!(|(lines in proptest::collection::vec(line, 0..30))| {
        let text = lines.join("\n");
        let routes = routes(&text);
        let mut found = fib_trie(&text, &routes);
        found.extend(if_inet6(&text));
        let outward = Outward::of(&routes, &text);
        let ranked = rank(found, &outward, &BTreeMap::new(), None);
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

#[test]
fn a_host_of_ipv6_alone_leads_out_too() {
    let default = |metric: &str, flags: &str, interface: &str| {
        let none = "0".repeat(32);
        format!("{none} 00 {none} 00 {none} {metric} 00000001 00000000 {flags} {interface}\n")
    };
    let inet6 = "20010db8000000000000000000000001 04 40 00 80 eth0\n\
        20010db8000000000000000000000002 05 40 00 80 eth1\n";
    for (text, first) in [
        (default("00000400", "00000003", "eth1"), "2001:db8::2"),
        (default("00000400", "00000003", "eth0"), "2001:db8::1"),
        // The lower metric is taken; what refuses, and what ends here, leads nowhere.
        (
            default("00000400", "00000003", "eth0") + &default("00000064", "00000003", "eth1"),
            "2001:db8::2",
        ),
        (
            default("00000001", "00000203", "eth0") + &default("00000064", "00000003", "eth1"),
            "2001:db8::2",
        ),
        (
            default("00000001", "00000001", "lo") + &default("ffffffff", "00000003", "eth1"),
            "2001:db8::2",
        ),
        ("garbage\n".to_owned(), "2001:db8::1"),
    ] {
        let (_folder, roots) = roots(&[("ipv6_route", &text), ("if_inet6", inet6)]);
        assert_eq!(addresses(&roots)[0], first, "{text}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn a_default_that_refuses_leads_nowhere() {
    let refuses = "h\n* 00000000 00000000 0201 0 0 0 00000000 0 0 0\n\
        lo 00000000 00000000 0001 0 0 0 00000000 0 0 0\n\
        eth1 00000000 010200C0 0003 0 0 600 00000000 0 0 0\n\
        eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0\n";
    let outward = Outward::of(&routes(refuses), "");
    assert_eq!(outward, Outward { v4: Some("eth0".to_owned()), v6: None });
    let lines: Vec<&str> = refuses.lines().take(3).collect();
    assert_eq!(Outward::of(&routes(&lines.join("\n")), ""), Outward::default());
}

#[test]
fn an_address_that_comes_or_goes_is_told_after_those_that_stay() {
    let inet6 = "20010db8000000000000000000000001 02 40 00 01 eth0\n\
        20010db8000000000000000000000002 02 40 00 20 eth0\n\
        20010db8000000000000000000000003 02 40 00 40 eth0\n\
        20010db8000000000000000000000004 02 40 00 00 eth0\n\
        20010db8000000000000000000000005 02 40 00 80 eth0\n";
    let (_folder, roots) = roots(&[("if_inet6", inet6)]);
    let expected = [4, 5, 1, 2, 3].map(|n| format!("2001:db8::{n}"));
    assert_eq!(addresses(&roots), expected);
    // The one that the collector hears from is in use, whatever it is.
    assert_eq!(order(&roots, Some("2001:db8::2"))[0], "2001:db8::2");
}
