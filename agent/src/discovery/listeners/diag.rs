//! Asks the kernel over netlink which socket would hear a connection (`sock_diag(7)`).
//!
//! The kernel looks it up as it would for the connection itself, so its rules need not be told
//! again here. Nothing is changed, and no privilege is needed.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::{ALL_V4, ALL_V6};

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const NLMSG_ERROR: u16 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const ENOENT: i32 = 2;

/// A header, and `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = 16 + 56;
/// Where in an answer, behind its header, `struct inet_diag_msg` has the socket's own address.
const ANSWER_ADDRESS: usize = 16 + 8;
const ANSWER_BYTES_MAX: usize = 4096;

/// A netlink socket that stays open.
#[derive(Debug)]
pub(super) struct Diag(Socket);

impl Diag {
    pub(super) fn open() -> io::Result<Self> {
        let protocol = Protocol::from(NETLINK_SOCK_DIAG);
        let socket = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(protocol))?;
        // An answer is there when sending returns.
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// The address of the listener that would hear a connection to `target`. A forwarder that
    /// listens on 0.0.0.0 and `[::]` with two sockets is taken for one server, on 0.0.0.0.
    pub(super) fn who_hears(&self, target: SocketAddr) -> io::Result<Option<IpAddr>> {
        let heard = self.ask(target)?;
        if target.is_ipv6() && heard == Some(ALL_V6) {
            let v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), target.port());
            return Ok(self.ask(v4)?.filter(|v4| *v4 == ALL_V4).or(heard));
        }
        Ok(heard)
    }

    fn ask(&self, target: SocketAddr) -> io::Result<Option<IpAddr>> {
        let mut socket = &self.0;
        socket.write_all(&request(target))?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let n_bytes = socket.read(&mut answer)?;
        read(&answer[..n_bytes])
    }
}

/// Who would hear a packet from the same host's port 1 to `target`?
fn request(target: SocketAddr) -> [u8; REQUEST_BYTES] {
    let (family, address) = match target.ip() {
        IpAddr::V4(v4) => (AF_INET, padded(v4)),
        IpAddr::V6(v6) => (AF_INET6, v6.octets()),
    };
    let mut request = [0; REQUEST_BYTES];
    let mut rest = &mut request[..];
    let mut put = |bytes: &[u8]| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        rest = tail;
    };
    // The header: length, type, flags; sequence and sender stay 0.
    put(&u32::try_from(REQUEST_BYTES).unwrap_or_default().to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&NLM_F_REQUEST.to_ne_bytes());
    put(&[0; 8]);
    // What is asked: any state.
    put(&[family, IPPROTO_TCP, 0, 0]);
    put(&u32::MAX.to_ne_bytes());
    // The listener's side, the caller's side, any interface, no cookie.
    put(&target.port().to_be_bytes());
    put(&1_u16.to_be_bytes());
    put(&address);
    put(&address);
    put(&[0; 4]);
    put(&[0xff; 8]);
    request
}

fn padded(v4: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&v4.octets());
    bytes
}

/// The listener's address from an answer; `None` where nobody listens.
fn read(answer: &[u8]) -> io::Result<Option<IpAddr>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = answer.get(4..6).ok_or_else(malformed)?;
    let body = answer.get(16..).ok_or_else(malformed)?;
    match u16::from_ne_bytes([kind[0], kind[1]]) {
        NLMSG_ERROR => {
            let code = body.first_chunk().ok_or_else(malformed)?;
            match i32::from_ne_bytes(*code).saturating_neg() {
                ENOENT => Ok(None),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        }
        SOCK_DIAG_BY_FAMILY => {
            let address: &[u8; 16] = answer
                .get(ANSWER_ADDRESS..)
                .and_then(|bytes| bytes.first_chunk())
                .ok_or_else(malformed)?;
            let [family, state] = *body.first_chunk().ok_or_else(malformed)?;
            Ok((state == TCP_LISTEN).then(|| read_address(family, *address)))
        }
        _ => Err(malformed()),
    }
}

fn read_address(family: u8, bytes: [u8; 16]) -> IpAddr {
    if family == AF_INET {
        IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]])
    } else {
        Ipv6Addr::from(bytes).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_both_sides() {
        let request = request("127.0.0.1:11434".parse().unwrap());
        assert_eq!(request[..4], 72_u32.to_ne_bytes());
        assert_eq!(request[16..18], [AF_INET, IPPROTO_TCP]);
        assert_eq!(request[24..26], [0x2c, 0xaa]);
        assert_eq!(request[28..32], [127, 0, 0, 1]);
        assert_eq!(request[44..48], [127, 0, 0, 1]);
        assert_eq!(request[64..], [0xff; 8]);
    }

    #[test]
    fn answers_that_are_cut_or_foreign_are_errors() {
        for n_bytes in 0..ANSWER_ADDRESS + 16 {
            let mut answer = vec![0; n_bytes];
            if let Some(kind) = answer.get_mut(4..6) {
                kind.copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            assert!(read(&answer).is_err(), "{n_bytes}");
        }
        assert!(read(&[0; 100]).is_err());
    }

    #[test]
    fn no_such_socket_is_nobody() {
        let mut answer = [0; 36];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-ENOENT).to_ne_bytes());
        assert_eq!(read(&answer).unwrap(), None);
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert!(read(&answer).is_err());
    }
}
