//! What a network interface is for, as far as its name and the kernel's folder of it tell.

use std::path::Path;

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

const TUNNELS: [&str; 13] = [
    "tun",
    "tap",
    "wg",
    "tailscale",
    "ppp",
    "zt",
    "nebula",
    "ipsec",
    "sit",
    "ip6tnl",
    "gre",
    "vxlan",
    "geneve",
];
const GUESTS: [&str; 25] = [
    "docker",
    "veth",
    "br-",
    "virbr",
    "vnet",
    "lxc",
    "lxdbr",
    "incusbr",
    "cni",
    "cali",
    "flannel",
    "podman",
    "cilium",
    "weave",
    "nerdctl",
    "kube-",
    "nodelocaldns",
    "dummy",
    "vmbr-",
    "cbr0",
    "eni",
    "azv",
    "gke",
    "ovs-",
    "mpqemubr",
];
/// More ports of a bridge than this are not looked at.
const PORTS: usize = 256;

impl Purpose {
    /// As far as the name tells.
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

    /// As far as the interface's folder in `/sys/class/net` tells, too: a bridge that leads to no
    /// network connects guests, whatever its name.
    pub(super) fn seen(class: &Path, name: &str) -> Self {
        let by_name = Self::of(name);
        if by_name != Self::Network || !class.join(name).join("bridge").exists() {
            return by_name;
        }
        let ports =
            std::fs::read_dir(class.join(name).join("brif")).into_iter().flatten().flatten();
        let leads_out = |port: std::fs::DirEntry| {
            port.file_name().to_str().is_some_and(|port| Self::of(port) == Self::Network)
        };
        if ports.take(PORTS).any(leads_out) { Self::Network } else { Self::Guests }
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
            ("vmbr0", Purpose::Network),
            ("ib0", Purpose::Network),
            ("bond0.120", Purpose::Network),
            ("wg0", Purpose::Tunnel),
            ("tun0", Purpose::Tunnel),
            ("docker0", Purpose::Guests),
            ("docker_gwbridge", Purpose::Guests),
            ("br-1a2b3c", Purpose::Guests),
            ("veth12ab", Purpose::Guests),
            ("virbr0", Purpose::Guests),
            ("kube-ipvs0", Purpose::Guests),
            ("eni1a2b3c", Purpose::Guests),
            ("azv4d5e", Purpose::Guests),
            ("gke6f", Purpose::Guests),
            ("lxc_health", Purpose::Guests),
            ("cilium_host", Purpose::Guests),
            ("ens5", Purpose::Network),
            ("lo", Purpose::Loopback),
        ] {
            assert_eq!(Purpose::of(name), purpose, "{name}");
        }
    }

    #[test]
    fn a_bridge_is_for_whom_its_ports_lead_to() {
        let class = tempfile::tempdir().unwrap();
        let port = |bridge: &str, port: &str| {
            let ports = class.path().join(bridge).join("brif").join(port);
            std::fs::create_dir_all(ports).unwrap();
            std::fs::create_dir_all(class.path().join(bridge).join("bridge")).unwrap();
        };
        port("br0", "eth0");
        port("br0", "veth1");
        port("lab", "veth2");
        for (name, purpose) in
            [("br0", Purpose::Network), ("lab", Purpose::Guests), ("eth0", Purpose::Network)]
        {
            assert_eq!(Purpose::seen(class.path(), name), purpose, "{name}");
        }
    }
}
