//! The names under which the collector may be asked for. Any web page can make a browser send
//! requests to a loopback port under a name of its own (DNS rebinding); only the name tells.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::serve::{CONTROL_HOST, Channel};

/// Longest host name of DNS.
const NAME_BYTES: usize = 253;

/// A DNS name or an address without its port, in lower case and without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

/// The text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name without scheme, port or path, such as fleet.example.org")]
pub struct NotAHostName;

/// What sort of name was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A name that always means this machine.
    Loopback,
    /// A name under which other machines ask: one of the configured ones, or by TLS the machine's
    /// own names and its address.
    Public,
}

/// The names that are answered; all others are misdirected.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    public: BTreeSet<HostName>,
    machine: BTreeSet<HostName>,
}

impl FromStr for HostName {
    type Err = NotAHostName;

    fn from_str(text: &str) -> Result<Self, NotAHostName> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_name = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.len() <= NAME_BYTES && name.split('.').all(is_label),
        };
        if is_name { Ok(Self(name)) } else { Err(NotAHostName) }
    }
}

/// Underscores are no part of a host name, yet container names have them.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl HostName {
    /// The names of this machine in its own network: as it calls itself, and as mDNS does.
    #[must_use]
    pub fn of_machine() -> Vec<Self> {
        let system = rustix::system::uname();
        let Ok(name) = system.nodename().to_string_lossy().parse::<Self>() else {
            return Vec::new();
        };
        let by_mdns = format!("{name}.local").parse();
        // Only a name without a dot is told by mDNS as it stands.
        let by_mdns = by_mdns.ok().filter(|_| !name.0.contains('.'));
        std::iter::once(name).chain(by_mdns).collect()
    }

    /// Whether the name is this address.
    fn is_address(&self, address: Option<SocketAddr>) -> bool {
        let bare = self.0.trim_matches(['[', ']']).parse::<IpAddr>();
        let bare = bare.ok().map(|ip| ip.to_canonical());
        bare.is_some() && bare == address.map(|address| address.ip().to_canonical())
    }

    /// Whether the name means this machine wherever it is said.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = self.0.as_str();
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        }
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AllowedHosts {
    /// Loopback names and these.
    pub fn new(public: impl IntoIterator<Item = HostName>) -> Self {
        Self { public: public.into_iter().collect(), machine: BTreeSet::new() }
    }

    /// And these, where it is asked by TLS.
    #[must_use]
    pub fn with_machine(mut self, names: impl IntoIterator<Item = HostName>) -> Self {
        self.machine.extend(names);
        self
    }

    /// The same as [`kind`](Self::kind) of a request that came by `channel` to `local`. By TLS the
    /// collector is asked under its machine's names and the address that was dialled as well: only
    /// who resolves the name of another site to it can name another one.
    #[must_use]
    pub fn kind_over(
        &self,
        authority: &str,
        channel: Channel,
        local: Option<SocketAddr>,
    ) -> Option<HostKind> {
        match channel {
            Channel::Control => (authority == CONTROL_HOST).then_some(HostKind::Loopback),
            Channel::Plain => self.kind(authority),
            Channel::Tls(_) => self.kind(authority).or_else(|| {
                let name: HostName = without_port(authority)?.parse().ok()?;
                let is_ours = self.machine.contains(&name) || name.is_address(local);
                is_ours.then_some(HostKind::Public)
            }),
        }
    }

    /// What `authority` (`host` or `host:port`, as in a Host header) asks for, or nothing where it
    /// is no name of ours.
    #[must_use]
    pub fn kind(&self, authority: &str) -> Option<HostKind> {
        let name: HostName = without_port(authority)?.parse().ok()?;
        if name.is_loopback() {
            Some(HostKind::Loopback)
        } else if self.public.contains(&name) {
            Some(HostKind::Public)
        } else {
            None
        }
    }
}

