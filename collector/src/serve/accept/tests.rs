//! Real sockets on loopback: bounds, deadlines and the end. The clock is paused where a deadline
//! is waited for: it jumps only once no socket has anything to say.

use axum::extract::Extension;
use axum::routing::{any, get};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::api::guard::Routes;
use crate::auth::{Action, AllowedHosts};
use crate::serve::{LocalAddr, PeerAddr};

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) slots: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

fn start(routes: Routes, n_slots: usize) -> Server {
    start_with(routes, n_slots, Walls::down(Arc::default()), |_| {})
}

pub(super) fn start_with(
    routes: Routes,
    n_slots: usize,
    walls: Arc<Walls>,
    prepare: impl FnOnce(&mut Listeners),
) -> Server {
    let mut listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    prepare(&mut listeners);
    let address = listeners.addresses().unwrap()[0];
    let (stop, slots) = (CancellationToken::new(), Arc::new(Semaphore::new(n_slots)));
    let app = Guarded::new(routes, AllowedHosts::default());
    let mut tasks = JoinSet::new();
    let load = Load::of(2 * BIG_BYTES - 1);
    let bounded = Bounded { walls, slots: Arc::clone(&slots), load };
    tasks.spawn(serve_within(listeners, app, bounded, stop.clone()));
    Server { address, stop, slots, tasks }
}

