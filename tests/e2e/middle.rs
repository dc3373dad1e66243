//! Somebody in the middle of the network, as programs: one who ends TLS with a key of their own, one
//! who changes or cuts what goes by, and one who says again what they heard. None of them learns a
//! byte that is secret, and none of them becomes a host.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdbook_tests::harness::{Demanding, eventually, throughout};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::door::Door;

mod trusting;

const PATIENCE: Duration = Duration::from_secs(60);

/// What one heard, whole or in pieces.
type Heard = Arc<Mutex<Vec<u8>>>;

fn heard(bytes: &Heard) -> Vec<u8> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Ends TLS with a key of its own, and relays to the collector over TLS.
struct Middle {
    door: Arc<Door>,
    /// What agents said within TLS.
    heard: Heard,
    /// How many connections came, and how many ended their handshake.
    n: Arc<Mutex<(usize, usize)>>,
    _relaying: JoinSet<()>,
}

impl Middle {
    async fn before(collector: SocketAddr) -> Self {
        let (door, heard) = (Arc::new(Door::open().await), Heard::default());
        let n = Arc::new(Mutex::new((0, 0)));
        let mut relaying = JoinSet::new();
        let (at_door, into, counted) = (Arc::clone(&door), Arc::clone(&heard), Arc::clone(&n));
        relaying.spawn(async move {
            let count = |n: (usize, usize)| {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                *counted = (counted.0 + n.0, counted.1 + n.1);
            };
            let mut open = JoinSet::new();
            loop {
                let stream = at_door.tcp().await;
                count((1, 0));
                let Some(near) = at_door.secure(stream).await else { continue };
                count((0, 1));
                let into = Arc::clone(&into);
                open.spawn(async move {
                    let far = TcpStream::connect(collector).await.expect("the collector");
                    let name = "localhost".try_into().expect("a name");
                    let tls = TlsConnector::from(trusting::config());
                    let far = tls.connect(name, far).await.expect("TLS with the collector");
                    relay(near, far, into, Harm::None).await;
                });
            }
        });
        Self { door, heard, n, _relaying: relaying }
    }

    fn n(&self) -> (usize, usize) {
        *self.n.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line as it reaches whoever pastes it, with the middle's address.
    fn led_astray(&self, line: &str, collector: &Demanding) -> String {
        line.replace(&collector.url(), &self.door.url())
    }
}

/// What is done to what the agent says.
#[derive(Clone, Copy, Debug)]
enum Harm {
    None,
    /// The byte there is another one.
    Flip(usize),
    /// The connection ends there.
    Cut(usize),
}

/// Relays until one side ends, and notes what the near side said.
async fn relay<N, F>(near: N, far: F, into: Heard, harm: Harm)
where
    N: AsyncRead + AsyncWrite,
    F: AsyncRead + AsyncWrite,
{
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (split(near), split(far));
    let there = async {
        let mut buffer = vec![0; 16 * 1024];
        let mut at = 0;
        while let Ok(n @ 1..) = from_near.read(&mut buffer).await {
            let piece = &mut buffer[..n];
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(piece);
            match harm {
                Harm::Flip(nth) if (at..at + n).contains(&nth) => piece[nth - at] ^= 1,
                Harm::Cut(nth) if nth < at + n => {
                    let _ = to_far.write_all(&piece[..nth - at]).await;
                    return;
                }
                _ => {}
            }
            at += n;
            if to_far.write_all(piece).await.is_err() {
                return;
            }
        }
    };
    let back = tokio::io::copy(&mut from_far, &mut to_near);
    tokio::select! {
        () = there => {}
        _ = back => {}
    }
    let _ = to_far.shutdown().await;
    let _ = to_near.shutdown().await;
}

/// A wire to the collector that somebody has cut open, for one connection.
async fn wire(collector: SocketAddr, harm: Harm) -> (SocketAddr, Heard, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, heard) = (listener.local_addr().expect("an address"), Heard::default());
    let into = Arc::clone(&heard);
    let mut relaying = JoinSet::new();
    relaying.spawn(async move {
        let (near, _) = listener.accept().await.expect("a connection");
        let far = TcpStream::connect(collector).await.expect("the collector");
        relay(near, far, into, harm).await;
    });
    (address, heard, relaying)
}

