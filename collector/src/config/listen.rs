//! Where the collector listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::ConfigError;
use super::given::Given;

/// Where agents and browsers look without being told.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6121);

const EXPECTED: &str = "an address and a port such as 127.0.0.1:6121 or [::1]:6121";

/// Reads one address.
fn address(given: &Given) -> Result<SocketAddr, ConfigError> {
    let text = given.as_text(EXPECTED)?;
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| given.bad(EXPECTED))
}

/// Reads all of them; each may stand once.
pub(super) fn addresses(given: &[Given]) -> Result<Vec<SocketAddr>, ConfigError> {
    let mut addresses = Vec::new();
    for given in given {
        let address = address(given)?;
        if address.port() != 0 && addresses.contains(&address) {
            return Err(given.bad("each address once"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}