impl Server {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn ended(mut self) {
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

/// An answer that no socket's buffers hold.
const BIG_BYTES: usize = 32 * 1024 * 1024;

pub(super) const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(super) fn hello() -> Routes {
    Routes::new().on(Action::ReadFleet, "/x", get(|| async { "hello" }))
}

/// Reads until `end` has come, or the connection is closed.
pub(super) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(end.as_bytes()) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(n_bytes) => text.extend_from_slice(&buffer[..n_bytes]),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_request_knows_both_ends_of_its_connection() {
    let handler = |Extension(peer): Extension<PeerAddr>, Extension(local): Extension<LocalAddr>| async move {
        format!("{} to {}.", peer.0, local.0)
    };
    let server = start(Routes::new().on(Action::ReadFleet, "/x", get(handler)), 10);
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    let (peer, local) = (client.local_addr().unwrap(), server.address);
    let answer = read_until(&mut client, ".").await;
    assert!(answer.ends_with(&format!("{peer} to {local}.")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_a_head_or_says_nothing_is_cut_off() {
    let server = start(hello(), 10);
    let begun = Instant::now();
    let (mut dribbling, mut silent) = (server.connect().await, server.connect().await);
    dribbling.write_all(b"GET /x HTTP/1.1\r\nHost: loc").await.unwrap();
    read_until(&mut dribbling, "never").await;
    read_until(&mut silent, "never").await;
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(begun.elapsed() <= Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(server.slots.available_permits(), 10 - 1, "one is held for the next connection");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = start(hello(), 10);
    let mut client = server.connect().await;
    let long = format!("GET /x HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(64 * 1024));
    let _ = client.write_all(long.as_bytes()).await;
    let answer = read_until(&mut client, "never").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn at_the_bound_newcomers_wait_until_one_closes() {
    let server = start(hello(), 1);
    let mut first = server.connect().await;
    first.write_all(GET).await.unwrap();
    assert!(read_until(&mut first, "hello").await.starts_with("HTTP/1.1 200"));
    let mut second = server.connect().await;
    second.write_all(GET).await.unwrap();
    let waited = timeout(Duration::from_secs(1), read_until(&mut second, "hello")).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(first);
    assert!(read_until(&mut second, "hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_keeps_its_slot_until_it_is_dropped() {
    let ended = Arc::new(Notify::new());
    let (until, told) = (Arc::clone(&ended), Arc::new(Notify::new()));
    let upgraded = Arc::clone(&told);
    let handler = move |request: axum::extract::Request| async move {
        let mut task = JoinSet::new();
        task.spawn(async move {
            let socket = hyper::upgrade::on(request).await.map(TokioIo::new);
            upgraded.notify_one();
            until.notified().await;
            drop(socket);
        });
        task.detach_all();
        (axum::http::StatusCode::SWITCHING_PROTOCOLS, [("upgrade", "x"), ("connection", "upgrade")])
    };
    let routes = Routes::new().on(Action::Watch, "/up", any(handler)).merge(hello());
    let server = start(routes, 1);
    let mut first = server.connect().await;
    let up = b"GET /up HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    first.write_all(up).await.unwrap();
    assert!(read_until(&mut first, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    told.notified().await;
    let mut second = server.connect().await;
    second.write_all(GET).await.unwrap();
    let waited = timeout(Duration::from_secs(1), read_until(&mut second, "hello")).await;
    assert!(waited.is_err(), "{waited:?}");
    ended.notify_one();
    assert!(read_until(&mut second, "hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn after_the_stop_an_open_request_is_still_answered() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&asked), Arc::clone(&go));
    let handler = move || async move {
        told.notify_one();
        wait.notified().await;
        "late"
    };
    let server = start(Routes::new().on(Action::ReadFleet, "/x", get(handler)), 10);
    let (mut client, mut idle) = (server.connect().await, server.connect().await);
    client.write_all(GET).await.unwrap();
    asked.notified().await;
    server.stop.cancel();
    assert_eq!(read_until(&mut idle, "never").await, "");
    go.notify_one();
    assert!(read_until(&mut client, "late").await.ends_with("late"));
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn after_the_stop_nothing_is_waited_for_longer_than_the_grace() {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let handler = move || async move {
        told.notify_one();
        std::future::pending::<&str>().await
    };
    let server = start(Routes::new().on(Action::ReadFleet, "/x", get(handler)), 10);
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    asked.notified().await;
    let stopped = Instant::now();
    server.stop.cancel();
    server.ended().await;
    assert_eq!(stopped.elapsed().as_secs(), GRACE.as_secs());
    assert_eq!(read_until(&mut client, "never").await, "");
}

async fn a_bug() -> &'static str {
    panic!("a bug")
}

#[tokio::test]
async fn a_panic_in_one_connection_ends_that_one_only() {
    let routes = Routes::new().on(Action::ReadFleet, "/bug", get(a_bug));
    let server = start(routes.merge(hello()), 10);
    let mut unlucky = server.connect().await;
    unlucky.write_all(b"GET /bug HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut unlucky, "never").await, "");
    let mut other = server.connect().await;
    other.write_all(GET).await.unwrap();
    assert!(read_until(&mut other, "hello").await.ends_with("hello"));
}

fn big() -> Routes {
    Routes::new().on(Action::ReadFleet, "/big", get(|| async { "x".repeat(BIG_BYTES) }))
}

const GET_BIG: &[u8] = b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_of_an_answer_is_cut_off() {
    let server = start(big(), 10);
    let mut client = server.connect().await;
    let begun = Instant::now();
    client.write_all(GET_BIG).await.unwrap();
    let is_cut_off = async {
        // One slot is held for the next connection.
        while server.slots.available_permits() < 10 - 1 {
            sleep(Duration::from_secs(1)).await;
        }
    };
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.slots.available_permits(), 10 - 2);
    timeout(Duration::from_secs(30), is_cut_off).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn big_answers_have_a_bound_and_small_ones_never_wait() {
    let server = start(big().merge(hello()), 10);
    let mut slow = server.connect().await;
    slow.write_all(GET_BIG).await.unwrap();
    let head = read_until(&mut slow, "x").await;
    assert!(head.contains(&format!("content-length: {BIG_BYTES}\r\n")), "{head}");
    let mut second = server.connect().await;
    second.write_all(GET_BIG).await.unwrap();
    let refused = read_until(&mut second, "}").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5"), "{refused}");
    assert!(refused.contains("x-content-type-options"), "{refused}");
    second.write_all(GET).await.unwrap();
    assert!(read_until(&mut second, "hello").await.ends_with("hello"));
    drop(slow);
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        second.write_all(GET_BIG).await.unwrap();
        let mut start = [0; 12];
        second.read_exact(&mut start).await.unwrap();
        if start == *b"HTTP/1.1 200" {
            return;
        }
        read_until(&mut second, "}").await;
        assert!(Instant::now() < until, "the room is never free again");
    }
}