/// Cuts the port off. An unbracketed IPv6 address is no authority.
fn without_port(authority: &str) -> Option<&str> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[after_address..].find(':') {
        None => Some(authority),
        Some(at) => {
            let port = &authority[after_address + at + 1..];
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            (digits && port.parse::<u16>().is_ok()).then(|| &authority[..after_address + at])
        }
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::enrol::ChannelSecret;

    use super::*;

    fn allowed() -> AllowedHosts {
        AllowedHosts::new(["Fleet.Example.org".parse().unwrap()])
    }

    #[test]
    fn loopback_names_are_answered_on_any_port() {
        for authority in [
            "localhost",
            "LOCALHOST:6121",
            "localhost.",
            "localhost.:80",
            "a.b.localhost:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.8.9.1:80",
            "[::1]",
            "[::1]:6121",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert_eq!(allowed().kind(authority), Some(HostKind::Loopback), "{authority}");
        }
    }

    #[test]
    fn configured_names_are_answered_as_public() {
        for authority in ["fleet.example.org", "FLEET.example.org:443", "fleet.example.org.:80"] {
            assert_eq!(allowed().kind(authority), Some(HostKind::Public), "{authority}");
        }
    }

    #[test]
    fn everything_else_is_misdirected() {
        for authority in [
            "",
            ".",
            ":",
            ":80",
            "..",
            "evil.example",
            "evil.example:6121",
            "localhost.evil.example",
            "localhost.local",
            "127.0.0.1.nip.io",
            "localhostx",
            "xlocalhost",
            ".localhost",
            "a..localhost",
            "localhost..",
            "0.0.0.0",
            "0.0.0.0:6121",
            "[::]",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.0.0.1:",
            "localhost:99999",
            "localhost:+80",
            "localhost:80:80",
            "localhost:80/path",
            "user@localhost",
            "localhost@evil.example",
            "::1",
            "::1:6121",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1%25lo]",
            "[fe80::1]",
            "192.168.0.1",
            "localhost ",
            " localhost",
            "localhost,evil.example",
            "loc\u{e4}lhost",
            "*",
            "*.localhost",
            "sub.fleet.example.org",
            "fleet.example.org.evil.example",
            "evilfleet.example.org",
        ] {
            assert_eq!(allowed().kind(authority), None, "{authority}");
        }
    }

    #[test]
    fn by_tls_the_machine_and_the_dialled_address_are_names_and_by_plain_tcp_they_are_not() {
        let hosts =
            allowed().with_machine(["gpu-0".parse().unwrap(), "gpu-0.local".parse().unwrap()]);
        let tls = Channel::Tls(ChannelSecret([0; 32]));
        for (authority, local) in [
            ("gpu-0:6121", "192.0.2.7:6121"),
            ("GPU-0.local.", "192.0.2.7:6121"),
            ("192.0.2.7:6121", "192.0.2.7:6121"),
            ("192.0.2.7", "[::ffff:192.0.2.7]:6121"),
            ("[2001:DB8::7]:6121", "[2001:db8::7]:6121"),
            ("fleet.example.org", "192.0.2.7:6121"),
        ] {
            let local = Some(local.parse().unwrap());
            let kind = hosts.kind_over(authority, tls, local);
            assert_eq!(kind, Some(HostKind::Public), "{authority}");
            let is_configured = authority.starts_with("fleet");
            let plain = hosts.kind_over(authority, Channel::Plain, local);
            assert_eq!(plain.is_some(), is_configured, "{authority}");
            assert_eq!(hosts.kind_over(authority, Channel::Control, local), None, "{authority}");
        }
        let local = Some("192.0.2.7:6121".parse().unwrap());
        for authority in ["evil.example", "192.0.2.8", "x.gpu-0", "[2001:db8::7]", "0.0.0.0"] {
            assert_eq!(hosts.kind_over(authority, tls, local), None, "{authority}");
        }
        assert_eq!(hosts.kind_over("192.0.2.7", tls, None), None);
        let control = hosts.kind_over("control", Channel::Control, None);
        assert_eq!(control, Some(HostKind::Loopback));
        assert_eq!(hosts.kind_over("control", tls, local), None);
    }

    #[test]
    fn a_public_name_has_no_scheme_port_or_path() {
        for text in [
            "",
            "http://fleet",
            "fleet:80",
            "fleet/x",
            "a b",
            "-a",
            "a-.b",
            "x".repeat(64).as_str(),
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        assert_eq!("Fleet.Example.".parse::<HostName>().unwrap().to_string(), "fleet.example");
    }
}
