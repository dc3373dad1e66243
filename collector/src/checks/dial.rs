//! Which addresses the collector dials. What a person or a file declares must not make it ask a
//! cloud's metadata service, or whatever else only answers whoever stands where it stands. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::http::refused;
use crate::registry::check::probe::ProbeFailure;

/// Whether services of the collector's own machine may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// They may: only who is on this machine can declare them.
    Allowed,
    /// They may not.
    Refused,
}

/// Why an address is never dialled, as the end of "it is …".
pub type Refusal = &'static str;

/// Where clouds answer with secrets of the machine that asks, besides link-local addresses.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// Likewise, by IPv6.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// The same as a reason why a service is not asked.
pub(crate) fn never(address: IpAddr, loopback: Loopback) -> Option<ProbeFailure> {
    let why = refusal(address, loopback)?;
    Some(refused(format!("{address} is never dialled: it is {why}")))
}

/// Why an address is never dialled; `None`: it may be.
#[must_use]
pub fn refusal(address: IpAddr, loopback: Loopback) -> Option<Refusal> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4, loopback),
        IpAddr::V6(v6) => refusal_v6(v6, loopback),
    }
}

fn refusal_v4(v4: Ipv4Addr, loopback: Loopback) -> Option<Refusal> {
    if v4.octets()[0] == 0 {
        Some("an unspecified address")
    } else if v4.is_loopback() {
        (loopback == Loopback::Refused).then_some("a loopback address")
    } else if v4.is_link_local() {
        Some("a link-local address")
    } else if METADATA_V4.contains(&v4) {
        Some("a metadata address")
    } else if v4.is_multicast() {
        Some("a multicast address")
    } else if v4.is_broadcast() {
        Some("a broadcast address")
    } else {
        None
    }
}

fn refusal_v6(v6: Ipv6Addr, loopback: Loopback) -> Option<Refusal> {
    if v6.is_unspecified() {
        Some("an unspecified address")
    } else if v6.is_loopback() {
        (loopback == Loopback::Refused).then_some("a loopback address")
    } else if v6.is_unicast_link_local() {
        Some("a link-local address")
    } else if METADATA_V6.contains(&v6) {
        Some("a metadata address")
    } else if v6.is_multicast() {
        Some("a multicast address")
    } else {
        embedded(v6).into_iter().flatten().find_map(|v4| refusal_v4(v4, loopback))
    }
}

