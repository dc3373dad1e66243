//! The accept loops: one a port, sharing one bound on connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Counted};
use super::load::Load;
use super::{Listeners, Rarely};
use crate::api::guard::Guarded;

/// Most connections at once, upgraded ones included. At the bound nothing more is accepted:
/// newcomers wait in the backlog until one closes.
const CONNECTIONS: usize = 20_000;
/// Bytes of big answers that may wait for their readers at once.
const LOAD_BYTES: usize = 256 * 1024 * 1024;
/// How long open requests may go on after the stop.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after a failed accept: descriptors come back when others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Repeated complaints of the accept loop.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Answers requests on `listeners` until `stop`, then lets open ones finish within 5 s.
///
/// What a handler does after an upgrade is the handler's: it must end by `stop` itself.
pub async fn serve(listeners: Listeners, app: Guarded, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    serve_within(listeners, app, stop, slots, Load::of(LOAD_BYTES)).await;
}

async fn serve_within(
    listeners: Listeners,
    app: Guarded,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
    load: Load,
) {
    let mut loops = JoinSet::new();
    for listener in listeners.0 {
        let port = Port {
            listener,
            router: app.router(),
            slots: Arc::clone(&slots),
            load: load.clone(),
            stop: stop.clone(),
            complaints: Rarely::every(LOG_EVERY),
        };
        loops.spawn(port.run());
    }
    while let Some(ended) = loops.join_next().await {
        resurface(ended);
    }
}

/// A bug in one connection must be seen, and must not end the others.
fn resurface(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

struct Port {
    listener: TcpListener,
    router: Router,
    slots: Arc<Semaphore>,
    load: Load,
    stop: CancellationToken,
    complaints: Rarely,
}

impl Port {
    async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = connections.join_next() => resurface(ended),
                accepted = self.accept() => self.start(accepted, &mut connections).await,
            }
        }
        drop(self.listener);
        finish(connections).await;
    }

    /// Takes a slot first, so that at the bound the kernel's backlog holds newcomers back.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let slot = self.slot().await?;
        let (stream, peer) = self.listener.accept().await?;
        Ok((stream, peer, slot))
    }

    async fn slot(&self) -> io::Result<OwnedSemaphorePermit> {
        if self.slots.available_permits() == 0
            && let Some(unlogged) = self.complaints.allow()
        {
            tracing::warn!(limit = CONNECTIONS, unlogged, "no more connections are accepted");
        }
        Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)
    }

    async fn start(
        &self,
        accepted: io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)>,
        connections: &mut JoinSet<()>,
    ) {
        match accepted {
            Ok((stream, peer, slot)) => {
                let stream = Counted::new(stream, slot);
                let (router, load) = (self.router.clone(), self.load.clone());
                let connection = Connection::new(stream, peer, router, load);
                connections.spawn(connection.run(self.stop.clone()));
            }
            Err(error) => self.rest(&error).await,
        }
    }

    /// Out of descriptors or memory: trying again at once would only spin.
    async fn rest(&self, error: &io::Error) {
        if let Some(unlogged) = self.complaints.allow() {
            tracing::warn!(%error, unlogged, "failed to accept a connection");
        }
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(ACCEPT_PAUSE) => {}
        }
    }
}

async fn finish(mut connections: JoinSet<()>) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            resurface(ended);
        }
    };
    if timeout(GRACE, all).await.is_err() {
        tracing::warn!(n_open = connections.len(), "closing connections that did not end in time");
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
