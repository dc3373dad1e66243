//! One connection: HTTP/1.1 with deadlines, until it closes, upgrades or is told to stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::load::Load;
use super::opening::{Opened, open};
use super::socket::Counted;
use super::{Channel, LocalAddr, PeerAddr, Standing};
use crate::limits::{HEAD_BYTES, HEAD_WITHIN};

/// What all connections of a port share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) load: Load,
    /// Where the port speaks TLS.
    pub(super) tls: Option<TlsAcceptor>,
}

pub(super) struct Connection {
    stream: Counted,
    peer: SocketAddr,
    shared: Shared,
}

/// What every request of a connection carries.
#[derive(Clone)]
struct Carried {
    peer: PeerAddr,
    local: LocalAddr,
    channel: Channel,
    standing: Standing,
}

impl Connection {
    pub(super) fn new(stream: Counted, peer: SocketAddr, shared: Shared) -> Self {
        Self { stream, peer, shared }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let Ok(local) = self.stream.prepare() else { return };
        let (Shared { router, load, tls }, standing) = (self.shared, self.stream.seat().standing());
        let opened = stop.run_until_cancelled(open(self.stream, tls.as_ref())).await;
        let Some(Some(opened)) = opened else { return };
        let (peer, local) = (PeerAddr(self.peer), LocalAddr(local));
        let carried = |channel| Carried { peer, local, channel, standing };
        match opened {
            Opened::Bare(stream, channel) => {
                serve(stream, carried(channel), router, load, stop).await;
            }
            Opened::Tls(stream, channel) => {
                serve(stream, carried(channel), router, load, stop).await;
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    carried: Carried,
    router: Router,
    load: Load,
    stop: CancellationToken,
) {
    let peer = carried.peer.0;
    let service = service_fn(move |request| {
        let (answer, load) = (answer(router.clone(), request, carried.clone()), load.clone());
        async move { answer.await.map(|response| load.carry(response)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
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
        tracing::debug!(%peer, %error, "connection broke off");
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    carried: Carried,
) -> Result<Response, Infallible> {
    let extensions = request.extensions_mut();
    extensions.insert(carried.peer);
    extensions.insert(carried.local);
    extensions.insert(carried.channel);
    extensions.insert(carried.standing);
    router.oneshot(request).await
}