/// The IPv4 addresses that an IPv6 address stands for, or leads to.
fn embedded(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let last = Some(v4_of(v6.segments()[6], v6.segments()[7]));
    match v6.segments() {
        // Mapped, translated (RFC 2765) and compatible (RFC 4291).
        [0, 0, 0, 0, 0, 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0, 0, 0, 0, 0, 0, _, _] => [last, None],
        // NAT64 (RFC 6052), and its prefixes of local use (RFC 8215): as /48 and as /96, of which
        // one is what was meant and the other stands for nothing.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [last, None],
        [0x64, 0xff9b, 1, high, low, next, _, _] => {
            let low = ((low & 0x00ff) << 8) | (next >> 8);
            let of_48 = v4_of(high, low);
            [last, Some(of_48)].map(|v4| v4.filter(|v4| v4.octets()[0] != 0))
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [Some(v4_of(high, low)), None],
        // Teredo (RFC 4380): its server, and its client with all bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [Some(v4_of(high, low)), Some(v4_of(!client_high, !client_low))]
        }
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [last, None],
        _ => [None, None],
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use url::Host;

    use super::*;
    use crate::registry::url::ServiceUrl;

    fn of(text: &str, loopback: Loopback) -> Option<Refusal> {
        let url = ServiceUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match url.host().unwrap() {
            Host::Ipv4(v4) => refusal(v4.into(), loopback),
            Host::Ipv6(v6) => refusal(v6.into(), loopback),
            Host::Domain(name) => panic!("{text} is the name {name}"),
        }
    }

    const LINK_LOCAL: &[&str] = &[
        "http://169.254.169.254",
        "169.254.169.254:80",
        "http://169.254.0.1/latest",
        "http://169.254.255.255",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0xA9.0xFE.0xA9.0xFE",
        "http://0251.0376.0251.0376",
        "http://025177524776",
        "http://169.16689662",
        "http://169.254.43518",
        "http://0xa9.254.0251.0xfe",
        "http://169.254.169.254.",
        "http://%31%36%39.254.169.254",
        "http://１６９.254.169.254",
        "http://①⑥⑨.254.169.254",
        "http://169。254。169。254",
        "http://[::ffff:169.254.169.254]",
        "http://[::ffff:a9fe:a9fe]",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]",
        "http://[::ffff:0:169.254.169.254]",
        "http://[::169.254.169.254]",
        "http://[64:ff9b::169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[64:ff9b:1::169.254.169.254]",
        "http://[64:ff9b:1:a9fe:a9:fe00::]",
        "http://[2002:a9fe:a9fe::1]",
        "http://[2002:a9fe:a9fe:ffff:1:2:3:4]",
        "http://[2001:0:a9fe:a9fe::]",
        "http://[2001:0:808:808:0:0:5601:5601]",
        "http://[2001:db8::5efe:169.254.169.254]",
        "http://[2001:db8::200:5efe:169.254.169.254]",
        "http://[fe80::1]",
        "http://[FE80::a9fe]",
        "http://[febf:ffff::1]",
        "http://[fe80:0:0:0:1:2:3:4]:8080",
    ];
    const METADATA: &[&str] = &[
        "http://100.100.100.200",
        "http://0x646464c8",
        "http://1684301000",
        "http://[::ffff:100.100.100.200]",
        "http://[64:ff9b::100.100.100.200]",
        "http://[2002:6464:64c8::]",
        "http://168.63.129.16",
        "http://192.0.0.192",
        "http://[fd00:ec2::254]",
        "http://[FD00:0EC2:0:0:0:0:0:0254]",
        "http://[fd20:ce::254]",
        "http://[fd00:42::42]",
    ];
    const MULTICAST: &[&str] = &[
        "http://224.0.0.1",
        "http://239.255.255.250",
        "http://[ff02::1]",
        "http://[ff0e::1]",
        "http://[::ffff:224.0.0.1]",
        "http://[64:ff9b::e000:1]",
        "http://[2002:e000:1::]",
    ];
    const BROADCAST: &[&str] =
        &["http://255.255.255.255", "http://0xffffffff", "http://[::ffff:255.255.255.255]"];
    const UNSPECIFIED: &[&str] = &["http://0.0.0.1", "http://0.1.2.3", "http://[64:ff9b::]"];

    #[test]
    fn what_is_never_dialled_in_every_spelling() {
        let all: [(&[&str], Refusal); 5] = [
            (LINK_LOCAL, "a link-local address"),
            (METADATA, "a metadata address"),
            (MULTICAST, "a multicast address"),
            (BROADCAST, "a broadcast address"),
            (UNSPECIFIED, "an unspecified address"),
        ];
        for (spellings, expected) in all {
            for text in spellings {
                assert_eq!(of(text, Loopback::Allowed), Some(expected), "{text}");
            }
        }
        assert!(refusal(Ipv4Addr::UNSPECIFIED.into(), Loopback::Allowed).is_some());
        assert!(refusal(Ipv6Addr::UNSPECIFIED.into(), Loopback::Allowed).is_some());
    }

    #[test]
    fn what_may_be_dialled() {
        for text in [
            "http://10.0.0.7:11434",
            "http://172.16.0.1",
            "http://192.168.1.7",
            "http://100.64.0.1",
            "http://100.100.100.201",
            "http://8.8.8.8",
            "http://169.253.255.255",
            "http://169.255.0.0",
            "http://223.255.255.255",
            "http://[2001:db8::1]",
            "http://[fd00::7]",
            "http://[fec0::1]",
            "http://[64:ff9b::8.8.8.8]",
            "http://[64:ff9b:1::8.8.8.8]",
            "http://[64:ff9b:1:808:8:800::]",
            "http://[2002:808:808::1]",
            "http://[::ffff:10.0.0.7]",
        ] {
            assert_eq!(of(text, Loopback::Refused), None, "{text}");
        }
    }

    #[test]
    fn loopback_is_dialled_where_that_is_allowed() {
        for text in [
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://2130706433",
            "http://0x7f.1",
            "http://017700000001",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://[::127.0.0.1]",
            "http://[64:ff9b::127.0.0.1]",
            "http://[2002:7f00:1::]",
        ] {
            assert_eq!(of(text, Loopback::Allowed), None, "{text}");
            assert_eq!(of(text, Loopback::Refused), Some("a loopback address"), "{text}");
        }
    }
}
