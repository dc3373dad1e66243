//! Real sockets again: TLS, the control socket, and the walls in front of strangers.

use axum::extract::Extension;
use axum::routing::get;
use herdbook_shared::wire::enrol::EXPORTER_LABEL;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::tests::{GET, Server, hello, read_until, start_with};
use super::*;
use crate::api::guard::Routes;
use crate::auth::Action;
use crate::config::{self, Command, Config, TlsTask};
use crate::serve::pools::Bounds as PoolBounds;
use crate::serve::{Channel, ControlSocket, Standing, connect_control};
use crate::tls::{self, Keys};

/// Takes every certificate: what it is, the test looks at itself.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A data directory with a key, and the server that shows it.
struct Secured {
    _dir: tempfile::TempDir,
    config: Config,
    keys: Arc<Keys>,
    server: Server,
}

fn secured(routes: Routes, walls: Arc<Walls>) -> Secured {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("collector.toml");
    std::fs::write(&file, "[tls]\nloopback = true").unwrap();
    let paths = [file.to_str().unwrap(), dir.path().to_str().unwrap()];
    let args = ["herdbook-collector", "--config", paths[0], "--data-dir", paths[1]];
    let config = match config::load(args.map(Into::into), &|_| None).unwrap() {
        Command::Run(config) => config,
        other => panic!("{other:?}"),
    };
    let keys = Arc::new(Keys::open(&config).unwrap());
    let server = start_with(routes, 100, walls, |listeners| {
        listeners.secure(&keys.server_config().unwrap(), |_| true).unwrap();
    });
    Secured { _dir: dir, config, keys, server }
}

impl Secured {
    /// Where nobody is a stranger.
    fn open(routes: Routes) -> Self {
        secured(routes, Walls::down(Arc::default()))
    }

    async fn connect(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsStream<TcpStream> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone))
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.server.connect().await;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    fn rotate(&self) {
        for task in [TlsTask::Rotate, TlsTask::Activate] {
            tls::perform(&self.config, task).unwrap();
        }
        self.keys.reload().unwrap();
    }
}

const BOTH: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Says what carries the request.
fn channel() -> Routes {
    let handler = |Extension(channel): Extension<Channel>| async move {
        match channel {
            Channel::Tls(secret) => format!("secret {:?}.", secret.0),
            other => format!("{other:?}."),
        }
    };
    Routes::new().on(Action::ReadFleet, "/x", get(handler))
}

#[tokio::test]
async fn both_ends_of_a_connection_know_the_same_secret_and_no_other_connection_does() {
    let secured = Secured::open(channel());
    let mut seen = Vec::new();
    for versions in
        [&[&rustls::version::TLS12], &[&rustls::version::TLS13], &[&rustls::version::TLS13]]
    {
        let mut client = secured.connect(versions).await;
        client.write_all(GET).await.unwrap();
        let answer = read_until(&mut client, ".").await;
        let session = client.get_ref().1;
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        let secret = session.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        assert!(answer.ends_with(&format!("secret {secret:?}.")), "{answer}");
        assert!(!seen.contains(&secret));
        seen.push(secret);
    }
}

