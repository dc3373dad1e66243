//! What the machine can do at most of each part of an enrolment: a TLS handshake with the same
//! certificate by a server that then closes, bytes that are on the disk, and a signature.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use herdbook_agent::enrol::{JoinLine, Target};
use herdbook_agent::key::Key;
use herdbook_agent::link::tls;
use herdbook_collector::config::{self, Command};
use herdbook_collector::tls::Keys;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Octets;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::swarm::usage::cpu_time;

/// How long each is measured.
const WINDOW: Duration = Duration::from_secs(3);
/// About as many bytes as an enrolment adds to the write-ahead log.
const BLOCK: [u8; 16 * 1024] = [0x5a; 16 * 1024];
/// About as many as an agent signs.
const SIGNED: [u8; 192] = [0x5a; 192];

/// What a server of bare handshakes did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handshakes {
    pub(super) per_second: f64,
    /// CPU of the server for one, microseconds.
    pub(super) cpu_us: f64,
}

/// Shakes hands over TLS as the collector of this data directory, and closes.
///
/// # Errors
///
/// Where there is no key, or it cannot listen.
pub async fn shake(data_dir: &Path, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let arguments = ["herdbook-collector".into(), "--data-dir".into(), data_dir.into()];
    let config = match config::load(arguments, &|_| None).map_err(io::Error::other)? {
        Command::Run(config) => config,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let keys = Arc::new(Keys::open(&config).map_err(io::Error::other)?);
    let acceptor = TlsAcceptor::from(keys.server_config().map_err(io::Error::other)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready(listener.local_addr()?);
    let mut shaking = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        shaking.spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.shutdown().await;
            }
        });
        while shaking.try_join_next().is_some() {}
    }
}

/// Shakes hands with that server from so many sides at once.
pub(super) async fn handshakes(
    address: SocketAddr,
    pid: u32,
    line: &JoinLine,
    n_in_flight: usize,
) -> io::Result<Handshakes> {
    let (n, target) = (Arc::new(AtomicU64::new(0)), Arc::new(line.target()));
    let mut asking = JoinSet::new();
    for _ in 0..n_in_flight {
        asking.spawn(shake_on(address, Arc::clone(&target), Arc::clone(&n)));
    }
    sleep(WINDOW / 4).await;
    let (begun, n_before, used) = (Instant::now(), n.load(Relaxed), cpu_time(pid)?);
    tokio::select! {
        () = sleep(WINDOW) => (),
        Some(broke) = asking.join_next() => return Err(io::Error::other(format!("{broke:?}"))),
    }
    let n = (n.load(Relaxed) - n_before) as f64;
    let used = cpu_time(pid)?.saturating_sub(used).as_secs_f64();
    Ok(Handshakes { per_second: n / begun.elapsed().as_secs_f64(), cpu_us: 1e6 * used / n })
}

async fn shake_on(address: SocketAddr, target: Arc<Target>, n: Arc<AtomicU64>) -> io::Result<()> {
    loop {
        let stream = TcpStream::connect(address).await?;
        let shaken = tls::connect(stream, target.url.host(), &target.trust).await;
        let (mut stream, _) = shaken.map_err(io::Error::other)?;
        // The server has the last word of the handshake, and then no more.
        let _ = stream.read_u8().await;
        n.fetch_add(1, Relaxed);
    }
}

/// Blocks a second that are on the disk before the next one.
pub(super) fn syncs(dir: &Path) -> io::Result<f64> {
    let mut file = std::fs::File::create(dir.join("syncs"))?;
    let (begun, mut n) = (Instant::now(), 0_u32);
    while begun.elapsed() < WINDOW {
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        n += 1;
    }
    Ok(f64::from(n) / begun.elapsed().as_secs_f64())
}

/// Signatures that one core verifies a second.
pub(super) fn verifications() -> io::Result<f64> {
    let key = Key::from_seed(&Octets([7; 32]), Timestamp::now());
    let key = key.ok_or_else(|| io::Error::other("there is no key of this seed"))?;
    let (public, signature) = (key.public_key(), key.sign(&SIGNED));
    let (begun, mut n) = (Instant::now(), 0_u32);
    while begun.elapsed() < WINDOW / 3 {
        let public = UnparsedPublicKey::new(&ED25519, public.0);
        black_box(public.verify(black_box(&SIGNED), &signature.0)).map_err(io::Error::other)?;
        n += 1;
    }
    Ok(f64::from(n) / begun.elapsed().as_secs_f64())
}
