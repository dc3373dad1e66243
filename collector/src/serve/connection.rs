//! One connection: HTTP/1.1 with deadlines, until it closes, upgrades or is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::load::Load;
use super::{Channel, LocalAddr, PeerAddr};

/// How long a request's head may take, and a connection may idle between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long sent bytes may stay unacknowledged, by a peer that is gone or does not read.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may take nothing of what waits for it. The kernel alone does not see to it: one
/// that answers its probes may keep it waiting for ever.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may be silent before the kernel asks whether its peer is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A socket that gives its slot back when it is dropped, be it upgraded or not.
#[derive(Debug)]
pub(super) struct Counted {
    stream: TcpStream,
    /// Ends when the peer has taken nothing for too long; there while something waits.
    stalled: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
}

pub(super) struct Connection {
    stream: Counted,
    peer: SocketAddr,
    router: Router,
    load: Load,
}

impl Connection {
    pub(super) fn new(stream: Counted, peer: SocketAddr, router: Router, load: Load) -> Self {
        Self { stream, peer, router, load }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let Ok(local) = self.stream.prepare() else { return };
        let (peer, router, load) = (PeerAddr(self.peer), self.router, self.load);
        let service = service_fn(move |request| {
            let (answer, load) =
                (answer(router.clone(), request, peer, LocalAddr(local)), load.clone());
            async move { answer.await.map(|response| load.carry(response)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(self.stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Half of these are clients that went away; none is the collector's business.
            tracing::debug!(peer = %self.peer, %error, "connection broke off");
        }
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    peer: PeerAddr,
    local: LocalAddr,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(local);
    request.extensions_mut().insert(Channel::Plain);
    router.oneshot(request).await
}

impl Counted {
    pub(super) fn new(stream: TcpStream, slot: OwnedSemaphorePermit) -> Self {
        Self { stream, stalled: None, _slot: slot }
    }

    /// Lets a write through that went on, and ends one that did not for too long.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_TIMEOUT)));
        ready!(stalled.as_mut().poll(cx));
        // A reset: what waits in the kernel would go on waiting there. If it cannot be asked for,
        // the socket is closed all the same.
        drop(self.stream.set_zero_linger());
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sets what a dead or stalled peer needs to be noticed; small frames leave at once.
    fn prepare(&self) -> io::Result<SocketAddr> {
        self.stream.set_nodelay(true)?;
        let socket = SockRef::from(&self.stream);
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        self.stream.local_addr()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