fn shown(client: &TlsStream<TcpStream>) -> Vec<u8> {
    client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn another_key_is_shown_to_newcomers_while_open_connections_go_on() {
    let secured = Secured::open(hello());
    let mut before = secured.connect(BOTH).await;
    secured.rotate();
    let mut after = secured.connect(BOTH).await;
    assert_ne!(shown(&before), shown(&after));
    for client in [&mut before, &mut after] {
        client.write_all(GET).await.unwrap();
        assert!(read_until(client, "hello").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_page_that_came_by_tls_says_so_and_the_dialled_address_is_a_name() {
    let secured = Secured::open(hello());
    let authority = secured.server.address;
    for (host, origin, status) in [
        (authority.to_string(), format!("https://{authority}"), 200),
        (authority.to_string(), format!("http://{authority}"), 403),
        ("evil.example".to_owned(), "https://evil.example".to_owned(), 421),
        ("192.0.2.1".to_owned(), "https://192.0.2.1".to_owned(), 421),
    ] {
        let mut client = secured.connect(BOTH).await;
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\nConnection: close");
        let asked = format!("GET /x HTTP/1.1\r\n{headers}\r\n\r\n");
        client.write_all(asked.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "never").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host} {origin}: {answer}");
    }
}

#[tokio::test]
async fn who_speaks_http_where_tls_is_spoken_is_told_and_others_are_not() {
    let secured = Secured::open(hello());
    let mut client = secured.server.connect().await;
    client.write_all(GET).await.unwrap();
    let answer = read_until(&mut client, "never").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    let mut garbage = secured.server.connect().await;
    garbage.write_all(b"\x00\x01\x02").await.unwrap();
    assert_eq!(read_until(&mut garbage, "never").await, "");
    let plain = start_with(hello(), 10, Walls::down(Arc::default()), |_| {});
    let mut client = plain.connect().await;
    client.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    assert_eq!(read_until(&mut client, "never").await, "");
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_with_a_handshake_or_with_the_first_request_after_it_is_cut_off() {
    let turned = Arc::default();
    let secured = secured(hello(), Walls::up(Arc::clone(&turned)));
    let begun = Instant::now();
    let mut dribbling = secured.server.connect().await;
    dribbling.write_all(b"\x16\x03\x01").await.unwrap();
    read_until(&mut dribbling, "never").await;
    assert!((4..=7).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let (begun, mut silent) = (Instant::now(), secured.server.connect().await);
    read_until(&mut silent, "never").await;
    assert!((4..=7).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let (begun, mut half) = (Instant::now(), secured.connect(BOTH).await);
    half.write_all(b"GET /x HTTP/1.1\r\nHost: loc").await.unwrap();
    read_until(&mut half, "never").await;
    assert!((4..=7).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let turned: &crate::serve::Turned = &turned;
    assert_eq!(turned.each()[2..], [("silent", 1), ("handshake", 1)]);
}

/// Vouches for its peer.
fn vouching() -> Routes {
    let handler = |Extension(standing): Extension<Standing>| async move {
        standing.vouch_for(&"anna");
        "vouched"
    };
    Routes::new().on(Action::ReadFleet, "/vouch", get(handler)).merge(hello())
}

const VOUCH: &[u8] = b"GET /vouch HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn in_a_full_pool_the_oldest_goes_and_who_is_vouched_for_stays() {
    let bounds =
        PoolBounds { of_network: 9, strangers: 2, connections: 100, hosts: 9, of_principal: 100 };
    let server = start_with(vouching(), 100, Walls::within(bounds), |_| {});
    let (mut known, mut slow) = (server.connect().await, server.connect().await);
    known.write_all(VOUCH).await.unwrap();
    assert!(read_until(&mut known, "vouched").await.ends_with("vouched"));
    slow.write_all(b"GET /x HTTP/1.1\r\n").await.unwrap();
    sleep(Duration::from_millis(1_500)).await;
    let (mut second, mut third) = (server.connect().await, server.connect().await);
    assert_eq!(read_until(&mut slow, "never").await, "", "the oldest made room");
    let mut refused = server.connect().await;
    assert_eq!(read_until(&mut refused, "never").await, "", "nobody is old enough to go");
    for (client, asked) in [(&mut second, GET), (&mut third, GET), (&mut known, GET)] {
        client.write_all(asked).await.unwrap();
        assert!(read_until(client, "hello").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_dribblers_starve_nobody_who_is_quick() {
    let bounds =
        PoolBounds { of_network: 99, strangers: 20, connections: 90, hosts: 9, of_principal: 100 };
    let server = start_with(vouching(), 100, Walls::within(bounds), |_| {});
    let mut dribblers = Vec::new();
    for round in 0..10 {
        for _ in 0..10 {
            let mut one = server.connect().await;
            // One that was refused already cannot be written to.
            let _ = one.write_all(b"G").await;
            dribblers.push(one);
        }
        sleep(Duration::from_millis(1_100)).await;
        let mut quick = server.connect().await;
        quick.write_all(VOUCH).await.unwrap();
        let answer = read_until(&mut quick, "vouched").await;
        assert!(answer.ends_with("vouched"), "round {round}: {answer}");
    }
    assert!(server.slots.available_permits() >= 100 - 20 - 2);
}

#[tokio::test]
async fn the_control_socket_carries_requests_to_control_alone_however_many_others_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = start_with(channel(), 0, Walls::up(Arc::default()), |listeners| {
        listeners.take_control(ControlSocket::bind(dir.path()).unwrap());
    });
    for (host, expected) in [("control", "Control."), ("localhost", "421"), ("evil.example", "421")]
    {
        let mut client: UnixStream = connect_control(dir.path()).await.unwrap();
        let asked = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        client.write_all(asked.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "never").await;
        assert!(answer.contains(expected), "{host}: {answer}");
    }
    server.stop.cancel();
    server.ended().await;
    assert!(connect_control(dir.path()).await.is_err());
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}
