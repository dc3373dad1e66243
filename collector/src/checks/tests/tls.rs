//! Servers that speak TLS, well and badly, with certificates made for the test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::copy_bidirectional;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    ConfigBuilder, HandshakeKind, RootCertStore, ServerConfig, WantsVerifier,
};

use super::*;
use crate::config::Authorities;

const NAME: &str = "gpu-1.example";
const SECRET: &str = "Bearer s3cret";

/// An authority that only those trust who name its file.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
type Shown = (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, params: &CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), key.serialize_der().into())
    }

    /// What asks as one does who named this authority, where `NAME` leads to this machine.
    fn trusted(&self) -> Prober {
        trusting(Authorities::of(self.0.pem().as_bytes()).unwrap())
    }
}

fn of_names(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// The system of a test trusts one that nobody here is from.
fn trusting(named: Authorities) -> Prober {
    let system = || vec![Authority::new("the system's").0.der().clone()];
    let resolve: Resolve = Arc::new(|name, port| {
        assert_eq!(name, NAME);
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    });
    Prober { trust: Trust::new(named, system), resolve, ..prober(10_000) }
}

fn config() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    builder.with_safe_default_protocol_versions().unwrap()
}

type Agreed = ConfigBuilder<ServerConfig, WantsServerCert>;

/// A front of TLS before a server that speaks none. It ends with the test.
struct Front {
    address: SocketAddr,
    /// What was agreed on with each who was let through.
    met: Arc<std::sync::Mutex<Vec<Met>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Debug, PartialEq)]
struct Met {
    name: Option<String>,
    protocol: Option<Vec<u8>>,
    has_certificate: bool,
    handshake: Option<HandshakeKind>,
}

impl Front {
    async fn before(behind: &Fake, shown: Shown) -> Self {
        Self::start(behind.address, config().with_no_client_auth(), shown).await
    }

    async fn start(behind: SocketAddr, config: Agreed, (certificate, key): Shown) -> Self {
        let mut config = config.with_single_cert(vec![certificate], key.into()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let met: Arc<std::sync::Mutex<Vec<Met>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&met);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let session = stream.get_ref().1;
                    seen.lock().unwrap().push(Met {
                        name: session.server_name().map(str::to_owned),
                        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
                        has_certificate: session.peer_certificates().is_some(),
                        handshake: session.handshake_kind(),
                    });
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    // Either side may hang up whenever it likes.
                    let _ = copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Self { address, met, _tasks: tasks }
    }

    /// Its URL by the name for which certificates are made.
    fn url(&self) -> String {
        format!("https://{NAME}:{}", self.address.port())
    }
}

