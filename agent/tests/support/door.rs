//! A collector of a test that demands credentials: real TLS with a key of its own, and what it
//! hears and checks of an agent that knocks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::SessionId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::codec::{decode_agent, encode};
use herdbook_shared::wire::enrol::{
    Challenge, ChannelSecret, EXPORTER_LABEL, Knock, Octets, proven,
};
use herdbook_shared::wire::hello::{Hello, RefusalCode, Refused, Welcome};
use herdbook_shared::wire::{AgentMessage, CollectorMessage, SUBPROTOCOL};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs as provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, version::TLS13};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A token as a join line has it.
pub(super) const TOKEN: &str = "hbj_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// What listens.
pub(super) struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// The fingerprint of its key.
    pub(super) pin: Fingerprint,
    /// Its certificate, as PEM.
    pub(super) certificate: String,
}

impl Door {
    /// On a port of loopback.
    pub(super) async fn open() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// On this address, for a certificate that names it.
    pub(super) async fn at(address: SocketAddr) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), address.ip().to_string()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        Self {
            listener: TcpListener::bind(address).await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pin: sha256(&key.subject_public_key_info()),
            certificate: certificate.pem(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// What a person pastes to join it.
    pub(super) fn line(&self) -> String {
        format!("{} {TOKEN} {}", self.url(), self.pin)
    }

    /// The next connection, up to the open TLS; none where the agent refuses it.
    pub(super) async fn handshake(&self) -> Option<TlsStream<TcpStream>> {
        let stream = timeout(PATIENCE, self.tcp()).await.unwrap();
        self.secure(stream).await
    }

    /// The next connection, before anything is said.
    pub(super) async fn tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// The open TLS over it; none where the agent refuses it.
    pub(super) async fn secure(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await.ok()
    }

    /// The next agent that opens a WebSocket.
    pub(super) async fn accept(&self) -> Guest {
        let stream = self.handshake().await.expect("TLS with the agent");
        let secret =
            stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let answer = |_: &Request, mut response: Response| {
            let protocol = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let socket = accept_hdr_async(stream, answer).await.unwrap();
        let nonce = sha256(&secret).digest().to_owned();
        Guest { socket, secret: ChannelSecret(secret), nonce: Octets(nonce) }
    }

    /// An agent that knocks, proves itself and is welcomed.
    pub(super) async fn welcome(&self) -> (Guest, Hello) {
        let mut guest = self.accept().await;
        guest.knock().await;
        let hello = guest.challenge().await;
        assert!(guest.is_proven(&hello));
        guest.say(&CollectorMessage::Welcome(welcome())).await;
        (guest, hello)
    }
}

/// An agent at the door.
pub(super) struct Guest {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    pub(super) secret: ChannelSecret,
    pub(super) nonce: Octets<32>,
}

impl Guest {
    /// The next message; none once the agent has closed.
    pub(super) async fn hear(&mut self) -> Option<AgentMessage> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.unwrap()?.ok()? {
                Message::Text(text) => return Some(decode_agent(text.as_str()).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(super) async fn say(&mut self, message: &CollectorMessage) {
        self.socket.send(Message::text(encode(message))).await.unwrap();
    }

    pub(super) async fn refuse(mut self, code: RefusalCode, retry_after_ms: Option<u64>) {
        let refused = Refused { code, message: "as the test wants".to_owned(), retry_after_ms };
        self.say(&CollectorMessage::Refused(refused)).await;
        while self.hear().await.is_some() {}
    }

    pub(super) async fn knock(&mut self) -> Knock {
        match self.hear().await {
            Some(AgentMessage::Knock(knock)) => knock,
            other => panic!("expected a knock: {other:?}"),
        }
    }

    /// Asks for a proof; the hello that carries it.
    pub(super) async fn challenge(&mut self) -> Hello {
        self.say(&CollectorMessage::Challenge(Challenge { nonce: self.nonce })).await;
        match self.hear().await {
            Some(AgentMessage::Hello(hello)) => *hello,
            other => panic!("expected a hello: {other:?}"),
        }
    }

    /// Whether the hello proves its key on this very connection.
    pub(super) fn is_proven(&self, hello: &Hello) -> bool {
        let Some(proof) = &hello.proof else { return false };
        let signed = proven(&self.nonce, &self.secret, &proof.public_key, &hello.host_id);
        is_signed(&proof.public_key, &signed, &proof.signature)
    }
}

pub(super) fn is_signed(key: &Octets<32>, signed: &[u8], signature: &Octets<64>) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(signed, &signature.0).is_ok()
}

pub(super) fn sha256(bytes: &[u8]) -> Fingerprint {
    Fingerprint::of_digest(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

pub(super) fn welcome() -> Welcome {
    Welcome {
        collector_id: "c".to_owned(),
        session_id: SessionId::from_text("s"),
        protocol: 1,
        sample_interval_ms: 1000,
        reconnect_spread_ms: 100,
        server_time: Timestamp::now(),
        pins: Vec::new(),
        rotate_key: false,
    }
}
