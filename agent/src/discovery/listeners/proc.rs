//! Who listens, read from `/proc/net/tcp` and `/proc/net/tcp6`: slow, but everywhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{ALL_V4, ALL_V6, Hearing};

/// The kernel's number for a listening socket.
const LISTEN: &str = "0A";
/// Listening sockets come first in these files; what follows is not read. A bound all the same.
const READ_BYTES_MAX: u64 = 256 * 1024;
/// The kernel fills a page with whole lines of less than 256 bytes, unless there are no more.
const FULL_CHUNK_BYTES: usize = 4096 - 256;
/// Probers look at about the same time, every few seconds.
const KEPT: Duration = Duration::from_secs(2);

/// Everything that listens, read for all probers together: after the listening sockets the kernel
/// walks its whole table of connections to find more, which takes it a millisecond a file.
#[derive(Debug)]
pub(super) struct Files {
    proc_root: PathBuf,
    last: Mutex<Option<Look>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    /// `None`: the files cannot be read.
    sockets: Option<Vec<SocketAddr>>,
}

impl Files {
    pub(super) fn new(proc_root: PathBuf) -> Self {
        Self { proc_root, last: Mutex::new(None) }
    }

    /// Who listens at `target`, as it was a moment ago at most.
    pub(super) fn hearing(&self, target: SocketAddr, now: Instant) -> Hearing {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|look| now >= look.at + KEPT) {
            *last = Some(Look { at: now, sockets: all_listening(&self.proc_root) });
        }
        match last.as_ref().and_then(|look| look.sockets.as_ref()) {
            Some(sockets) => {
                let at_port = sockets.iter().filter(|socket| socket.port() == target.port());
                let addresses: Vec<IpAddr> = at_port.map(SocketAddr::ip).collect();
                who_hears(target.ip(), &addresses)
            }
            None => Hearing::CannotTell,
        }
    }
}

fn all_listening(proc_root: &Path) -> Option<Vec<SocketAddr>> {
    let mut sockets = listening(&proc_root.join("net/tcp")).ok()?;
    // Without IPv6 there is no tcp6.
    sockets.extend(listening(&proc_root.join("net/tcp6")).unwrap_or_default());
    Some(sockets)
}

fn listening(path: &Path) -> io::Result<Vec<SocketAddr>> {
    let lines = BufReader::new(Chunks::open(path)?).lines();
    let mut sockets = Vec::new();
    for line in lines.skip(1) {
        match parse(&line?) {
            Some(Socket { listens: false, .. }) => break,
            Some(Socket { address, port, .. }) => sockets.push(SocketAddr::new(address, port)),
            None => {}
        }
    }
    Ok(sockets)
}

/// Reads a file of the kernel up to its end, which a chunk that is not full tells: to ask for more
/// would make the kernel walk its table once again.
struct Chunks {
    file: Take<File>,
    at_end: AtEnd,
}

#[derive(PartialEq)]
enum AtEnd {
    Yes,
    No,
}

impl Chunks {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?.take(READ_BYTES_MAX), at_end: AtEnd::No })
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at_end == AtEnd::Yes {
            return Ok(0);
        }
        let n_read = self.file.read(buffer)?;
        if n_read < FULL_CHUNK_BYTES {
            self.at_end = AtEnd::Yes;
        }
        Ok(n_read)
    }
}

/// The most exact listener wins, as it does in the kernel. A forwarder that listens on 0.0.0.0
/// and `[::]` with two sockets is taken for one server, on 0.0.0.0.
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

    fn hearing(root: &Path, target: SocketAddr) -> Hearing {
        Files::new(root.to_owned()).hearing(target, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_shared_for_a_moment() {
        let target = "127.0.0.1:11434".parse().unwrap();
        let root = proc_with("", "");
        let (listeners, start) = (Files::new(root.path().to_owned()), Instant::now());
        assert_eq!(listeners.hearing(target, start), Hearing::Nobody);
        std::fs::remove_dir_all(root.path()).unwrap();
        assert_eq!(listeners.hearing(target, start + KEPT / 2), Hearing::Nobody);
        assert_eq!(listeners.hearing(target, start + KEPT), Hearing::CannotTell);
    }

    #[test]
    fn more_than_a_page_of_listeners_is_read_whole() {
        let line = |port: u16| {
            format!(
                "   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 21 1\n"
            )
        };
        let root = proc_with(&(1..=1000).map(line).collect::<String>(), "");
        let all = Files::new(root.path().to_owned());
        for port in [1, 500, 1000] {
            let at = all.hearing(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), Instant::now());
            assert_eq!(at, Hearing::At(Ipv4Addr::LOCALHOST.into()), "{port}");
        }
    }

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