#[tokio::test]
async fn whoever_ends_tls_with_a_key_of_their_own_is_told_nothing() {
    let collector = Demanding::start().await;
    let middle = Middle::before(collector.address()).await;
    let line = collector.join_line().await;
    let host = collector.host("gpu-1");
    let said = host.join(&middle.led_astray(&line, &collector), &[]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("somebody stands in between: nothing was told"), "{}", said.err);
    assert_eq!((middle.n(), heard(&middle.heard).len()), ((1, 0), 0));

    // It has joined, and its road leads through the middle from then on.
    assert_eq!(host.join(&line, &[]).await.code, Some(0));
    let kept = host.state_dir().join("collector");
    let known = std::fs::read_to_string(&kept).expect("a collector");
    let other_way = known.replace(&collector.url(), &middle.door.url());
    assert_ne!(other_way, known);
    std::fs::write(&kept, other_way).expect("room");
    let agent = host.start(&[]);
    let tried = async || match middle.n() {
        (4.., _) => Ok(()),
        (n, _) => Err(format!("{n} connections; {}", agent.log_tail())),
    };
    eventually("it tries again and again", PATIENCE, tried).await;
    assert_eq!((middle.n().1, heard(&middle.heard).len()), (0, 0), "{}", agent.log());
    assert!(agent.log().contains("somebody stands in between"), "{}", agent.log());
}

#[tokio::test]
async fn a_proof_that_was_relayed_is_none_even_where_the_line_was_forged() {
    let collector = Demanding::start().await;
    let middle = Middle::before(collector.address()).await;
    // The line itself went through wrong hands, and has the middle's key: the agent talks.
    let line = middle.led_astray(&collector.join_line().await, &collector);
    let pin = line.split_whitespace().find(|word| word.starts_with("sha256:")).expect("a pin");
    let forged = line.replace(pin.trim_end_matches('\''), &middle.door.pin.to_string());
    let said = collector.host("gpu-1").join(&forged, &[]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("bad_proof"), "{}", said.err);
    // What was recorded above is what there would have been to hear.
    let heard = String::from_utf8_lossy(&heard(&middle.heard)).into_owned();
    assert_eq!(middle.n(), (1, 1));
    assert!(heard.starts_with("GET /api/v1/agent HTTP/1.1\r\n"), "{heard}");
    assert_eq!(collector.agents("approved").await.len(), 0);
    assert_eq!(collector.rest().hosts().await.len(), 0);
}

#[tokio::test]
async fn what_is_changed_or_cut_on_the_way_enrols_nobody_and_costs_no_token() {
    let collector = Demanding::start().await;
    let first = collector.join_line().await;
    let (address, heard_of_it, _wire) = wire(collector.address(), Harm::None).await;
    let through = |line: &str, address: SocketAddr| {
        line.replace(&collector.url(), &format!("https://{address}"))
    };
    let said = collector.host("gpu-1").join(&through(&first, address), &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    // The hello with its proof is over 300 bytes from the end, behind which is the goodbye.
    let n_bytes = heard(&heard_of_it).len() - 300;

    let line = collector.join_line().await;
    let host = collector.host("gpu-2");
    for nth in (0..n_bytes).step_by(n_bytes / 12) {
        for harm in [Harm::Flip(nth), Harm::Cut(nth)] {
            let (address, _, _wire) = wire(collector.address(), harm).await;
            let said = host.join(&through(&line, address), &[]).await;
            assert_eq!(said.code, Some(1), "{harm:?}: {}", said.out);
            assert!(!said.err.contains("hbj_"), "{}", said.err);
            assert_eq!(collector.agents("approved").await.len(), 1, "{harm:?}");
        }
    }
    assert_eq!(collector.rest().hosts().await.len(), 1);
    let (address, _, _wire) = wire(collector.address(), Harm::None).await;
    let said = host.join(&through(&line, address), &[]).await;
    assert_eq!(said.code, Some(0), "the token is as good as new: {}", said.err);
}

#[tokio::test]
async fn what_was_heard_once_is_refused_when_it_is_said_again() {
    let collector = Demanding::start().await;
    let (address, heard_of_it, _wire) = wire(collector.address(), Harm::None).await;
    let line = collector.told(&["token", "create", "--uses", "10"]).await;
    let line = line.replace(&collector.url(), &format!("https://{address}"));
    let host = collector.host("gpu-1");
    assert_eq!(host.join(&line, &[]).await.code, Some(0));
    let said = heard(&heard_of_it);
    let before = collector.one_agent("approved").await;
    let id = collector.rest().hosts().await[0]["id"].as_str().expect("an id").to_owned();
    let n_seen = collector.rest().host(&id).await["last_seen"].clone();

    for n_bytes in [said.len(), said.len() / 2] {
        let mut stream = TcpStream::connect(collector.address()).await.expect("the collector");
        // It may hang up in the middle of it.
        let _ = stream.write_all(&said[..n_bytes]).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it is left hanging");
    }
    let unchanged = async || {
        let (agent, host) =
            (collector.one_agent("approved").await, collector.rest().host(&id).await);
        if agent["last_seen_at"] == before["last_seen_at"] && host["last_seen"] == n_seen {
            return Ok(());
        }
        Err(format!("{agent} {host}"))
    };
    throughout("nobody came", Duration::from_secs(2), unchanged).await;
    assert_eq!(collector.rest().hosts().await.len(), 1);
    let tokens = collector.rest().get("/api/v1/join-tokens").await;
    assert_eq!(tokens["join_tokens"][0]["uses_left"], 9);
}
