//! Which interface has an IPv4 address, asked of the kernel over netlink (`rtnetlink(7)`): its files
//! do not say, and where an address has no network around it (tunnels, some clouds) its routes do
//! not either. Nothing is changed, and no privilege is needed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;

use socket2::{Domain, Protocol, Socket, Type};

const AF_NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
const AF_INET: u8 = 2;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const REQUEST_AND_DUMP: u16 = 0x301;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;

const HEADER_BYTES: usize = 16;
/// A header, and `struct ifaddrmsg`.
const REQUEST_BYTES: usize = HEADER_BYTES + 8;
/// The kernel answers in pieces of half of this.
const ANSWER_BYTES: usize = 16 * 1024;
/// More pieces than these, of about 100 addresses each, are not read.
const ANSWERS: usize = 64;

/// The name of each address's interface; none where the kernel does not say.
pub(super) fn labels() -> BTreeMap<Ipv4Addr, String> {
    let mut labels = BTreeMap::new();
    if let Err(error) = ask(&mut labels) {
        tracing::debug!(%error, "cannot ask for the interfaces of addresses");
    }
    labels
}

fn ask(labels: &mut BTreeMap<Ipv4Addr, String>) -> io::Result<()> {
    let protocol = Protocol::from(NETLINK_ROUTE);
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(protocol))?;
    // Each piece is there when it is asked for.
    socket.set_nonblocking(true)?;
    socket.write_all(&request())?;
    let mut answer = vec![0; ANSWER_BYTES];
    for _ in 0..ANSWERS {
        let n_bytes = socket.read(&mut answer)?;
        if read(&answer[..n_bytes], labels) == Rest::Over {
            return Ok(());
        }
    }
    Ok(())
}

/// All IPv4 addresses, please.
fn request() -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    let length = u32::try_from(REQUEST_BYTES).unwrap_or_default();
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_GETADDR.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    request[HEADER_BYTES] = AF_INET;
    request
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Comes,
    Over,
}

/// Messages one behind the other, each with its length; whatever is no address ends them.
fn read(mut answer: &[u8], labels: &mut BTreeMap<Ipv4Addr, String>) -> Rest {
    if answer.is_empty() {
        return Rest::Over;
    }
    while !answer.is_empty() {
        let Some((message, rest)) = cut(answer, word_at(answer, 0)) else { return Rest::Over };
        if half_at(message, 4) != Some(RTM_NEWADDR) {
            return Rest::Over;
        }
        if let Some((address, label)) = message.get(REQUEST_BYTES..).and_then(label) {
            labels.insert(address, label);
        }
        answer = rest;
    }
    Rest::Comes
}

/// Attributes one behind the other: length, kind, value.
fn label(mut attributes: &[u8]) -> Option<(Ipv4Addr, String)> {
    let (mut address, mut label) = (None, None);
    while let Some((attribute, rest)) = cut(attributes, half_at(attributes, 0).map(u32::from)) {
        let value = attribute.get(4..)?;
        match half_at(attribute, 2)? {
            IFA_LOCAL => address = value.first_chunk().map(|bytes| Ipv4Addr::from(*bytes)),
            IFA_LABEL => label = Some(name(value)),
            _ => {}
        }
        attributes = rest;
    }
    address.zip(label).filter(|(_, label)| !label.is_empty())
}

/// `eth0`, or `eth0:1` for a second address of it.
fn name(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split(['\0', ':']).next().unwrap_or_default().to_owned()
}

/// What is so long, and what comes behind it: the next begins at a multiple of four.
fn cut(bytes: &[u8], length: Option<u32>) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(length?).ok().filter(|length| *length >= 4)?;
    let piece = bytes.get(..length)?;
    Some((piece, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0; REQUEST_BYTES];
        for (kind, value) in attributes {
            let length = u16::try_from(4 + value.len()).unwrap();
            message.extend(length.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message
    }

    #[test]
    fn addresses_are_read_until_the_end_is_told() {
        let eth = [(1, &[10, 0, 0, 7][..]), (IFA_LOCAL, &[10, 0, 0, 7]), (IFA_LABEL, b"eth0:1\0")];
        let tunnel = [(IFA_LOCAL, &[100, 64, 0, 9][..]), (IFA_LABEL, b"tailscale0\0")];
        let piece = [message(RTM_NEWADDR, &eth), message(RTM_NEWADDR, &tunnel)].concat();
        let mut labels = BTreeMap::new();
        assert_eq!(read(&piece, &mut labels), Rest::Comes);
        assert_eq!(read(&message(3, &[]), &mut labels), Rest::Over);
        assert_eq!(labels[&Ipv4Addr::new(10, 0, 0, 7)], "eth0");
        assert_eq!(labels[&Ipv4Addr::new(100, 64, 0, 9)], "tailscale0");
    }

    #[test]
    fn this_kernel_knows_where_loopback_is() {
        assert_eq!(labels().get(&Ipv4Addr::LOCALHOST).map(String::as_str), Some("lo"));
    }

    #[test]
    fn no_bytes_panic_or_go_round_for_ever() {
        let byte = proptest::prelude::prop_oneof![0_u8..32, proptest::prelude::any::<u8>()];
        proptest::proptest!(|(bytes in proptest::collection::vec(byte, 0..200))| {
            let _ = read(&bytes, &mut BTreeMap::new());
            let _ = label(&bytes);
            let framed = [message(RTM_NEWADDR, &[]), bytes].concat();
            let _ = read(&framed, &mut BTreeMap::new());
        });
    }
}
