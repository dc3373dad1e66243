//! A network that means harm: a forwarder between an agent and its collector that cuts, delays, doubles,
//! swaps and adds bytes, while it is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

/// What is read at once.
const CHUNK_BYTES: usize = 512;
/// Most bytes of a recording.
const RECORDED_BYTES: usize = 1 << 20;

/// What it does to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Cuts a connection after so many bytes in one direction.
    CutAfter(usize),
    /// Passes each chunk late.
    Delay(Duration),
    /// Passes the chunk after so many bytes twice.
    Double(usize),
    /// Passes the two chunks after so many bytes in the other order.
    Swap(usize),
    /// Adds bytes of its own after so many.
    Garbage(usize),
    /// Flips a bit after so many bytes.
    Flip(usize),
    /// Ends one direction after so many bytes, and leaves the other.
    HalfClose(usize),
    /// Passes nothing any more after so many bytes, and keeps the connection.
    Swallow(usize),
}

/// See the module's words.
#[derive(Debug)]
pub struct HostileNetwork {
    address: SocketAddr,
    state: Arc<State>,
    _connections: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    fault: Mutex<Fault>,
    /// Cancelled when all that is open has to be cut.
    cut: Mutex<CancellationToken>,
    /// What the agent said over the connection that is open now.
    recorded: Mutex<Vec<u8>>,
    n_connections: AtomicU64,
}

impl HostileNetwork {
    /// Forwards to `collector` from a port of loopback.
    ///
    /// # Panics
    ///
    /// Where it cannot listen.
    pub async fn to(collector: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            cut: Mutex::default(),
            recorded: Mutex::default(),
            n_connections: AtomicU64::new(0),
        });
        let (mut connections, own) = (JoinSet::new(), Arc::clone(&state));
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                open.spawn(forward(near, collector, Arc::clone(&own)));
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, state, _connections: connections }
    }

    /// Where agents dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on it does this; what is open is cut.
    pub fn become_so(&self, fault: Fault) {
        *locked(&self.state.fault) = fault;
        locked(&self.state.cut).cancel();
        *locked(&self.state.cut) = CancellationToken::new();
    }

    /// How many connections there were.
    #[must_use]
    pub fn n_connections(&self) -> u64 {
        self.state.n_connections.load(Ordering::Relaxed)
    }

    /// What the agent has said over its last connection, as it was on the wire.
    #[must_use]
    pub fn recorded(&self) -> Vec<u8> {
        locked(&self.state.recorded).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn forward(near: TcpStream, collector: SocketAddr, state: Arc<State>) {
    state.n_connections.fetch_add(1, Ordering::Relaxed);
    locked(&state.recorded).clear();
    let (fault, cut) = (*locked(&state.fault), locked(&state.cut).clone());
    let Ok(far) = TcpStream::connect(collector).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let record = |bytes: &[u8]| {
        let mut recorded = locked(&state.recorded);
        if recorded.len() + bytes.len() <= RECORDED_BYTES {
            recorded.extend_from_slice(bytes);
        }
    };
    tokio::select! {
        () = cut.cancelled() => {}
        // The one that is cut takes the other along; one that only ends does not.
        Err(_) = pass(near_read, far_write, fault, record) => {}
        Err(_) = pass(far_read, near_write, fault, |_| ()) => {}
        else => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: Fault,
    record: impl Fn(&[u8]),
) -> io::Result<()> {
    let (mut chunk, mut n_passed, mut is_done) = ([0; CHUNK_BYTES], 0, false);
    loop {
        let n_bytes = from.read(&mut chunk).await?;
        if n_bytes == 0 {
            return to.shutdown().await;
        }
        let bytes = &mut chunk[..n_bytes];
        record(bytes);
        let is_due = |after: usize| !is_done && n_passed + n_bytes > after;
        match fault {
            Fault::CutAfter(after) if is_due(after) => {
                to.write_all(&bytes[..after - n_passed.min(after)]).await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Fault::HalfClose(after) if is_due(after) => {
                to.shutdown().await?;
                return swallow(from).await;
            }
            Fault::Swallow(after) if is_due(after) => return swallow(from).await,
            Fault::Double(after) if is_due(after) => {
                is_done = true;
                to.write_all(bytes).await?;
            }
            Fault::Swap(after) if is_due(after) => {
                is_done = true;
                let mut second = [0; CHUNK_BYTES];
                let n_second = from.read(&mut second).await?;
                to.write_all(&second[..n_second]).await?;
            }
            Fault::Garbage(after) if is_due(after) => {
                is_done = true;
                to.write_all(&[0x5a; 300]).await?;
            }
            Fault::Flip(after) if is_due(after) => {
                is_done = true;
                bytes[n_bytes - 1] ^= 1;
            }
            Fault::Delay(by) => sleep(by).await,
            _ => {}
        }
        to.write_all(bytes).await?;
        n_passed += n_bytes;
    }
}

async fn swallow(mut from: OwnedReadHalf) -> io::Result<()> {
    let mut chunk = [0; CHUNK_BYTES];
    while from.read(&mut chunk).await? > 0 {}
    Ok(())
}
