//! Which addresses of one service are dialled: some never ([`dial`]), some because somebody answers
//! for them. Whoever may register a service may not thereby make the collector ask any machine that
//! it can reach.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use ipnet::IpNet;

use super::dial::{self, Loopback};
use super::http::refused;
use crate::registry::check::probe::ProbeFailure;

/// What holds for the services of all.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) loopback: Loopback,
    allowed: Arc<[IpNet]>,
    own: Arc<[SocketAddr]>,
}

/// Whether somebody who may say so answers for an address of a service: see
/// [`crate::registry::Registry::vouches`].
pub(crate) type Vouches<'a> = &'a (dyn Fn(IpAddr) -> bool + Sync);

impl Policy {
    /// `allowed` is `allow_dial`; `own` is where the collector itself listens.
    #[must_use]
    pub fn new(loopback: Loopback, allowed: &[IpNet], own: &[SocketAddr]) -> Self {
        Self { loopback, allowed: allowed.into(), own: own.into() }
    }

    /// The addresses that are dialled, of those that a service has.
    pub(crate) fn admitted(
        &self,
        addresses: Vec<SocketAddr>,
        vouches: Vouches<'_>,
    ) -> Result<Vec<SocketAddr>, ProbeFailure> {
        let why = |address: &SocketAddr| self.refusal(*address, vouches);
        super::http::admitted(addresses, &why)
    }

    fn refusal(&self, address: SocketAddr, vouches: Vouches<'_>) -> Option<ProbeFailure> {
        let ip = address.ip().to_canonical();
        if let Some(never) = dial::never(address.ip(), self.loopback) {
            return Some(never);
        }
        if self.is_own(ip, address.port()) {
            return Some(refused(format!("{ip} is never dialled: it is the collector's own port")));
        }
        let is_allowed = self.allowed.iter().any(|net| net.contains(&ip)) || vouches(ip);
        (!is_allowed).then(|| {
            refused(format!(
                "{ip} is not dialled: no agent connects from there and no admin added the \
                 service: an admin can add it, or allow_dial in [checks] can name the address"
            ))
        })
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().filter(|own| own.port() == port).any(|own| {
            let own = own.ip().to_canonical();
            own == ip || (own.is_unspecified() && is_of_this_machine(ip))
        })
    }
}

/// Whether it is an address of this machine: only such a one can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(policy: &Policy, address: &str, vouched: bool) -> Option<String> {
        let refusal = policy.refusal(address.parse().unwrap(), &|_| vouched);
        refusal.map(|refusal| refusal.to_string())
    }

    #[test]
    fn an_address_for_which_nobody_answers_is_not_dialled_and_the_words_say_what_to_do() {
        let policy = Policy::new(Loopback::Refused, &["10.1.0.0/16".parse().unwrap()], &[]);
        let why = words(&policy, "10.0.0.7:80", false).unwrap();
        assert!(why.starts_with("10.0.0.7 is not dialled") && why.contains("allow_dial"), "{why}");
        assert_eq!(words(&policy, "10.0.0.7:80", true), None);
        for allowed in ["10.1.0.7:80", "[::ffff:10.1.0.7]:80"] {
            assert_eq!(words(&policy, allowed, false), None, "{allowed}");
        }
        // An address that leads to an allowed one is not that one.
        for not in ["[64:ff9b::10.1.0.7]:80", "[2002:a01:7::1]:80", "10.2.0.1:80", "[fd00::1]:80"] {
            assert!(words(&policy, not, false).is_some(), "{not}");
        }
    }

    #[test]
    fn what_is_never_dialled_is_not_allowed_by_anybody() {
        let all = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let policy = Policy::new(Loopback::Refused, &all, &[]);
        for never in ["169.254.169.254:80", "127.0.0.1:80", "[::1]:80", "[fe80::1]:80", "0.0.0.0:1"]
        {
            let why = words(&policy, never, true).unwrap();
            assert!(why.contains("is never dialled"), "{why}");
        }
        assert_eq!(words(&policy, "10.0.0.7:80", false), None);
    }

    #[test]
    fn the_collectors_own_ports_are_never_dialled_by_any_address_of_the_machine() {
        let own = ["127.0.0.1:6121".parse().unwrap(), "[::]:6122".parse().unwrap()];
        let policy = Policy::new(Loopback::Allowed, &[], &own);
        for never in [
            "127.0.0.1:6121",
            "[::ffff:127.0.0.1]:6121",
            "127.0.0.1:6122",
            "[::1]:6122",
            "127.7.0.1:6122",
        ] {
            let why = words(&policy, never, true).unwrap();
            assert!(why.contains("the collector's own port"), "{never}: {why}");
        }
        for other in ["127.0.0.1:6120", "192.0.2.1:6121", "192.0.2.1:6122"] {
            assert_eq!(words(&policy, other, true), None, "{other}");
        }
    }
}
