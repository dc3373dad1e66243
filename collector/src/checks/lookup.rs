//! Turns names into addresses, as the machine does. It may take its time over one, half a minute
//! where no name server answers, and cannot be stopped: so each look-up has a thread of its own,
//! of which there are few, and none of those that write answers and read the disk.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

/// Most look-ups under way; more wait for their turn within the deadlines of their checks.
const LOOKUPS_MAX: usize = 32;

/// Turns a name into addresses; tests have their own.
pub(crate) type Resolve =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// What the machine says.
pub(crate) fn by_system() -> Resolve {
    let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Arc::new(move |name, port| Box::pin(look_up(Arc::clone(&turns), name, port)))
}

async fn look_up(turns: Arc<Semaphore>, name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
    let (done, found) = oneshot::channel();
    let thread = std::thread::Builder::new().name("lookup".to_owned());
    thread.spawn(move || {
        let addresses = (name.as_str(), port).to_socket_addrs();
        // Who asked may have given up.
        let _ = done.send(addresses.map(Iterator::collect));
        drop(turn);
    })?;
    found.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_knows_itself_and_not_what_is_no_name() {
        let resolve = by_system();
        let found = resolve("localhost".to_owned(), 7).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        assert!(resolve("no name".to_owned(), 7).await.is_err());
    }

    #[tokio::test]
    async fn a_turn_is_given_back_once_the_look_up_is_over_and_not_before() {
        let turns = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&turns).acquire_owned().await.unwrap();
        let waiting = look_up(Arc::clone(&turns), "localhost".to_owned(), 1);
        let mut waiting = std::pin::pin!(waiting);
        let is_waiting = futures_util::poll!(&mut waiting).is_pending();
        assert!(is_waiting && turns.available_permits() == 0);
        drop(held);
        waiting.await.unwrap();
        let again = look_up(Arc::clone(&turns), "localhost".to_owned(), 1).await;
        assert!(again.is_ok());
    }
}
