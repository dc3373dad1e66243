//! A collector with real TLS that behaves until an agent has joined it, and then as a [`Manner`] says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::wire::codec::{decode_agent, encode};
use herdbook_shared::wire::enrol::{Challenge, Octets};
use herdbook_shared::wire::{AgentMessage, CollectorMessage, SUBPROTOCOL};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs as provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::manner::Manner;

/// Any token: nothing looks at it.
const TOKEN: &str = "hbj_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

type Socket = WebSocketStream<TlsStream<TcpStream>>;
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// See the module's words.
#[derive(Debug)]
pub struct HostileCollector {
    address: SocketAddr,
    pin: Fingerprint,
    /// Connections, the first of which joined.
    n_dials: Arc<AtomicU64>,
    _connections: JoinSet<()>,
}

impl HostileCollector {
    /// Listens on a port of loopback, behaves for one connection, and then so.
    ///
    /// # Panics
    ///
    /// Where it cannot listen.
    pub async fn start(manner: Manner) -> Self {
        let key = KeyPair::generate().expect("a key");
        let (acceptor, n_dials) = (acceptor(&key), Arc::new(AtomicU64::new(0)));
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, &key.subject_public_key_info()).as_ref());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (mut connections, counted) = (JoinSet::new(), Arc::clone(&n_dials));
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
                let manner = if is_first { Manner::Good } else { manner };
                open.spawn(serve(stream, acceptor.clone(), manner));
                while open.try_join_next().is_some() {}
            }
        });
        let pin = Fingerprint::of_digest(pin);
        Self { address, pin, n_dials, _connections: connections }
    }

    /// The line by which an agent joins it.
    #[must_use]
    pub fn line(&self) -> String {
        format!("https://{} {TOKEN} {}", self.address, self.pin)
    }

    /// How often it was dialled after the agent had joined.
    #[must_use]
    pub fn n_dials(&self) -> u64 {
        self.n_dials.load(Ordering::Relaxed).saturating_sub(1)
    }
}

fn acceptor(key: &KeyPair) -> TlsAcceptor {
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.self_signed(key).expect("a certificate");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a key and its certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, manner: Manner) {
    // Whatever the agent does about it: it may hang up at any time.
    let _ = misbehave(stream, acceptor, manner).await;
}

async fn misbehave(stream: TcpStream, acceptor: TlsAcceptor, manner: Manner) -> Result<(), Broken> {
    if manner == Manner::Mute {
        return std::future::pending().await;
    }
    let mut socket = open(acceptor.accept(stream).await?).await?;
    heard(&mut socket, |message| matches!(message, AgentMessage::Knock(_))).await?;
    if manner == Manner::NeverAnswers {
        return listen(&mut socket).await;
    }
    if manner == Manner::EndlessFrames {
        loop {
            let unknown = format!(r#"{{"type":"gossip","about":"{}"}}"#, "x".repeat(200_000));
            socket.send(Message::text(unknown)).await?;
        }
    }
    if let Some(instead) = manner.instead_of_challenge() {
        socket.send(Message::text(instead)).await?;
        return listen(&mut socket).await;
    }
    let challenge = CollectorMessage::Challenge(Challenge { nonce: Octets([7; 32]) });
    socket.send(Message::text(encode(&challenge))).await?;
    heard(&mut socket, |message| matches!(message, AgentMessage::Hello(_))).await?;
    if manner == Manner::Drips {
        return drip(&mut socket, manner.welcome().as_bytes()).await;
    }
    socket.send(Message::text(manner.welcome())).await?;
    if manner == Manner::Pings {
        for _ in 0..1_000 {
            socket.send(Message::Ping(vec![7; 125].into())).await?;
        }
    }
    listen(&mut socket).await
}

async fn open(stream: TlsStream<TcpStream>) -> Result<Socket, Broken> {
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let answer = |_: &Request, mut response: Response| {
        let protocol = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    Ok(accept_hdr_async(stream, answer).await?)
}

/// Reads, and answers pings, until the agent hangs up.
async fn listen(socket: &mut Socket) -> Result<(), Broken> {
    while let Some(frame) = socket.next().await {
        if matches!(frame?, Message::Close(_)) {
            break;
        }
    }
    Ok(())
}

async fn heard(socket: &mut Socket, is_it: fn(&AgentMessage) -> bool) -> Result<(), Broken> {
    while let Some(frame) = socket.next().await {
        if let Message::Text(text) = frame?
            && is_it(&decode_agent(&text)?)
        {
            return Ok(());
        }
    }
    Err("the agent hung up".into())
}

/// One byte a second, past the library that makes frames.
async fn drip(socket: &mut Socket, message: &[u8]) -> Result<(), Broken> {
    let length = u16::try_from(message.len())?.to_be_bytes();
    for byte in [0x81, 126].into_iter().chain(length).chain(message.iter().copied()) {
        socket.get_mut().write_all(&[byte]).await?;
        socket.get_mut().flush().await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