async fn ollama() -> Fake {
    Fake::ollama(r#"{"models":[{"name":"a:1b"}]}"#).await
}

/// Why a check by https fails, and that nobody was told anything.
async fn fails(prober: &Prober, shown: Shown) -> String {
    let fake = ollama().await;
    let front = Front::before(&fake, shown).await;
    let failure = prober.check_vouched(&with_credential(&front.url())).await.unwrap_err();
    assert_eq!(fake.n_connections(), 0);
    failure.to_string()
}

fn with_credential(url: &str) -> ServiceFacts {
    let (header, sealed) = ("authorization".to_owned(), SECRET.to_owned());
    let credential = Some(Arc::new(Credential { header, sealed }));
    let kind = Some("ollama".to_owned());
    facts(Declared { credential, kind, ..checked_by(url, Check::Probe) })
}

#[tokio::test]
async fn who_proves_the_name_or_address_of_its_url_is_asked_and_gets_the_credential() {
    let authority = Authority::new("ours");
    for name in [NAME, "127.0.0.1"] {
        let fake = ollama().await;
        let front = Front::before(&fake, authority.issue(&of_names(&[name]))).await;
        let url = format!("https://{name}:{}", front.address.port());
        let probed = authority.trusted().check_vouched(&with_credential(&url)).await.unwrap();
        assert_eq!(names(&probed), ["a:1b"]);
        let requests = fake.requests.lock().unwrap().clone();
        let host = format!("host: {name}:{}\r\n", front.address.port());
        assert!(requests.iter().all(|head| head.contains(&host) && head.contains(SECRET)));
        let name = (name == NAME).then(|| NAME.to_owned());
        let protocol = Some(b"http/1.1".to_vec());
        // One that resumes a session shows no certificate.
        let handshake = Some(HandshakeKind::Full);
        let met = Met { name, protocol, has_certificate: false, handshake };
        assert_eq!(*front.met.lock().unwrap(), [met.clone(), met.clone(), met]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_for_people() {
    let authority = Authority::new("ours");
    let prober = authority.trusted();
    let good = of_names(&[NAME]);
    let unknown = fails(&prober, Authority::new("theirs").issue(&good)).await;
    assert!(unknown.contains("an unknown authority") && unknown.contains("[checks] ca_file"));
    let same_name = fails(&prober, Authority::new("ours").issue(&good)).await;
    assert_eq!(same_name, "its certificate was not signed by the authority that it names");
    let others = of_names(&["a.example", "*.b.example", "10.0.0.7", "c.example"]);
    let wrong_name = fails(&prober, authority.issue(&others)).await;
    let expected = "not for gpu-1.example but for a.example, *.b.example, 10.0.0.7 and others";
    assert_eq!(wrong_name, format!("its certificate is {expected}"));
    let nameless = fails(&prober, authority.issue(&of_names(&[]))).await;
    assert_eq!(nameless, "its certificate is not for gpu-1.example but for no host at all");
    let but = |change: fn(&mut CertificateParams)| {
        let mut params = of_names(&[NAME]);
        change(&mut params);
        authority.issue(&params)
    };
    let expired = fails(&prober, but(|its| its.not_after = date_time_ymd(2020, 2, 3))).await;
    assert_eq!(expired, "its certificate expired on 2020-02-03");
    let early = fails(&prober, but(|its| its.not_before = date_time_ymd(3000, 1, 1))).await;
    assert!(early.starts_with("its certificate is not valid before 3000-01-01 (is "), "{early}");
    let is_ca = |its: &mut CertificateParams| its.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = fails(&prober, but(is_ca)).await;
    assert_eq!(own, "its certificate is an authority's own, and not one for a server");
}

#[tokio::test]
async fn who_signed_its_certificate_itself_is_trusted_once_it_is_named() {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let shown = || (made.cert.der().clone(), made.signing_key.serialize_der().into());
    let unknown = fails(&trusting(Authorities::default()), shown()).await;
    assert!(unknown.contains("[checks] ca_file"), "{unknown}");
    let fake = ollama().await;
    let front = Front::before(&fake, shown()).await;
    let named = Authorities::of(made.cert.pem().as_bytes()).unwrap();
    trusting(named).check_vouched(&of_kind(&front.url(), "ollama")).await.unwrap();
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_so_and_learns_no_secret() {
    for (does, expected) in [
        (Does::Writes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "it does not speak TLS: "),
        (Does::Writes(b"SSH-2.0-x\r\n".to_vec()), "it does not speak TLS: "),
        (Does::Writes(Vec::new()), "it closed the connection instead of speaking TLS"),
        (Does::Hangs, "it did not answer within 0.3 s"),
    ] {
        let mut prober = trusting(Authorities::default());
        if matches!(does, Does::Hangs) {
            prober.rules.deadline = Duration::from_millis(300);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, heard) = tokio::sync::oneshot::channel();
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = vec![0; 16 * 1024];
            let n = stream.read(&mut said).await.unwrap();
            told.send(said[..n].to_vec()).unwrap();
            // Who asks may hang up whenever it likes.
            let _ = act(&mut stream, does).await;
        });
        let url = format!("{NAME}:{port}/v1");
        let facts = with_credential(&format!("https://{url}"));
        let failure = prober.check_vouched(&facts).await.unwrap_err().to_string();
        assert!(failure.starts_with(expected), "{failure}");
        assert_eq!(failure.contains("speak TLS: "), failure.ends_with(&format!("http://{url}?")));
        let said = heard.await.unwrap();
        let is_hello = said[0] == 22;
        assert!(is_hello && !said.windows(6).any(|part| part == b"s3cret"));
    }
}

#[tokio::test]
async fn a_redirect_away_from_https_is_not_followed() {
    let plain = ollama().await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}/api/version\r\n\r\n", plain.url());
    let fake = Fake::start([("/api/version", Does::Writes(redirect.into_bytes()))]).await;
    let authority = Authority::new("ours");
    let front = Front::before(&fake, authority.issue(&of_names(&[NAME]))).await;
    let failure =
        authority.trusted().check_vouched(&with_credential(&front.url())).await.unwrap_err();
    assert_eq!(failure.to_string(), "it answered 302");
    assert_eq!((fake.n_connections(), plain.n_connections()), (1, 0));
}

#[tokio::test]
async fn who_asks_for_a_client_certificate_is_told_apart() {
    let authority = Authority::new("ours");
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let config = config().with_client_cert_verifier(clients.build().unwrap());
    let fake = ollama().await;
    let shown = authority.issue(&of_names(&[NAME]));
    let front = Front::start(fake.address, config, shown).await;
    let failure =
        authority.trusted().check_vouched(&with_credential(&front.url())).await.unwrap_err();
    assert_eq!(failure.to_string(), "it asks for a client certificate, and checks have none");
    assert_eq!(fake.n_connections(), 0);
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_says_so_and_dials_nobody_until_it_trusts_somebody() {
    static INSTALLED: std::sync::OnceLock<CertificateDer<'static>> = std::sync::OnceLock::new();
    let authority = Authority::new("ours");
    let fake = ollama().await;
    let front = Front::before(&fake, authority.issue(&of_names(&[NAME]))).await;
    let trust =
        Trust::new(Authorities::default(), || INSTALLED.get().cloned().into_iter().collect());
    let prober = Prober { trust, ..trusting(Authorities::default()) };
    let failure =
        prober.check_vouched(&of_kind(&front.url(), "ollama")).await.unwrap_err().to_string();
    assert!(failure.starts_with("no certificate can be checked: "), "{failure}");
    assert!(failure.contains("[checks] ca_file"), "{failure}");
    assert_eq!(*front.met.lock().unwrap(), []);
    INSTALLED.set(authority.0.der().clone()).unwrap();
    prober.check_vouched(&of_kind(&front.url(), "ollama")).await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_never_dialled_is_not_by_https_either() {
    let prober = trusting(Authorities::default());
    let facts = of_kind("https://[::ffff:169.254.169.254]", "ollama");
    let failure = prober.check_vouched(&facts).await.unwrap_err().to_string();
    assert_eq!(failure, "169.254.169.254 is never dialled: it is a link-local address");
}
