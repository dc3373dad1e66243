//! Opens the ports, all of them or none, and the control socket beside them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::control::ControlSocket;
use super::socket::{NOWHERE, Stream};

/// Connections that may wait to be accepted: a fleet that redials at once.
const BACKLOG: u32 = 4096;

/// The open ports.
#[derive(Debug)]
pub struct Listeners {
    ports: Vec<Port>,
    control: Option<ControlSocket>,
}

#[derive(Debug)]
struct Port {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Door {
    Port(TcpListener),
    Control(ControlSocket),
}

impl Door {
    /// The next connection, and who it is from.
    pub(super) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Port(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), peer))
            }
            Self::Control(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((Stream::Control(stream), NOWHERE))
            }
        }
    }
}

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
            .map(|listener| Ok(Port { listener: listener?, tls: None }))
            .collect::<Result<_, _>>()
            .map(|ports| Self { ports, control: None })
    }

    /// Speaks TLS on those of the ports that `speaks_tls` names.
    ///
    /// # Errors
    ///
    /// Where the system does not tell the address of a port.
    pub fn secure(
        &mut self,
        tls: &Arc<ServerConfig>,
        speaks_tls: impl Fn(SocketAddr) -> bool,
    ) -> io::Result<()> {
        for port in &mut self.ports {
            let address = port.listener.local_addr()?;
            port.tls = speaks_tls(address).then(|| Arc::clone(tls));
        }
        Ok(())
    }

    /// Takes connections of the control socket as well.
    pub fn take_control(&mut self, socket: ControlSocket) {
        self.control = Some(socket);
    }

    /// Each way in, and what TLS is spoken there.
    pub(super) fn into_doors(self) -> impl Iterator<Item = (Door, Option<TlsAcceptor>)> {
        let ports = self.ports.into_iter();
        let ports = ports.map(|port| (Door::Port(port.listener), port.tls.map(TlsAcceptor::from)));
        ports.chain(self.control.map(|socket| (Door::Control(socket), None)))
    }

    /// The addresses as they are, port 0 replaced by the port that was given.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.ports.iter().map(|port| port.listener.local_addr()).collect()
    }

    /// Writes one line an address, for people and for tests that start the program.
    ///
    /// # Errors
    ///
    /// Where `out` cannot be written.
    pub fn announce(&self, out: &mut dyn Write) -> io::Result<()> {
        for port in &self.ports {
            let address = port.listener.local_addr()?;
            let scheme = if port.tls.is_some() { "https" } else { "http" };
            writeln!(out, "listening on {scheme}://{address}")?;
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
