//! Asks the kernel over netlink for every socket that listens (`sock_diag(7)`). It walks its table
//! of listeners alone, so connections cost nothing. Nothing is changed, no privilege is needed.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::{ALL_V6, Listening, SOCKETS_MAX};

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const INET_DIAG_SKV6ONLY: u16 = 11;
const ENOENT: i32 = 2;

const HEADER_BYTES: usize = 16;
/// A header, and `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = HEADER_BYTES + 56;
/// `struct inet_diag_msg`, which attributes follow.
const MESSAGE_BYTES: usize = 72;
/// The kernel fills at most this much at once.
const BUFFER_BYTES: usize = 32 * 1024;
/// More buffers than all sockets fill.
const BUFFERS_MAX: usize = 256;

/// A netlink socket that stays open.
pub(super) struct Diag {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl fmt::Debug for Diag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diag").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Diag {
    pub(super) fn open() -> io::Result<Self> {
        let protocol = Protocol::from(NETLINK_SOCK_DIAG);
        let socket = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(protocol))?;
        // An answer is there when sending returns, and what follows when that is read.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES], sequence: 0 })
    }

    /// All that listens, of both families.
    pub(super) fn listening(&mut self) -> io::Result<Vec<Listening>> {
        let mut all = Vec::new();
        self.dump(AF_INET, &mut all)?;
        self.dump(AF_INET6, &mut all)?;
        Ok(all)
    }

    fn dump(&mut self, family: u8, all: &mut Vec<Listening>) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut socket = &self.socket;
        socket.write_all(&request(family, self.sequence))?;
        for _ in 0..BUFFERS_MAX {
            let n_bytes = socket.read(&mut self.buffer)?;
            if read(&self.buffer[..n_bytes], self.sequence, all)? == Told::All {
                return Ok(());
            }
        }
        Err(malformed())
    }
}

/// Who of this family listens?
fn request(family: u8, sequence: u32) -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    let length = u32::try_from(REQUEST_BYTES).unwrap_or_default();
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[8..12].copy_from_slice(&sequence.to_ne_bytes());
    request[16] = family;
    request[17] = IPPROTO_TCP;
    request[20..24].copy_from_slice(&(1_u32 << TCP_LISTEN).to_ne_bytes());
    request
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    All,
    MoreFollows,
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Takes the messages out of one buffer.
fn read(mut bytes: &[u8], sequence: u32, all: &mut Vec<Listening>) -> io::Result<Told> {
    if bytes.is_empty() {
        return Err(malformed());
    }
    while let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
        let length = u32_at(header, 0) as usize;
        let message = bytes.get(HEADER_BYTES..length).ok_or_else(malformed)?;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        // What is left of an answer that was given up is passed over.
        if u32_at(header, 8) == sequence {
            match kind {
                NLMSG_DONE => return Ok(Told::All),
                NLMSG_ERROR => return refused(message),
                SOCK_DIAG_BY_FAMILY if all.len() < SOCKETS_MAX => all.extend(socket(message)),
                _ => {}
            }
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Told::MoreFollows)
}

/// A kernel without IPv6 does not know such sockets: then there are none.
fn refused(message: &[u8]) -> io::Result<Told> {
    let code = message.first_chunk().ok_or_else(malformed)?;
    match i32::from_ne_bytes(*code).saturating_neg() {
        ENOENT => Ok(Told::All),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Bytes that were checked to be there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_ne_bytes(*four))
}

/// One socket. Other states than listening are not asked for, and not taken either.
fn socket(message: &[u8]) -> Option<Listening> {
    let fixed = message.first_chunk::<MESSAGE_BYTES>()?;
    let (family, state) = (fixed[0], fixed[1]);
    if state != TCP_LISTEN {
        return None;
    }
    let address: [u8; 16] = *fixed[8..].first_chunk()?;
    let address = match family {
        AF_INET => IpAddr::from([address[0], address[1], address[2], address[3]]),
        AF_INET6 => IpAddr::from(address),
        _ => return None,
    };
    let port = u16::from_be_bytes([fixed[4], fixed[5]]);
    let (uid, inode) = (u32_at(fixed, 64), u32_at(fixed, 68));
    let mut listening = Listening::new(address, port, uid, inode.into());
    if listening.address == ALL_V6 && is_v6_only(&message[MESSAGE_BYTES..]) {
        listening.hears_v4 = false;
    }
    Some(listening)
}

