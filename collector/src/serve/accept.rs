//! The accept loops: one a port, sharing one bound on connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bind::Door;
use super::connection::{Connection, Shared};
use super::load::Load;
use super::socket::{Counted, Stream};
use super::{Listeners, Rarely, Walls};
use crate::api::guard::Guarded;
use crate::limits::{CONNECTIONS, CONTROL_CONNECTIONS, LOAD_BYTES};

/// How long open requests may go on after the stop.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after a failed accept: descriptors come back when others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Repeated complaints of the accept loop.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Answers requests on `listeners` until `stop`, then lets open ones finish within 5 s. Whom
/// nobody vouches for is held back by `walls`.
///
/// What a handler does after an upgrade is the handler's: it must end by `stop` itself.
pub async fn serve(listeners: Listeners, app: Guarded, walls: Arc<Walls>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    serve_within(listeners, app, Bounded { walls, slots, load: Load::of(LOAD_BYTES) }, stop).await;
}

/// What is shared by all ports.
#[derive(Clone)]
struct Bounded {
    walls: Arc<Walls>,
    /// At their end nothing more is accepted: newcomers wait in the backlog until one closes.
    slots: Arc<Semaphore>,
    load: Load,
}

async fn serve_within(
    listeners: Listeners,
    app: Guarded,
    bounded: Bounded,
    stop: CancellationToken,
) {
    let mut loops = JoinSet::new();
    for (door, tls) in listeners.into_doors() {
        let (Bounded { walls, slots, load }, router) = (bounded.clone(), app.router());
        // Its owner gets in however many others are there.
        let slots = match door {
            Door::Control(_) => Arc::new(Semaphore::new(CONTROL_CONNECTIONS)),
            Door::Port(_) => slots,
        };
        let port = Port {
            door,
            shared: Shared { router, load, tls },
            walls,
            slots,
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
    door: Door,
    shared: Shared,
    walls: Arc<Walls>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    complaints: Rarely,
}

/// A connection that has a slot, and no place yet.
type Accepted = (Stream, SocketAddr, OwnedSemaphorePermit);

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
        drop(self.door);
        finish(connections).await;
    }

    /// Takes a slot first, so that at the bound the kernel's backlog holds newcomers back.
    async fn accept(&self) -> io::Result<Accepted> {
        let slot = self.slot().await?;
        let (stream, peer) = self.door.accept().await?;
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

    async fn start(&self, accepted: io::Result<Accepted>, connections: &mut JoinSet<()>) {
        let (stream, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return self.rest(&error).await,
        };
        let seat = match &stream {
            Stream::Tcp(stream) => match self.walls.admit(peer.ip()) {
                Some(seat) => seat,
                None => return close(stream),
            },
            Stream::Control(_) => self.walls.admit_owner(),
        };
        let connection =
            Connection::new(Counted::new(stream, seat, slot), peer, self.shared.clone());
        connections.spawn(connection.run(self.stop.clone()));
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

/// Without a word and at once: nothing of it stays, not even in the kernel.
fn close(stream: &TcpStream) {
    drop(stream.set_zero_linger());
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
mod secure_tests;
#[cfg(test)]
mod tests;
