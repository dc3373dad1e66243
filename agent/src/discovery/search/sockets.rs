//! Every TCP socket of this network namespace that listens: by netlink, which hands out just those
//! and for little, or else by the kernel's files.

mod diag;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use self::diag::Diag;

pub(super) const ALL_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
pub(super) const ALL_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// More than any host has; bounds every loop over them.
const SOCKETS_MAX: usize = 8192;

/// A socket that listens. Ordered by port, then address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listening {
    pub(super) port: u16,
    pub(super) address: IpAddr,
    /// IPv4 connections come to it. `[::]` has them too, unless somebody said otherwise.
    pub(super) hears_v4: bool,
    /// The user who opened it.
    pub(super) uid: u32,
    /// What `/proc/<pid>/fd` calls it; 0 where nobody holds it any more.
    pub(super) inode: u64,
}

impl Listening {
    fn new(address: IpAddr, port: u16, uid: u32, inode: u64) -> Self {
        let address = address.to_canonical();
        let hears_v4 = address.is_ipv4() || address == ALL_V6;
        Self { port, address, hears_v4, uid, inode }
    }

    /// Whether a connection to this address comes here where nobody more exact listens.
    pub(super) fn hears(&self, address: IpAddr) -> bool {
        match self.address {
            ALL_V4 => address.is_ipv4(),
            ALL_V6 => address.is_ipv6() || self.hears_v4,
            exact => exact == address,
        }
    }
}

/// Asks the kernel.
#[derive(Debug)]
pub(super) struct Sockets {
    way: Way,
    proc_root: PathBuf,
}

#[derive(Debug)]
enum Way {
    Netlink(Diag),
    /// Netlink told nothing this time; it is opened anew at the next look.
    NetlinkAgain,
    Files,
}

impl Sockets {
    pub(super) fn new(proc_root: &Path) -> Self {
        let netlink = (proc_root == Path::new("/proc")).then(Diag::open);
        let way = match netlink {
            Some(Ok(diag)) => Way::Netlink(diag),
            Some(Err(error)) => {
                tracing::info!(%error, "no netlink: listening sockets are read from files");
                Way::Files
            }
            // Netlink would tell of another host than the files.
            None => Way::Files,
        };
        Self { way, proc_root: proc_root.to_owned() }
    }

    /// All that listens now, in order. `None`: the kernel does not say.
    pub(super) fn look(&mut self) -> Option<Vec<Listening>> {
        let mut all = self.by_netlink().or_else(|| table::listening(&self.proc_root).ok())?;
        all.sort_unstable();
        all.dedup();
        all.truncate(SOCKETS_MAX);
        Some(all)
    }

    fn by_netlink(&mut self) -> Option<Vec<Listening>> {
        if matches!(self.way, Way::NetlinkAgain)
            && let Ok(diag) = Diag::open()
        {
            self.way = Way::Netlink(diag);
        }
        let Way::Netlink(diag) = &mut self.way else { return None };
        match diag.listening() {
            Ok(all) => Some(all),
            Err(error) => {
                tracing::debug!(%error, "netlink does not tell who listens");
                self.way = Way::NetlinkAgain;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::os::fd::AsRawFd;

    use super::*;

    /// Both ways have to tell the same.
    fn both() -> [Sockets; 2] {
        let by_files = Sockets { way: Way::Files, proc_root: "/proc".into() };
        [Sockets::new(Path::new("/proc")), by_files]
    }

    fn inode_of(socket: &impl AsRawFd) -> u64 {
        let link = format!("/proc/self/fd/{}", socket.as_raw_fd());
        let link = std::fs::read_link(link).unwrap().to_str().unwrap().to_owned();
        link.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }

    /// Other tests listen too, so only inodes tell one's own.
    fn of_inode(sockets: &mut Sockets, inode: u64) -> Option<Listening> {
        sockets.look().unwrap().into_iter().find(|listening| listening.inode == inode)
    }

    #[test]
    fn what_listens_is_told_with_its_user_and_inode() {
        for bound in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let listener = TcpListener::bind((bound.parse::<IpAddr>().unwrap(), 0)).unwrap();
            let expected = Listening {
                port: listener.local_addr().unwrap().port(),
                address: bound.parse().unwrap(),
                hears_v4: bound != "::1",
                uid: rustix::process::geteuid().as_raw(),
                inode: inode_of(&listener),
            };
            for mut sockets in both() {
                let heard = of_inode(&mut sockets, expected.inode);
                assert_eq!(heard.as_ref(), Some(&expected), "{bound} {:?}", sockets.way);
            }
        }
    }

    #[test]
    fn a_socket_of_one_family_alone_does_not_hear_the_other() {
        let v4 = TcpListener::bind((ALL_V4, 0)).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        v6.set_only_v6(true).unwrap();
        v6.bind(&SocketAddr::new(ALL_V6, port).into()).unwrap();
        v6.listen(1).unwrap();
        // The files do not say; that there are two sockets shows it.
        for mut sockets in both() {
            assert!(!of_inode(&mut sockets, inode_of(&v6)).unwrap().hears_v4);
            assert!(of_inode(&mut sockets, inode_of(&v4)).unwrap().hears_v4);
        }
    }

    #[test]
    fn connections_and_closed_sockets_are_not_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let inodes = [inode_of(&listener), inode_of(&connection)];
        drop(listener);
        for mut sockets in both() {
            for inode in inodes {
                assert_eq!(of_inode(&mut sockets, inode), None);
            }
        }
    }

    #[test]
    fn more_than_one_message_holds_is_told_whole() {
        let listeners: Vec<TcpListener> =
            (0..600).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for mut sockets in both() {
            let all = sockets.look().unwrap();
            for listener in &listeners {
                let inode = inode_of(listener);
                assert!(all.iter().any(|listening| listening.inode == inode));
            }
        }
    }

    #[test]
    fn where_nothing_tells_nothing_is_told() {
        assert_eq!(Sockets::new(Path::new("/nowhere")).look(), None);
    }
}
