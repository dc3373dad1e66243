//! Who listens, read from `/proc/net/tcp` and `/proc/net/tcp6`: slow, but everywhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::{ALL_V4, ALL_V6, Hearing};

/// The kernel's number for a listening socket.
const LISTEN: &str = "0A";
/// Listening sockets come first in these files; what follows is not read. A bound all the same.
const READ_BYTES_MAX: u64 = 256 * 1024;

/// Who listens at `target`.
pub(super) fn hearing(proc_root: &Path, target: SocketAddr) -> Hearing {
    // Without IPv6 there is no tcp6.
    let v6 = listening(&proc_root.join("net/tcp6"), target.port()).unwrap_or_default();
    match listening(&proc_root.join("net/tcp"), target.port()) {
        Ok(v4) => who_hears(target.ip(), &[v4, v6].concat()),
        Err(_) => Hearing::CannotTell,
    }
}

fn listening(path: &Path, port: u16) -> io::Result<Vec<IpAddr>> {
    let lines = BufReader::new(File::open(path)?.take(READ_BYTES_MAX)).lines();
    let mut addresses = Vec::new();
    for line in lines.skip(1) {
        match parse(&line?) {
            Some(Socket { listens: false, .. }) => break,
            Some(socket) if socket.port == port => addresses.push(socket.address),
            _ => {}
        }
    }
    Ok(addresses)
}

/// The most exact listener wins, as it does in the kernel. A forwarder that listens on 0.0.0.0
/// and [::] with two sockets is taken for one server, on 0.0.0.0.
fn who_hears(target: IpAddr, listeners: &[IpAddr]) -> Hearing {
    let (on_all_v4, on_all_v6) = (listeners.contains(&ALL_V4), listeners.contains(&ALL_V6));
    if listeners.contains(&target) {
        Hearing::At(target)
    } else if on_all_v6 || (on_all_v4 && target.is_ipv4()) {
        Hearing::At(if on_all_v4 { ALL_V4 } else { ALL_V6 })
    } else {
        Hearing::Nobody
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    address: IpAddr,
    port: u16,
    listens: bool,
}

/// One line: number, local `address:port` in hex, remote, state.
fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    Some(Socket {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        listens: state == LISTEN,
    })
}

/// The kernel prints the address as words of four bytes, each in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let n_bytes = hex.len() / 2;
    if !hex.is_ascii() || !(hex.len() == 8 || hex.len() == 32) {
        return None;
    }
    for (word, eight) in bytes.chunks_exact_mut(4).zip(hex.as_bytes().chunks_exact(8)) {
        let value = u32::from_str_radix(std::str::from_utf8(eight).ok()?, 16).ok()?;
        word.copy_from_slice(&value.to_ne_bytes());
    }
    match n_bytes {
        4 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        _ => Some(IpAddr::from(bytes).to_canonical()),
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn proc_with(tcp: &str, tcp6: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("net")).unwrap();
        std::fs::write(root.path().join("net/tcp"), format!("{HEAD}{tcp}")).unwrap();
        std::fs::write(root.path().join("net/tcp6"), format!("{HEAD}{tcp6}")).unwrap();
        root
    }

    #[test]
    fn a_listener_on_127_0_0_1_is_only_that() {
        let root = proc_with(
            "   0: 0100007F:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 21 1\n",
            "",
        );
        let at = hearing(root.path(), "127.0.0.1:11434".parse().unwrap());
        assert_eq!(at, Hearing::At("127.0.0.1".parse().unwrap()));
        let at = hearing(root.path(), "[::1]:11434".parse().unwrap());
        assert_eq!(at, Hearing::Nobody);
        let at = hearing(root.path(), "127.0.0.1:11435".parse().unwrap());
        assert_eq!(at, Hearing::Nobody);
    }

    #[test]
    fn a_listener_on_all_addresses_hears_both_families() {
        let root = proc_with(
            "",
            "   0: 00000000000000000000000000000000:2CAA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 22 1\n",
        );
        for target in ["127.0.0.1:11434", "[::1]:11434", "192.168.1.7:11434"] {
            let at = hearing(root.path(), target.parse().unwrap());
            assert_eq!(at, Hearing::At("::".parse().unwrap()), "{target}");
        }
    }

    #[test]
    fn established_connections_are_no_listeners_and_end_the_reading() {
        let root = proc_with(
            "   0: 0100007F:2CAA 0100007F:9999 01 00000000:00000000 00:00000000 00000000   998        0 21 1\n   1: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 23 1\n",
            "",
        );
        for target in ["127.0.0.1:11434", "127.0.0.1:11435"] {
            assert_eq!(hearing(root.path(), target.parse().unwrap()), Hearing::Nobody);
        }
    }

    #[test]
    fn without_the_file_nothing_can_be_told() {
        let root = tempfile::tempdir().unwrap();
        let at = hearing(root.path(), "127.0.0.1:11434".parse().unwrap());
        assert_eq!(at, Hearing::CannotTell);
    }

    #[test]
    fn the_most_exact_listener_wins() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let table: [(&str, &[&str], Hearing); 7] = [
            ("127.0.0.1", &["0.0.0.0", "127.0.0.1"], Hearing::At(ip("127.0.0.1"))),
            ("127.0.0.1", &["::", "0.0.0.0"], Hearing::At(ip("0.0.0.0"))),
            ("::1", &["::", "0.0.0.0"], Hearing::At(ip("0.0.0.0"))),
            ("::1", &["0.0.0.0"], Hearing::Nobody),
            ("::1", &["::", "127.0.0.1"], Hearing::At(ip("::"))),
            ("::1", &["::1", "::"], Hearing::At(ip("::1"))),
            ("10.0.0.1", &["127.0.0.1"], Hearing::Nobody),
        ];
        for (target, listeners, expected) in table {
            let listeners: Vec<IpAddr> = listeners.iter().map(|l| ip(l)).collect();
            assert_eq!(who_hears(ip(target), &listeners), expected, "{target} {listeners:?}");
        }
    }

    #[test]
    fn reads_ipv6_and_mapped_addresses() {
        let loopback = parse_address("00000000000000000000000001000000").unwrap();
        assert_eq!(loopback, IpAddr::from(Ipv6Addr::LOCALHOST));
        let mapped = parse_address("0000000000000000FFFF00000100007F").unwrap();
        assert_eq!(mapped, IpAddr::from(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn nonsense_is_skipped() {
        for line in ["", "0:", "0: 0100007F", "0: xx:yy 0:0 0A", "0: 01:0050 0:0 0A", "  sl local"]
        {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
