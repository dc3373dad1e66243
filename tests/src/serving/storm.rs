//! Connections that ask again as soon as they are answered. They speak just enough HTTP to find
//! the end of an answer, so that the load costs little beside what it measures.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::swarm::usage::{cpu_time, median};

/// How often each is measured; the median counts.
const WINDOWS: usize = 3;

/// What a storm did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Answers a second.
    pub(super) per_second: f64,
    /// Answers a second that the server could give with one whole core.
    pub(super) per_core_second: f64,
    /// What one of them cost whoever asked, microseconds of CPU.
    pub(super) load_us: f64,
}

/// One connection that is kept.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// The body of the next answer, which has to be a 2xx.
    pub(super) async fn answer(&mut self) -> io::Result<&[u8]> {
        self.buffer.clear();
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.read().await?;
        };
        let end = head_end + n_bytes_of_body(&self.buffer[..head_end]);
        while self.buffer.len() < end {
            self.read().await?;
        }
        let (head, body) = (&self.buffer[..head_end], &self.buffer[head_end..end]);
        if head.starts_with(b"HTTP/1.1 2") {
            return Ok(body);
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let first_line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(io::Error::other(format!("{}: {}", text(first_line), text(body))))
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// What the head of an answer says of its body; 0 where it says nothing.
fn n_bytes_of_body(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let is_name =
        |line: &&[u8]| line.get(..NAME.len()).is_some_and(|n| n.eq_ignore_ascii_case(NAME));
    let length = lines.find(is_name).and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok());
    length.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A request with a JSON body.
pub(super) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let n_bytes = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {n_bytes}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Has `n_connections` ask again and again for as long as the windows take. `next` makes the
/// request of a connection, by its number and how many it made before.
pub(super) async fn storm(
    address: SocketAddr,
    pid: u32,
    n_connections: usize,
    window: Duration,
    next: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> io::Result<Outcome> {
    let n_answers = Arc::new(AtomicU64::new(0));
    let mut asking: JoinSet<io::Result<()>> = JoinSet::new();
    for connection in 0..n_connections {
        let (next, n_answers) = (next.clone(), Arc::clone(&n_answers));
        let mut client = Client::connect(address).await?;
        asking.spawn(async move {
            for n in 0.. {
                client.send(&next(connection, n)).await?;
                client.answer().await?;
                n_answers.fetch_add(1, Relaxed);
            }
            Ok(())
        });
    }
    sleep(window / 4).await;
    let (own_pid, mut load_us) = (std::process::id(), Vec::new());
    let (mut per_second, mut per_core_second) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        let (begun, before) = (Instant::now(), n_answers.load(Relaxed));
        let (used, own_used) = (cpu_time(pid)?, cpu_time(own_pid)?);
        tokio::select! {
            () = sleep(window) => (),
            Some(broke) = asking.join_next() => broke??,
        }
        let n = (n_answers.load(Relaxed) - before) as f64;
        per_second.push(n / begun.elapsed().as_secs_f64());
        per_core_second.push(n / cpu_time(pid)?.saturating_sub(used).as_secs_f64());
        load_us.push(1e6 * cpu_time(own_pid)?.saturating_sub(own_used).as_secs_f64() / n);
    }
    let (per_second, per_core_second) = (median(per_second), median(per_core_second));
    Ok(Outcome { per_second, per_core_second, load_us: median(load_us) })
}
