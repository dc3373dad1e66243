//! A connection's socket, over the network or of the control socket, with what it holds while it is
//! open: its slot and its place. It ends by itself once its peer takes nothing for too long, or has
//! to go.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::walls::Seat;
use crate::limits::{KEEPALIVE, STALLED_FOR, UNACKNOWLEDGED_FOR};

/// Both ends of a connection that has no addresses.
pub(super) const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Control(UnixStream),
}

/// A socket that gives its slot and its place back when it is dropped, be it upgraded or not.
#[derive(Debug)]
pub(super) struct Counted {
    stream: Stream,
    /// Ends when the peer has taken nothing for too long; there while something waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Ends when the peer has to go.
    leave: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    seat: Seat,
    _slot: OwnedSemaphorePermit,
}

impl Counted {
    pub(super) fn new(stream: Stream, seat: Seat, slot: OwnedSemaphorePermit) -> Self {
        let leave = seat.leave().map(|leave| Box::pin(leave.clone().cancelled_owned()));
        Self { stream, stalled: None, leave, seat, _slot: slot }
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether it came by the control socket.
    pub(super) fn is_control(&self) -> bool {
        matches!(self.stream, Stream::Control(_))
    }

    /// Sets what a dead or stalled peer needs to be noticed; small frames leave at once. Returns
    /// our end.
    pub(super) fn prepare(&self) -> io::Result<SocketAddr> {
        let Stream::Tcp(stream) = &self.stream else { return Ok(NOWHERE) };
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_FOR))?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        stream.local_addr()
    }

    /// The first byte of what the peer says, which stays to be read. Over the control socket
    /// nobody looks.
    pub(super) async fn first_byte(&self) -> io::Result<u8> {
        let Stream::Tcp(stream) = &self.stream else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut first = [0];
        let n_bytes = tokio::select! {
            n_bytes = stream.peek(&mut first) => n_bytes?,
            () = cancelled(self.seat.leave()) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        if n_bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(first[0]) }
    }

    /// Fails once the peer has to go.
    fn stay(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(leave) = &mut self.leave else { return Ok(()) };
        if leave.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        self.reset();
        Err(io::ErrorKind::ConnectionAborted.into())
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
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED_FOR)));
        ready!(stalled.as_mut().poll(cx));
        self.reset();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// A reset: what waits in the kernel would go on waiting there. If it cannot be asked for, the
    /// socket is closed all the same.
    fn reset(&self) {
        if let Stream::Tcp(stream) = &self.stream {
            drop(stream.set_zero_linger());
        }
    }
}

async fn cancelled(leave: Option<&CancellationToken>) {
    match leave {
        Some(leave) => leave.cancelled().await,
        None => std::future::pending().await,
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stay(cx)?;
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Control(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stay(cx)?;
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Control(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Control(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Control(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stay(cx)?;
        let written = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Control(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Control(stream) => stream.is_write_vectored(),
        }
    }
}
