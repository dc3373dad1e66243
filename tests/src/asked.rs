//! What a router's question costs over HTTP: the services of a model, asked at a steady rate of the
//! real collector, beside the least that it answers at the same rate.
//!
//! Requests leave when they are due, whether or not earlier ones were answered, and an answer's
//! time counts from then: a server that stalls cannot hide it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::harness::{Fleet, eventually};
use crate::swarm::SimulatedHost;
use crate::swarm::usage::{cpu_time, median};

/// Hosts of the fleet, an Ollama on each.
const N_HOSTS: u64 = 100;
/// Hosts that have the model that is asked for.
const HITS: u64 = 10;
/// Models of those hosts; the others have one less.
const N_MODELS: u32 = 5;
/// Connections that the requests go over.
const N_CONNECTIONS: u32 = 50;
/// How often to measure each; the median counts.
const WINDOWS: usize = 3;

/// How fast to ask.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second.
    pub per_second: u32,
    /// How long one window is.
    pub window: Duration,
}

/// What one path took.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was asked.
    pub what: &'static str,
    /// Bytes of one answer.
    pub bytes: usize,
    /// Answers a second.
    pub per_second: f64,
    /// Milliseconds, the half of them.
    pub p50_ms: f64,
    /// Milliseconds, 99 of 100.
    pub p99_ms: f64,
    /// Milliseconds, 999 of 1,000.
    pub p999_ms: f64,
    /// CPU time of the collector for one of them, microseconds.
    pub cpu_us: f64,
}

/// Measures the question, the same in short, and the raw limit.
///
/// # Errors
///
/// Where a connection breaks.
pub async fn measure(pace: Pace) -> std::io::Result<Vec<Answered>> {
    let mut fleet = Fleet::start().await;
    for seed in 0..N_HOSTS {
        let n_models = if seed < HITS { N_MODELS } else { N_MODELS - 1 };
        fleet.simulate(SimulatedHost::from_seed(seed).having(2, n_models)).await;
    }
    let last = SimulatedHost::from_seed(0).having(2, N_MODELS).inventory();
    let model = last.services[0].models.last().expect("a model").name.replace(':', "%3A");
    let full = format!("/api/v1/services?model={model}");
    let rest = fleet.rest();
    let all = async || match rest.get(&full).await["services"].as_array().map(Vec::len) {
        Some(hits) if hits as u64 == HITS => Ok(()),
        other => Err(format!("{other:?} hits")),
    };
    eventually("all hits", Duration::from_secs(60), all).await;
    let (pid, address) = (fleet.collector().pid(), fleet.address());
    let mut answered = Vec::new();
    for (what, path) in [
        ("services of a model, 10 hits of 5 models each", full.clone()),
        ("the same, view=summary", format!("{full}&view=summary")),
        ("raw limit: /healthz of the same server", "/healthz".to_owned()),
    ] {
        answered.push(path_at(address, pid, what, &path, pace).await?);
    }
    Ok(answered)
}

/// The figures as a table for docs/benchmarks.md.
#[must_use]
pub fn table(answered: &[Answered]) -> String {
    let mut text = "\
| over HTTP, medians of 3 windows | answers/s | bytes | p50 | p99 (< 1 ms) | p99.9 | CPU an answer |
|---|---|---|---|---|---|---|
"
    .to_owned();
    for Answered { what, bytes, per_second, p50_ms, p99_ms, p999_ms, cpu_us } in answered {
        let _ = writeln!(
            text,
            "| {what} | {per_second:.0} | {bytes} | {p50_ms:.2} ms | {p99_ms:.2} ms | \
             {p999_ms:.2} ms | {cpu_us:.0} µs |"
        );
    }
    text
}

async fn path_at(
    address: SocketAddr,
    pid: u32,
    what: &'static str,
    path: &str,
    pace: Pace,
) -> std::io::Result<Answered> {
    let mut bytes = 0;
    let (mut per_second, mut cpu_us) = (Vec::new(), Vec::new());
    let mut quantiles = [const { Vec::new() }; 3];
    for _ in 0..WINDOWS {
        let (begun, before) = (Instant::now(), cpu_time(pid)?);
        let (mut took, n_bytes) = window(address, path, pace).await?;
        let (elapsed, used) = (begun.elapsed(), cpu_time(pid)?.saturating_sub(before));
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let all = [0.5, 0.99, 0.999].map(at);
        quantiles.iter_mut().zip(all).for_each(|(figures, figure)| figures.push(figure));
        per_second.push(took.len() as f64 / elapsed.as_secs_f64());
        cpu_us.push(used.as_secs_f64() * 1e6 / took.len() as f64);
        bytes = n_bytes;
    }
    let [p50_ms, p99_ms, p999_ms] = quantiles.map(median);
    let (per_second, cpu_us) = (median(per_second), median(cpu_us));
    Ok(Answered { what, bytes, per_second, p50_ms, p99_ms, p999_ms, cpu_us })
}

/// How long each answer took, and how many bytes the last one had.
async fn window(
    address: SocketAddr,
    path: &str,
    pace: Pace,
) -> std::io::Result<(Vec<Duration>, usize)> {
    let every = Duration::from_secs(1) * N_CONNECTIONS / pace.per_second;
    let n_requests = pace.window.as_secs_f64() / every.as_secs_f64();
    let start = Instant::now() + Duration::from_millis(50);
    let mut connections = JoinSet::new();
    for n in 0..N_CONNECTIONS {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
        let first = start + every * n / N_CONNECTIONS;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connections.spawn(ask(stream, request, first, every, n_requests as u32));
    }
    let (mut all, mut bytes) = (Vec::new(), 0);
    while let Some(ended) = connections.join_next().await {
        let (took, n_bytes) = ended.expect("a connection that does not panic")?;
        all.extend(took);
        bytes = n_bytes;
    }
    Ok((all, bytes))
}

async fn ask(
    mut stream: TcpStream,
    request: Vec<u8>,
    first: Instant,
    every: Duration,
    n_requests: u32,
) -> std::io::Result<(Vec<Duration>, usize)> {
    let (mut took, mut buffer) = (Vec::new(), Vec::with_capacity(256 * 1024));
    for n in 0..n_requests {
        let mut due = first + every * n;
        if Instant::now() < due {
            sleep_until(due).await;
            // The timer wakes on whole milliseconds, which is no fault of the server.
            due = Instant::now();
        }
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut buffer).await?;
        took.push(due.elapsed());
    }
    Ok((took, buffer.len()))
}

/// Reads one answer, which tells its length.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    buffer.clear();
    let mut length = None;
    while length.is_none_or(|length| buffer.len() < length) {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length = length.or_else(|| answer_length(buffer));
    }
    let is_good = buffer.starts_with(b"HTTP/1.1 200");
    if is_good { Ok(()) } else { Err(std::io::Error::other("an answer that is not 200")) }
}

fn answer_length(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let field = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(end + field.parse::<usize>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_the_length_that_it_tells() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(answer_length(&head[..20]), None);
        assert_eq!(answer_length(head), Some(head.len() + 5));
    }
}
