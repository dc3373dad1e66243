//! Connections that begin and never get anywhere: each says a byte now and then, from one of many
//! addresses, and comes again some time after it was closed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

/// Between two bytes.
const BETWEEN: Duration = Duration::from_millis(700);
/// Before a socket that was closed comes again, at least, and at most twice that.
const AWAY: Duration = Duration::from_secs(4);

/// The head of a TLS record of 512 bytes with a hello that names itself longer than it gets: what
/// dribbles in its place is never enough.
const HELLO: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];
/// The head of a request that never ends.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ";

/// What came of it.
#[derive(Debug, Default)]
pub struct Dribbled {
    /// Connections that were made.
    pub made: AtomicU64,
    /// Those that are open as far as this end knows.
    pub open: AtomicU64,
    /// Bytes that were answered.
    pub answered: AtomicU64,
}

/// What a connection pretends to be.
#[derive(Clone, Copy, Debug)]
enum Pretence {
    /// TLS.
    Hello,
    /// HTTP.
    Request,
    /// Nothing: not a byte.
    Silence,
}

/// Sets so many connections upon `target`, from `from` in turns, until what is returned is dropped.
#[must_use]
pub fn dribble(
    target: SocketAddr,
    from: &[IpAddr],
    n_sockets: usize,
    dribbled: &Arc<Dribbled>,
) -> JoinSet<()> {
    let mut sockets = JoinSet::new();
    for (n, from) in (0..n_sockets).zip(from.iter().cycle()) {
        let pretence = match n % 8 {
            0 => Pretence::Silence,
            1 | 2 => Pretence::Request,
            _ => Pretence::Hello,
        };
        sockets.spawn(one(target, *from, pretence, Arc::clone(dribbled)));
    }
    sockets
}

async fn one(target: SocketAddr, from: IpAddr, pretence: Pretence, dribbled: Arc<Dribbled>) {
    loop {
        sleep(AWAY.mul_f64(fastrand::f64())).await;
        if let Ok(stream) = connect(target, from).await {
            dribbled.made.fetch_add(1, Ordering::Relaxed);
            dribbled.open.fetch_add(1, Ordering::Relaxed);
            let answered = hold(stream, pretence).await;
            dribbled.open.fetch_sub(1, Ordering::Relaxed);
            dribbled.answered.fetch_add(answered, Ordering::Relaxed);
        }
        sleep(AWAY).await;
    }
}

async fn connect(target: SocketAddr, from: IpAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(target).await
}

/// Dribbles until the other end has had enough. How many bytes it answered.
async fn hold(mut stream: TcpStream, pretence: Pretence) -> u64 {
    let mut begins: &[u8] = match pretence {
        Pretence::Hello => &HELLO,
        Pretence::Request => REQUEST,
        Pretence::Silence => &[],
    };
    let (mut answer, mut n_answered) = ([0; 512], 0);
    loop {
        match timeout(BETWEEN, stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return n_answered,
            Ok(Ok(n_bytes)) => n_answered += n_bytes as u64,
            Err(_) => {}
        }
        let byte = begins.split_off_first().copied().unwrap_or(b'x');
        let is_silent = matches!(pretence, Pretence::Silence);
        if !is_silent && stream.write_all(&[byte]).await.is_err() {
            return n_answered;
        }
    }
}
