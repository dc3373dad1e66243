//! Changes through the ledger to two hundred followers of the live feed, beside as many bytes
//! that are written to as many sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::beats::register;
use super::storm::{Client, request};
use super::{Rate, rate};
use crate::harness::Fleet;

const N_FOLLOWERS: usize = 200;
/// Changes that every follower has to get.
const N_CHANGES: usize = 2_000;
/// Who makes them at once.
const N_WRITERS: usize = 16;
/// Whoever has not got them by then never does.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn measure() -> io::Result<Vec<Rate>> {
    let fleet = Fleet::start().await;
    let address = fleet.address();
    let ids = register(address, N_WRITERS).await?;
    let mut followers = follow(address).await?;
    let begun = Instant::now();
    let mut writers: JoinSet<io::Result<()>> = JoinSet::new();
    for id in ids {
        let mut client = Client::connect(address).await?;
        writers.spawn(async move {
            for n in 0..N_CHANGES / N_WRITERS {
                let role = if n % 2 == 0 { "staging" } else { "canary" };
                let path = format!("/api/v1/services/{id}/promote");
                client.send(&request("POST", &path, &format!("{{\"role\":\"{role}\"}}"))).await?;
                client.answer().await?;
            }
            Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let written = begun.elapsed().as_secs_f64();
    let mut n_bytes = 0;
    let all = async {
        while let Some(followed) = followers.join_next().await {
            n_bytes = followed??;
        }
        Ok::<_, io::Error>(())
    };
    timeout(PATIENCE, all).await.map_err(io::Error::other)??;
    let took = begun.elapsed().as_secs_f64();
    let raw = raw(n_bytes / N_CHANGES).await?;
    let changes = N_CHANGES as f64;
    Ok(vec![
        rate(
            format!("changes to {N_FOLLOWERS} followers, all delivered"),
            changes / took,
            "/s",
            None,
        ),
        rate("… deliveries", changes * N_FOLLOWERS as f64 / took, "/s", None),
        rate("… changes made and kept meanwhile", changes / written, "/s", None),
        rate("raw limit: as many bytes to as many sockets, deliveries", raw, "/s", None),
    ])
}

/// Follows the live feed many times, each until it has all changes. They tell how many bytes those
/// were.
async fn follow(address: SocketAddr) -> io::Result<JoinSet<io::Result<usize>>> {
    let mut followers: JoinSet<io::Result<usize>> = JoinSet::new();
    for _ in 0..N_FOLLOWERS {
        let url = format!("ws://{address}/api/v1/live");
        let dialled = tokio_tungstenite::connect_async(url).await;
        let (mut socket, _) = dialled.map_err(io::Error::other)?;
        // The snapshot: from here on it follows.
        socket.next().await;
        followers.spawn(async move {
            let (mut n_changes, mut n_bytes) = (0, 0);
            while n_changes < N_CHANGES {
                let message = socket.next().await.ok_or(io::ErrorKind::UnexpectedEof)?;
                if let Message::Text(text) = message.map_err(io::Error::other)?
                    && text.contains("\"type\":\"change\"")
                {
                    n_changes += 1;
                    n_bytes += text.len();
                }
            }
            Ok(n_bytes)
        });
    }
    Ok(followers)
}

/// Deliveries a second of plain writes, all in this process.
async fn raw(bytes_a_change: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut readers: JoinSet<io::Result<()>> = JoinSet::new();
    let mut sockets = Vec::new();
    for _ in 0..N_FOLLOWERS {
        let mut stream = TcpStream::connect(address).await?;
        sockets.push(listener.accept().await?.0);
        readers.spawn(async move {
            let (mut left, mut buffer) = (bytes_a_change * N_CHANGES, vec![0; 16 * 1024]);
            while left > 0 {
                left = left.saturating_sub(stream.read(&mut buffer).await?);
            }
            Ok(())
        });
    }
    let change = Value::String("x".repeat(bytes_a_change)).to_string().into_bytes();
    let begun = Instant::now();
    for _ in 0..N_CHANGES {
        for socket in &mut sockets {
            socket.write_all(&change[..bytes_a_change]).await?;
        }
    }
    while let Some(read) = readers.join_next().await {
        read??;
    }
    Ok((N_CHANGES * N_FOLLOWERS) as f64 / begun.elapsed().as_secs_f64())
}