/// Looks through attributes: length, kind, value, padded to four bytes.
fn is_v6_only(mut attributes: &[u8]) -> bool {
    while let Some([a, b, c, d]) = attributes.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        if u16::from_ne_bytes([*c, *d]) == INET_DIAG_SKV6ONLY {
            return length > 4 && attributes.get(4).is_some_and(|value| *value != 0);
        }
        if length < 4 {
            return false;
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn body(family: u8, address: &[u8], port: u16, uid: u32, inode: u32) -> Vec<u8> {
        let mut body = vec![0; MESSAGE_BYTES];
        (body[0], body[1]) = (family, TCP_LISTEN);
        body[4..6].copy_from_slice(&port.to_be_bytes());
        body[8..8 + address.len()].copy_from_slice(address);
        body[64..68].copy_from_slice(&uid.to_ne_bytes());
        body[68..72].copy_from_slice(&inode.to_ne_bytes());
        body
    }

    fn read_all(bytes: &[u8], sequence: u32) -> (io::Result<Told>, Vec<Listening>) {
        let mut all = Vec::new();
        let told = read(bytes, sequence, &mut all);
        (told, all)
    }

    #[test]
    fn sockets_of_both_families_are_read() {
        let mut v6_only = body(AF_INET6, &[0; 16], 2, 0, 8);
        v6_only.extend([6, 0, 1, 0, 9, 9, 0, 0]);
        v6_only.extend([5, 0, 11, 0, 1, 0, 0, 0]);
        let mut bytes = message(SOCK_DIAG_BY_FAMILY, 3, &body(AF_INET, &[127, 0, 0, 1], 1, 998, 7));
        bytes.extend(message(SOCK_DIAG_BY_FAMILY, 3, &v6_only));
        bytes.extend(message(SOCK_DIAG_BY_FAMILY, 2, &body(AF_INET, &[127, 0, 0, 1], 9, 0, 9)));
        bytes.extend(message(NLMSG_DONE, 3, &[0; 4]));
        let (told, all) = read_all(&bytes, 3);
        assert_eq!(told.unwrap(), Told::All);
        let v6_only = Listening { hears_v4: false, ..Listening::new(ALL_V6, 2, 0, 8) };
        assert_eq!(all, [Listening::new("127.0.0.1".parse().unwrap(), 1, 998, 7), v6_only]);
    }

    #[test]
    fn an_answer_in_parts_is_not_over_before_its_end() {
        let bytes = message(SOCK_DIAG_BY_FAMILY, 1, &body(AF_INET, &[0; 4], 1, 0, 1));
        let (told, all) = read_all(&bytes, 1);
        assert_eq!((told.unwrap(), all.len()), (Told::MoreFollows, 1));
    }

    #[test]
    fn a_kernel_without_ipv6_has_no_such_sockets_and_other_errors_are_errors() {
        let error = |code: i32| message(NLMSG_ERROR, 1, &(-code).to_ne_bytes());
        assert_eq!(read_all(&error(ENOENT), 1).0.unwrap(), Told::All);
        assert!(read_all(&error(1), 1).0.is_err());
        assert!(read_all(&message(NLMSG_ERROR, 1, &[]), 1).0.is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_all(&bytes, 0);
            let _ = is_v6_only(&bytes);
        }

        #[test]
        fn a_cut_answer_gives_no_socket_that_was_not_there(
            port: u16, uid: u32, inode: u32, cut in 0_usize..200, flip in 0_usize..88, to: u8,
        ) {
            let one = message(SOCK_DIAG_BY_FAMILY, 1, &body(AF_INET, &[10, 0, 0, 1], port, uid, inode));
            let mut bytes = [one.clone(), one].concat();
            bytes.truncate(cut);
            let (_, all) = read_all(&bytes, 1);
            let expected = Listening::new("10.0.0.1".parse().unwrap(), port, uid, inode.into());
            prop_assert!(all.iter().all(|listening| *listening == expected));
            prop_assert_eq!(all.len(), cut / 88);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte = to;
            }
            let (_, all) = read_all(&bytes, 1);
            prop_assert!(all.len() <= 2);
        }
    }
}
