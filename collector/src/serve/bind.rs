//! Opens the ports, all of them or none.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted: a fleet that redials at once.
const BACKLOG: u32 = 4096;

/// The open ports.
#[derive(Debug)]
pub struct Listeners(pub(super) Vec<TcpListener>);

/// A port that cannot be opened. The address is wrong, or not free: a matter of configuration.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something listens there.
    #[error(
        "{0} is taken by another program (another collector?); stop that one, or choose another \
         port with --listen"
    )]
    Taken(SocketAddr),
    /// Ports below 1024 are for root.
    #[error("this user may not listen on {0}; choose a port of 1024 or more with --listen")]
    NotPermitted(SocketAddr),
    /// The machine has no such address.
    #[error("this machine has no address {0}; choose another with --listen")]
    NoSuchAddress(SocketAddr),
    /// Something else.
    #[error("failed to listen on {address}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Listeners {
    /// Opens every address.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the first that cannot be opened; none stays open then.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        addresses
            .iter()
            .map(|&address| listen(address).map_err(|error| BindError::new(address, error)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The addresses as they are, port 0 replaced by the port that was given.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().map(TcpListener::local_addr).collect()
    }

    /// Writes one line an address, for people and for tests that start the program.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn announce(&self, out: &mut dyn Write) -> io::Result<()> {
        for address in self.addresses()? {
            writeln!(out, "listening on http://{address}")?;
        }
        out.flush()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A collector that restarts gets its port back at once, though old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken(address),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            _ => Self::Io { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn announces_the_port_that_it_was_given() {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&[any]).unwrap();
        let port = listeners.addresses().unwrap()[0].port();
        let mut out = Vec::new();
        listeners.announce(&mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, format!("listening on http://127.0.0.1:{port}\n"));
        assert_ne!(port, 0);
    }

    #[tokio::test]
    async fn a_taken_port_is_called_taken() {
        let first = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = first.addresses().unwrap()[0];
        let error = Listeners::bind(&[address]).unwrap_err();
        assert!(matches!(error, BindError::Taken(taken) if taken == address), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_called_so() {
        let error = Listeners::bind(&["192.0.2.1:0".parse().unwrap()]).unwrap_err();
        assert!(matches!(error, BindError::NoSuchAddress(_)), "{error}");
    }
}
