//! Who listens, read from `/proc/net/tcp` and `/proc/net/tcp6`: slower, but everywhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::{ALL_V4, ALL_V6, Listening};

/// The kernel's number for a listening socket.
const LISTEN: &str = "0A";
/// Listening sockets come first in these files; what follows is not read. A bound all the same.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// The kernel fills a page with whole lines of less than 256 bytes, unless there are no more.
const FULL_CHUNK_BYTES: usize = 4096 - 256;

/// All listening sockets of the network namespace that `proc_root` shows: the reader's own, or,
/// where the root is another host's and knows no `self`, its first process's.
pub(super) fn listening(proc_root: &Path) -> io::Result<Vec<Listening>> {
    let read = |name: &str| {
        let own = of_file(&proc_root.join("net").join(name));
        own.or_else(|_| of_file(&proc_root.join("1/net").join(name)))
    };
    let mut all = read("tcp")?;
    // Without IPv6 there is no tcp6.
    all.extend(read("tcp6").unwrap_or_default());
    Ok(without_hidden_v4(all))
}

/// `[::]` beside 0.0.0.0 on one port can only be one that leaves IPv4 alone.
fn without_hidden_v4(mut all: Vec<Listening>) -> Vec<Listening> {
    let v4: Vec<u16> = all.iter().filter(|l| l.address == ALL_V4).map(|l| l.port).collect();
    for listening in all.iter_mut().filter(|l| l.address == ALL_V6) {
        listening.hears_v4 = !v4.contains(&listening.port);
    }
    all
}

fn of_file(path: &Path) -> io::Result<Vec<Listening>> {
    let lines = BufReader::new(Chunks::open(path)?).lines();
    let mut all = Vec::new();
    for line in lines.skip(1) {
        match parse(&line?) {
            Some(Line::Listening(listening)) => all.push(listening),
            Some(Line::Connection) => break,
            None => {}
        }
    }
    Ok(all)
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

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Listening(Listening),
    Connection,
}

/// Number, local `address:port` in hex, remote, state, queues, timer, retransmits, uid, timeout,
/// inode.
fn parse(line: &str) -> Option<Line> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    if state != LISTEN {
        return Some(Line::Connection);
    }
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Line::Listening(Listening::new(parse_address(address)?, port, uid, inode)))
}

/// The kernel prints the address as words of four bytes, each in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    if !hex.is_ascii() || !(hex.len() == 8 || hex.len() == 32) {
        return None;
    }
    for (word, eight) in bytes.chunks_exact_mut(4).zip(hex.as_bytes().chunks_exact(8)) {
        let value = u32::from_str_radix(std::str::from_utf8(eight).ok()?, 16).ok()?;
        word.copy_from_slice(&value.to_ne_bytes());
    }
    match hex.len() {
        8 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        _ => Some(IpAddr::from(bytes)),
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, state: &str, uid: u32, inode: u64) -> String {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} \
                    0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    }

    fn root(folder: &str, tcp: &str, tcp6: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
        std::fs::write(root.path().join(folder).join("tcp"), format!("{HEAD}{tcp}")).unwrap();
        std::fs::write(root.path().join(folder).join("tcp6"), format!("{HEAD}{tcp6}")).unwrap();
        root
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_files_are_read_up_to_the_first_connection() {
        let tcp = [
            line("0100007F:2CAA", "0A", 998, 21),
            line("0100007F:2CAA", "01", 998, 22),
            line("0100007F:2CAB", "0A", 998, 23),
        ]
        .concat();
        let tcp6 = line("00000000000000000000000000000000:2CAC", "0A", 0, 24);
        let root = root("net", &tcp, &tcp6);
        let expected = [
            Listening::new(ip("127.0.0.1"), 11434, 998, 21),
            Listening::new(ip("::"), 11436, 0, 24),
        ];
        assert_eq!(listening(root.path()).unwrap(), expected);
    }

    #[test]
    fn of_another_host_the_first_process_tells() {
        let root = root("1/net", &line("00000000:1F40", "0A", 0, 5), "");
        let expected = [Listening::new(ip("0.0.0.0"), 8000, 0, 5)];
        assert_eq!(listening(root.path()).unwrap(), expected);
    }

    #[test]
    fn two_sockets_for_two_families_leave_each_other_alone() {
        let v6 = line("00000000000000000000000000000000:1F40", "0A", 0, 6);
        let root = root("net", &line("00000000:1F40", "0A", 0, 5), &v6);
        let all = listening(root.path()).unwrap();
        assert_eq!(all.iter().map(|l| l.hears_v4).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn more_than_a_page_is_read_whole() {
        let tcp: String =
            (1..=1000).map(|port| line(&format!("0100007F:{port:04X}"), "0A", 0, port)).collect();
        assert_eq!(listening(root("net", &tcp, "").path()).unwrap().len(), 1000);
    }

    #[test]
    fn reads_ipv6_and_mapped_addresses() {
        let table = [
            ("00000000000000000000000001000000", "::1"),
            ("0000000000000000FFFF00000100007F", "127.0.0.1"),
            ("0A00000A", "10.0.0.10"),
        ];
        for (hex, expected) in table {
            assert_eq!(parse_address(hex).unwrap().to_canonical(), ip(expected));
        }
    }

    #[test]
    fn nonsense_is_skipped() {
        for line in ["", "0:", "0: 0100007F", "0: xx:yy 0:0 0A", "0: 01:0050 0:0 0A", "  sl local"]
        {
            assert!(!matches!(parse(line), Some(Line::Listening(_))), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in ".{0,200}") {
            let _ = parse(&line);
        }

        #[test]
        fn every_socket_comes_back(port: u16, uid: u32, inode: u64, address: u32) {
            let address = std::net::Ipv4Addr::from(address);
            let hex = format!("{:08X}:{port:04X}", u32::from_ne_bytes(address.octets()));
            let parsed = parse(&line(&hex, "0A", uid, inode));
            let expected = Listening::new(address.into(), port, uid, inode);
            prop_assert_eq!(parsed, Some(Line::Listening(expected)));
        }
    }
}
