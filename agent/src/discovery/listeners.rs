//! On which address a port is really listened to.
//!
//! It tells that 127.0.0.1 and `[::1]` lead to one server, and whether the network can reach it. It
//! does not look for servers: a listener that no candidate names stays unasked here.

mod diag;
mod proc;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tokio::time::Instant;

use self::diag::Diag;
use self::proc::Files;

/// What is known of who listens at a socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// A socket that listens on this address, which may stand for all addresses.
    At(IpAddr),
    /// No socket of this network namespace. The kernel may still forward the port elsewhere.
    Nobody,
    /// The kernel does not say.
    CannotTell,
}

/// Asks the kernel: by netlink for the price of two system calls, or else by its files, which it
/// has to walk all its connections for.
#[derive(Debug)]
pub(super) struct Listeners {
    diag: Option<Diag>,
    files: Files,
}

impl Listeners {
    pub(super) fn new(proc_root: PathBuf) -> Self {
        Self { diag: Diag::open().ok(), files: Files::new(proc_root) }
    }

    /// Who listens at `target`, as it was a moment ago at most.
    pub(super) fn hearing(&self, target: SocketAddr, now: Instant) -> Hearing {
        let by_diag = self.diag.as_ref().and_then(|diag| diag.who_hears(target).ok());
        match by_diag {
            Some(Some(address)) => Hearing::At(address),
            Some(None) => Hearing::Nobody,
            None => self.files.hearing(target, now),
        }
    }

    /// One that can tell nothing.
    #[cfg(test)]
    pub(super) fn deaf() -> Self {
        Self { diag: None, files: Files::new("/nowhere".into()) }
    }
}

const ALL_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ALL_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Both ways have to tell the same.
    fn both() -> [Listeners; 2] {
        let by_files = Listeners { diag: None, files: Files::new("/proc".into()) };
        [Listeners::new("/nowhere".into()), by_files]
    }

    #[test]
    fn a_listener_is_heard_where_it_listens() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let table: [(&str, &[(&str, bool)]); 4] = [
            ("127.0.0.1", &[("127.0.0.1", true), ("127.0.0.2", false), ("::1", false)]),
            ("0.0.0.0", &[("127.0.0.1", true), ("127.0.0.2", true), ("::1", false)]),
            ("::1", &[("127.0.0.1", false), ("::1", true)]),
            ("::", &[("127.0.0.1", true), ("127.0.0.2", true), ("::1", true)]),
        ];
        for (bound, targets) in table {
            let listener = TcpListener::bind((ip(bound), 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            for (target, is_heard) in targets {
                let expected = if *is_heard { Hearing::At(ip(bound)) } else { Hearing::Nobody };
                for listeners in both() {
                    let heard =
                        listeners.hearing(SocketAddr::new(ip(target), port), Instant::now());
                    assert_eq!(heard, expected, "{bound} {target} {listeners:?}");
                }
            }
        }
    }

    #[test]
    fn a_forwarder_with_a_socket_for_each_family_is_one_server() {
        let v4 = TcpListener::bind((ALL_V4, 0)).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        v6.set_only_v6(true).unwrap();
        v6.bind(&SocketAddr::new(ALL_V6, port).into()).unwrap();
        v6.listen(1).unwrap();
        for listeners in both() {
            for target in ["127.0.0.1", "::1"] {
                let target = SocketAddr::new(target.parse().unwrap(), port);
                assert_eq!(
                    listeners.hearing(target, Instant::now()),
                    Hearing::At(ALL_V4),
                    "{target}"
                );
            }
        }
    }

    #[test]
    fn a_connection_is_no_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let at = connection.local_addr().unwrap();
        for listeners in both() {
            assert_eq!(listeners.hearing(at, Instant::now()), Hearing::Nobody);
        }
    }

    #[test]
    fn the_deaf_one_cannot_tell() {
        let at = "127.0.0.1:11434".parse().unwrap();
        assert_eq!(Listeners::deaf().hearing(at, Instant::now()), Hearing::CannotTell);
    }
}
