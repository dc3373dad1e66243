//! Checks of servers that do well and of servers that misbehave, over real sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::header::{AUTHORIZATION, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::checks::dial::Loopback;
use crate::config::Liveness;
use crate::registry::service::record::{Declared, Records};
use crate::registry::service::{Check, ServiceStatus, ServiceType, Source};
use crate::registry::testing::checked_by;

mod dialled;
mod faults;
mod runner;
mod tls;

/// What a server does with a request.
#[derive(Clone, Debug)]
enum Does {
    /// Answers with this status and body.
    Says(u16, Vec<u8>),
    /// Writes these bytes and closes.
    Writes(Vec<u8>),
    /// Says nothing, for ever.
    Hangs,
    /// Writes these bytes, then one of a body each 50 ms, for ever.
    Drips(Vec<u8>),
    /// Writes these bytes, then a body without end.
    Floods(Vec<u8>),
    /// Breaks the connection off.
    Resets,
}

fn says(status: u16, body: &str) -> Does {
    Does::Says(status, body.as_bytes().to_vec())
}

/// A server that does something at each path, and 404 elsewhere. It ends with the test.
struct Fake {
    address: SocketAddr,
    requests: Arc<std::sync::Mutex<Vec<String>>>,
    n_connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Fake {
    async fn start<const N: usize>(does: [(&str, Does); N]) -> Self {
        let does: BTreeMap<String, Does> =
            does.into_iter().map(|(path, does)| (path.to_owned(), does)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let n_connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (seen, n) = (Arc::clone(&requests), Arc::clone(&n_connections));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                n.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, does.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, requests, n_connections, _tasks: tasks }
    }

    async fn ollama(tags: &str) -> Self {
        Self::start([
            ("/api/version", says(200, r#"{"version":"0.33.0"}"#)),
            ("/api/ps", says(200, r#"{"models":[{"name":"a:1b","size":2,"size_vram":2}]}"#)),
            ("/api/tags", says(200, tags)),
        ])
        .await
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }

    fn paths(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter_map(|head| head.split(' ').nth(1).map(str::to_owned)).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    does: BTreeMap<String, Does>,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(head);
    // Who asks may hang up whenever it likes.
    let _ = act(&mut stream, does.get(&path).cloned().unwrap_or(says(404, ""))).await;
}

async fn act(stream: &mut TcpStream, does: Does) -> std::io::Result<()> {
    match does {
        Does::Says(status, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Does::Writes(bytes) => stream.write_all(&bytes).await,
        Does::Hangs => std::future::pending().await,
        Does::Drips(head) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Does::Floods(head) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&[b' '; 64 * 1024]).await?;
            }
        }
        Does::Resets => stream.set_zero_linger(),
    }
}

fn prober(deadline_ms: u64) -> Prober {
    let rules = Checks { deadline: Duration::from_millis(deadline_ms), ..Checks::default() };
    let open: OpenCredential = Arc::new(|sealed| match sealed.sealed.as_str() {
        "lost" => None,
        value => Some((AUTHORIZATION, HeaderValue::from_str(value).unwrap())),
    });
    Prober::new(rules, open, Policy::new(Loopback::Allowed, &[], &[]))
}

impl Prober {
    /// The same for a service whose address somebody answers for.
    async fn check_vouched(&self, facts: &ServiceFacts) -> Result<Probed, ProbeFailure> {
        self.check(facts, &|_| true).await
    }
}

fn facts(declared: Declared) -> ServiceFacts {
    let at = herdbook_shared::time::Timestamp::from_unix_ms(0);
    let records = Records { manual: Some(Arc::new(declared)), ..Records::default() };
    ServiceFacts::of(records, Check::Probe, at, None)
}

fn of_kind(url: &str, kind: &str) -> ServiceFacts {
    let kind = (!kind.is_empty()).then(|| kind.to_owned());
    facts(Declared { kind, ..checked_by(url, Check::Probe) })
}

async fn check(url: &str, kind: &str) -> Result<Probed, ProbeFailure> {
    prober(10_000).check_vouched(&of_kind(url, kind)).await
}

fn names(probed: &Probed) -> Vec<&str> {
    let models = probed.models.iter().flatten();
    models.map(|model| &*model.facts.name).collect()
}

#[tokio::test]
async fn an_ollama_is_asked_whether_it_lives_what_is_loaded_and_what_is_installed() {
    let fake = Fake::ollama(r#"{"models":[{"name":"a:1b"},{"name":"b:1b"}]}"#).await;
    let probed = check(&fake.url(), "ollama").await.unwrap();
    assert_eq!((names(&probed), probed.version.as_deref()), (vec!["a:1b", "b:1b"], Some("0.33.0")));
    let warm = probed.models.as_ref().unwrap().iter().map(|model| model.warm);
    assert_eq!(warm.collect::<Vec<_>>(), [true, false]);
    assert_eq!(fake.paths(), ["/api/version", "/api/ps", "/api/tags"]);
    let requests = fake.requests.lock().unwrap();
    let head = requests[0].to_lowercase();
    assert!(head.contains(&format!("host: {}\r\n", fake.address)), "{head}");
    assert!(head.contains("user-agent: herdbook-collector/") && !head.contains("accept-encoding"));
}

#[tokio::test]
async fn kin_are_asked_for_their_models_whether_or_not_the_url_ends_in_v1() {
    let listed = says(200, r#"{"data":[{"id":"m","max_model_len":4096}]}"#);
    let fake = Fake::start([("/v1/models", listed)]).await;
    for kind in ["vllm", "llamacpp", "lmstudio", "sglang", "openai"] {
        let probed = check(&fake.url(), kind).await.unwrap();
        assert_eq!((names(&probed), &probed.kind), (vec!["m"], &None));
    }
    let probed = check(&format!("{}/v1", fake.url()), "openai").await.unwrap();
    assert_eq!(names(&probed), ["m"]);
    assert!(fake.paths().iter().all(|path| path == "/v1/models"));
}

#[tokio::test]
async fn who_is_not_known_is_recognised() {
    let ollama = Fake::ollama(r#"{"models":[]}"#).await;
    let openai = Fake::start([("/v1/models", says(200, r#"{"data":[]}"#))]).await;
    let other = Fake::start([("/", says(404, "")), ("/v1/models", says(200, "<html>"))]).await;
    for (fake, expected) in [(&ollama, Some("ollama")), (&openai, Some("openai")), (&other, None)] {
        for kind in ["", "generic"] {
            let probed = check(&fake.url(), kind).await.unwrap();
            assert_eq!(probed.kind.as_deref(), expected);
        }
    }
    let broken = Fake::start([("/", says(500, ""))]).await;
    let failure = check(&broken.url(), "").await.unwrap_err();
    assert_eq!(failure.to_string(), "it answered 500");
}

#[tokio::test]
async fn a_tool_lives_whatever_it_answers_but_for_what_is_broken() {
    for (status, lives) in
        [(200, true), (302, true), (401, true), (404, true), (500, false), (503, false)]
    {
        let fake = Fake::start([("/mcp", says(status, ""))]).await;
        for r#type in [ServiceType::Tool, ServiceType::Agent] {
            let url = format!("{}/mcp", fake.url());
            let facts = facts(Declared { r#type: Some(r#type), ..checked_by(&url, Check::Probe) });
            let outcome = prober(10_000).check_vouched(&facts).await;
            assert_eq!(outcome.is_ok(), lives, "{status}: {outcome:?}");
        }
        assert_eq!(fake.paths(), ["/mcp", "/mcp"]);
    }
}

#[tokio::test]
async fn who_asks_for_a_credential_lives_and_says_so() {
    for status in [401, 403] {
        let does = [("/api/version", says(status, "")), ("/v1/models", says(status, ""))];
        let fake = Fake::start(does).await;
        for kind in ["ollama", "vllm", ""] {
            let probed = check(&fake.url(), kind).await.unwrap();
            assert_eq!(probed.note, Some(format!("it asks for a credential ({status})")));
            assert_eq!(probed.models, None);
        }
    }
}

#[tokio::test]
async fn a_credential_goes_with_every_question_and_one_that_is_lost_is_told() {
    let fake = Fake::ollama(r#"{"models":[]}"#).await;
    let with = |sealed: &str| {
        let (header, sealed) = ("authorization".to_owned(), sealed.to_owned());
        let credential = Some(Arc::new(Credential { header, sealed }));
        facts(Declared { credential, ..checked_by(&fake.url(), Check::Probe) })
    };
    prober(10_000).check_vouched(&with("Bearer s3cret")).await.unwrap();
    let requests = fake.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|head| head.contains("authorization: Bearer s3cret\r\n")));
    let failure = prober(10_000).check_vouched(&with("lost")).await.unwrap_err();
    assert!(failure.to_string().contains("credential"));
    assert_eq!(fake.n_connections(), 3, "and nobody is asked without it");
}

#[tokio::test]
async fn what_is_never_dialled_says_so() {
    for url in ["http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fe80::1]:1"] {
        let failure = check(url, "ollama").await.unwrap_err().to_string();
        assert!(failure.contains(" is never dialled: it is a link-local address"), "{failure}");
    }
    let policy = Policy::new(Loopback::Refused, &[], &[]);
    let refusing = Prober { policy, ..prober(10_000) };
    let fake = Fake::ollama("{}").await;
    let failure = refusing.check_vouched(&of_kind(&fake.url(), "ollama")).await.unwrap_err();
    assert_eq!(failure.to_string(), "127.0.0.1 is never dialled: it is a loopback address");
    assert_eq!(fake.n_connections(), 0);
}

#[tokio::test]
async fn a_name_is_resolved_once_a_check_and_its_bad_addresses_are_left_out() {
    let fake = Fake::ollama(r#"{"models":[]}"#).await;
    let (port, n_asked) = (fake.address.port(), Arc::new(AtomicUsize::new(0)));
    let n = Arc::clone(&n_asked);
    let resolve: Resolve = Arc::new(move |name, _| {
        assert_eq!(name, "gpu-1.example");
        let good = SocketAddr::from(([127, 0, 0, 1], port));
        let bad = SocketAddr::from(([169, 254, 169, 254], port));
        // From the second question on the name leads elsewhere.
        let all = if n.fetch_add(1, Ordering::SeqCst) == 0 { vec![bad, good] } else { vec![bad] };
        Box::pin(async move { Ok(all) })
    });
    let prober = Prober { resolve, ..prober(10_000) };
    let facts = of_kind(&format!("http://gpu-1.example:{port}"), "ollama");
    prober.check_vouched(&facts).await.unwrap();
    assert_eq!((n_asked.load(Ordering::SeqCst), fake.n_connections()), (1, 3));
    let failure = prober.check_vouched(&facts).await.unwrap_err().to_string();
    assert_eq!(failure, "169.254.169.254 is never dialled: it is a link-local address");
    assert_eq!(fake.n_connections(), 3);
}
