//! Under which URLs the collector is reached: by people, and by agents.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::auth::HostName;
use crate::config::Config;

/// Addresses for documentation (RFC 5737, RFC 3849): what leads there leads out of the machine.
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Where people open the page.
#[must_use]
pub fn link_to(config: &Config, listen: &[SocketAddr]) -> String {
    let name = || HostName::of_machine().into_iter().next().map(|name| name.to_string());
    listen.first().map_or_else(String::new, |address| format!("{}/", url(config, *address, name)))
}

/// Where agents connect: the first port that speaks TLS. Nothing where none does. An agent knows the
/// collector by its key, so that an address is as good as a name, and needs nobody to resolve it.
pub(super) fn join_url(config: &Config, listen: &[SocketAddr]) -> String {
    let is_reached = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    let speaks_tls = || listen.iter().filter(|address| config.speaks_tls(**address));
    let best = speaks_tls().find(is_reached).or_else(|| speaks_tls().next());
    let own = || OUTSIDE.into_iter().find_map(own_address).map(in_url);
    best.map_or_else(String::new, |address| url(config, *address, own))
}

/// `own`: what stands for an address that stands for all of them, where no name was told.
fn url(config: &Config, address: SocketAddr, own: impl FnOnce() -> Option<String>) -> String {
    let scheme = if config.speaks_tls(address) { "https" } else { "http" };
    if !address.ip().is_unspecified() {
        return format!("{scheme}://{address}");
    }
    let name = config.public_names.first().map(ToString::to_string).or_else(own);
    let name = name.unwrap_or_else(|| "localhost".to_owned());
    format!("{scheme}://{name}:{}", address.port())
}

/// Under which address the machine goes there. Nothing is sent.
fn own_address(there: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if there.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified() && !own.is_loopback()).then_some(own)
}

fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}
