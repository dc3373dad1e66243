//! Whose neighbours a peer may be: the network that one owner is likely to have in hand.

use std::net::IpAddr;

/// An IPv4 /24 or an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The first three of four bytes.
    V4([u8; 3]),
    /// The first seven of sixteen.
    V6([u8; 7]),
}

impl Network {
    /// The one that an address is of. An IPv4 address in an IPv6 one is an IPv4 address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_of_one_network_and_others_are_not() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:0:12ff::1"), of("2001:db8:0:1200:9::9"));
        assert_ne!(of("2001:db8:0:12ff::1"), of("2001:db8:0:1300::1"));
    }
}
