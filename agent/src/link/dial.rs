//! From a collector's address to an open WebSocket, within one deadline. What is said on it is
//! told elsewhere.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use herdbook_shared::{limits, wire};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::rustls::Error as TlsError;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{Uri, header::RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::debug;

use super::Socket;
use super::tls::{self, WrongPin};
use super::transport::Transport;
use crate::config::CollectorUrl;
use crate::enrol::{Channel, Target};

/// From the first packet to the open WebSocket.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Of which the addresses of a name share this, the handshake keeps the rest.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// What was sent and not acknowledged for so long has a dead connection under it.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// The kernel probes an idle connection after this.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// What the kernel may hold unsent: on a slow link, samples wait here where a newer one can still
/// take their place, not in the kernel.
const UNSENT_BYTES: u32 = 16 * 1024;
/// A name that stands for more addresses than this is asked no further.
const ADDRESSES: usize = 8;

/// How a link gets its sockets.
pub trait Dial {
    /// What it gets.
    type Socket: Socket;

    /// Connects once.
    fn dial(&mut self, target: &Target) -> impl Future<Output = Result<Self::Socket, DialError>>;

    /// The address of this host that the socket has as its own end, where it has one.
    fn own_end(&self, socket: &Self::Socket) -> Option<IpAddr>;

    /// What its TLS connection says of both ends; none without TLS.
    fn channel(&self, socket: &Self::Socket) -> Option<Channel>;
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name means nothing.
    #[error("cannot resolve {host:?}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Nobody there.
    #[error("cannot reach {address}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else answers there.
    #[error(transparent)]
    WrongPin(WrongPin),
    /// No TLS could be agreed on, or the certificate is not trusted.
    #[error("no TLS with what answers there; is that a Herdbook collector's https:// port?")]
    Tls(#[source] TlsError),
    /// The connection broke while TLS was agreed on.
    #[error("the connection broke before TLS began; is that a Herdbook collector's https:// port?")]
    TlsLost(#[source] io::Error),
    /// A certificate cannot be verified, since nobody is trusted to vouch for one.
    #[error(
        "this system has no certificates to trust (install ca-certificates), and the collector's \
         key is not known: join with the line that it prints"
    )]
    NoRoots,
    /// Something answers, and is no collector, or has no room.
    #[error("answered HTTP {status} instead of opening a WebSocket; is that a Herdbook collector?")]
    Status {
        /// The status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Something answers, and speaks no WebSocket.
    #[error("what answers there opens no WebSocket; is that a Herdbook collector?")]
    Handshake(#[source] Box<SocketError>),
    /// All of it took too long.
    #[error("no connection within 10 s")]
    Timeout,
}

/// Dials a collector over TCP, and over TLS where its URL says so.
#[derive(Debug, Default)]
pub struct TcpDial;

impl TcpDial {
    async fn attempt(target: &Target) -> Result<WebSocketStream<Transport>, DialError> {
        let stream = connect(&target.url).await?;
        tune(&stream);
        let transport = if target.url.is_tls() {
            let (stream, channel) = tls::connect(stream, target.url.host(), &target.trust).await?;
            Transport::Tls(Box::new(stream), channel)
        } else {
            Transport::Plain(stream)
        };
        // The pieces were checked one by one when the URL was read.
        let endpoint: Uri = target.url.websocket("/api/v1/agent").parse().unwrap_or_default();
        let request = ClientRequestBuilder::new(endpoint).with_sub_protocol(wire::SUBPROTOCOL);
        let (socket, _) = client_async_with_config(request, transport, Some(socket_config()))
            .await
            .map_err(handshake_failed)?;
        Ok(socket)
    }
}

async fn connect(url: &CollectorUrl) -> Result<TcpStream, DialError> {
    let unresolved = |source| DialError::Resolve { host: url.host().to_owned(), source };
    let found = lookup_host((url.host(), url.port())).await.map_err(unresolved)?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    let share = CONNECT_DEADLINE / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = unresolved(io::Error::other("it has no address"));
    for address in addresses {
        let connected = timeout(share, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(source) => last = DialError::Connect { address, source },
        }
    }
    Err(last)
}

impl Dial for TcpDial {
    type Socket = WebSocketStream<Transport>;

    async fn dial(&mut self, target: &Target) -> Result<Self::Socket, DialError> {
        timeout(DEADLINE, Self::attempt(target)).await.unwrap_or(Err(DialError::Timeout))
    }

    fn own_end(&self, socket: &Self::Socket) -> Option<IpAddr> {
        Some(socket.get_ref().tcp().local_addr().ok()?.ip().to_canonical())
    }

    fn channel(&self, socket: &Self::Socket) -> Option<Channel> {
        socket.get_ref().channel()
    }
}

/// Small buffers, and every message written at once: a message that is not written is one that
/// the socket cannot take.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES))
}

/// A connection works without these, only worse, so what the kernel refuses is left.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)))
        .and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_BYTES));
    if let Err(error) = tuned {
        debug!(%error, "a socket option was refused");
    }
}

fn handshake_failed(error: SocketError) -> DialError {
    match error {
        SocketError::Http(response) => DialError::Status {
            status: response.status().as_u16(),
            retry_after: retry_after(&response),
        },
        other => DialError::Handshake(Box::new(other)),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
