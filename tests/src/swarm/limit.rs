//! The raw limit beside which the collector's figures stand: the least that a program could do
//! that takes as much on the same machine in the same minute. It measures the machine, not
//! Herdbook.

use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A collector's raw limit: takes connections, reads what comes and throws it away.
///
/// # Errors
///
/// Where it cannot listen.
pub async fn sink(ready: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready(listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        connections.spawn(async move {
            let mut buffer = [0; 2048];
            while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Raises how many files this process may hold open as far as it may.
///
/// # Errors
///
/// Where the system refuses.
pub fn raise_open_files() -> std::io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
