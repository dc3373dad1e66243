//! What a network interface is for, as far as its name tells: the kernel marks none of this.

/// Whom an interface connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// This machine and others.
    Network,
    /// This machine and others, inside another interface's traffic.
    Tunnel,
    /// This machine and its own containers and virtual machines.
    Guests,
    /// This machine and itself.
    Loopback,
}

const TUNNELS: [&str; 6] = ["tun", "tap", "wg", "tailscale", "ppp", "zt"];
const GUESTS: [&str; 10] =
    ["docker", "veth", "br-", "virbr", "vnet", "lxc", "cni", "cali", "flannel", "podman"];

impl Purpose {
    pub(super) fn of(name: &str) -> Self {
        let starts_with = |prefix: &&str| name.starts_with(*prefix);
        if name == "lo" {
            Self::Loopback
        } else if GUESTS.iter().any(starts_with) {
            Self::Guests
        } else if TUNNELS.iter().any(starts_with) {
            Self::Tunnel
        } else {
            Self::Network
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell() {
        for (name, purpose) in [
            ("eth0", Purpose::Network),
            ("enp5s0", Purpose::Network),
            ("wlan0", Purpose::Network),
            ("wlp3s0", Purpose::Network),
            ("br0", Purpose::Network),
            ("ib0", Purpose::Network),
            ("wg0", Purpose::Tunnel),
            ("tun0", Purpose::Tunnel),
            ("docker0", Purpose::Guests),
            ("br-1a2b3c", Purpose::Guests),
            ("veth12ab", Purpose::Guests),
            ("virbr0", Purpose::Guests),
            ("lo", Purpose::Loopback),
        ] {
            assert_eq!(Purpose::of(name), purpose, "{name}");
        }
    }
}
