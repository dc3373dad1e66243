//! Stands between an agent and its collector, and counts what the agent sends: frames, masks and
//! pings as they go over the line, without the headers of TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A relay, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    n_sent: Arc<AtomicU64>,
    /// Its one task; dropped, it ends with all connections.
    _accepting: JoinSet<()>,
}

impl Relay {
    /// A relay before this collector.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(collector: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let n_sent = Arc::new(AtomicU64::new(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, collector, Arc::clone(&n_sent)));
        Ok(Self { address, n_sent, _accepting: accepting })
    }

    /// Where agents dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that agents sent so far.
    #[must_use]
    pub fn n_sent(&self) -> u64 {
        self.n_sent.load(Relaxed)
    }
}

async fn accept(listener: TcpListener, collector: SocketAddr, n_sent: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((agent, _)) = listener.accept().await {
        let n_sent = Arc::clone(&n_sent);
        connections.spawn(async move { drop(relay(agent, collector, &n_sent).await) });
        while connections.try_join_next().is_some() {}
    }
}

/// Until either side closes.
async fn relay(
    mut agent: TcpStream,
    collector: SocketAddr,
    n_sent: &AtomicU64,
) -> std::io::Result<()> {
    let mut collector = TcpStream::connect(collector).await?;
    let (mut from_agent, mut to_agent) = agent.split();
    let (mut from_collector, mut to_collector) = collector.split();
    let up = async {
        let mut buffer = [0; 4096];
        loop {
            let n = from_agent.read(&mut buffer).await?;
            if n == 0 {
                return Ok(());
            }
            n_sent.fetch_add(n as u64, Relaxed);
            to_collector.write_all(&buffer[..n]).await?;
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = copy(&mut from_collector, &mut to_agent) => ended.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_one_way_and_carries_both() {
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::start(collector.local_addr().unwrap()).await.unwrap();
        let mut agent = TcpStream::connect(relay.address()).await.unwrap();
        let (mut behind, _) = collector.accept().await.unwrap();
        let mut read = [0; 5];
        agent.write_all(b"hello").await.unwrap();
        behind.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, relay.n_sent()), (b"hello", 5));
        behind.write_all(b"world").await.unwrap();
        agent.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, relay.n_sent()), (b"world", 5));
        drop(behind);
        assert_eq!(agent.read(&mut read).await.unwrap(), 0);
    }
}
