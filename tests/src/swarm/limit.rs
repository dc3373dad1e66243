//! The raw limits beside which the figures stand: the least that a program of either kind could
//! do on the same machine in the same minute. They measure the machine, not Herdbook.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::interval;

/// The files of one sample of an agent.
const FILES: [&str; 6] = [
    "/proc/stat",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/net/dev",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
];

/// A collector's raw limit: takes connections, reads what comes and throws it away.
///
/// # Errors
///
/// Where it cannot listen.
pub async fn sink(mut ready: impl FnMut(SocketAddr)) -> std::io::Result<()> {
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

/// An agent's raw limit: reads the files of a sample once a second, parses nothing, and sends a
/// sample's worth of bytes.
///
/// # Errors
///
/// Where the sink is gone.
pub async fn source(sink: SocketAddr) -> std::io::Result<()> {
    let stream = TcpStream::connect(sink).await?.into_std()?;
    let mut files: Vec<File> = FILES.iter().filter_map(|path| File::open(path).ok()).collect();
    let mut buffer = [0; 4096];
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        for file in &mut files {
            file.seek(SeekFrom::Start(0))?;
            let _ = file.read(&mut buffer)?;
        }
        (&stream).write_all(&buffer[..512])?;
    }
}
