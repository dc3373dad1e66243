//! Asks one question of one server: HTTP/1.1, a connection for each question, every answer bounded
//! in bytes. No redirect is followed, no proxy is read from the environment and nothing is
//! unpacked. A name is resolved once a check, and what is dialled is what was looked at. Where the URL
//! is https, nothing is said before the server has proved who it is (`tls`).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use super::lookup::Resolve;
use super::policy::{Policy, Vouches};
use super::tls::{self, Secure, Trust};
use crate::registry::check::probe::ProbeFailure;
use crate::registry::url::ServiceUrl;

/// Largest answer to "do you live", bytes.
pub(super) const LIVENESS_BYTES_MAX: usize = 64 * 1024;
/// Largest list of models, bytes.
pub(super) const INVENTORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// How long one of several addresses may take to answer before the next is tried.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(1);

/// A header that goes with every question.
pub type Header = (HeaderName, HeaderValue);

/// A server, the addresses at which it may be dialled, and what is sent along.
#[derive(Debug)]
pub(super) struct Server {
    base: String,
    host: HeaderValue,
    addresses: Vec<SocketAddr>,
    /// How it is spoken with where its URL is https.
    secure: Option<Secure>,
    credential: Option<Header>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Body,
}

/// What came of a body.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// It has more bytes than are read.
    TooLarge,
}

/// How much of a body is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    Nothing,
    UpTo(usize),
}

pub(crate) fn failure(words: impl Into<String>) -> ProbeFailure {
    ProbeFailure::Failed(words.into())
}

pub(crate) fn refused(words: impl Into<String>) -> ProbeFailure {
    ProbeFailure::Refused(words.into())
}

impl Server {
    /// Finds out where a service is dialled.
    pub(super) async fn find(
        url: &str,
        credential: Option<Header>,
        (policy, vouches): (&Policy, Vouches<'_>),
        resolve: &Resolve,
        trust: &Trust,
    ) -> Result<Self, ProbeFailure> {
        let url = ServiceUrl::parse(url).map_err(|bad| failure(format!("its URL: {bad}")))?;
        let addresses = addresses(url.host(), url.port(), resolve).await?;
        let addresses = policy.admitted(addresses, vouches)?;
        let (scheme, rest) = url.as_str().split_once("://").unwrap_or(("http", ""));
        let secure = if scheme == "https" { Some(trust.towards(&url).await?) } else { None };
        let authority = rest.split('/').next().unwrap_or_default();
        let host =
            HeaderValue::from_str(authority).map_err(|_| failure("its URL names no host"))?;
        // Servers in the manner of OpenAI are often declared with the first part of their paths.
        let path = url.path().strip_suffix("/v1").unwrap_or(url.path()).to_owned();
        Ok(Self { base: path, host, addresses, secure, credential })
    }

    /// Asks for a path below the server's URL.
    pub(super) async fn get(&self, path: &str, read: Read) -> Result<Reply, ProbeFailure> {
        let request = self.request(path)?;
        let stream = dial(&self.addresses).await?;
        let read = async move |response| answer(response, read).await;
        match &self.secure {
            Some(secure) => exchange(secure.over(stream).await?, request, read).await,
            None => exchange(stream, request, read).await,
        }
    }

    fn request(&self, path: &str) -> Result<Request<Empty<Bytes>>, ProbeFailure> {
        let target = format!("{}{path}", self.base);
        let target = if target.is_empty() { "/" } else { &target };
        let mut request = Request::get(target)
            .header(HOST, &self.host)
            .header(USER_AGENT, concat!("herdbook-collector/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json, */*;q=0.1")
            .header(CONNECTION, "close");
        if let Some((name, value)) = &self.credential {
            request = request.header(name, value);
        }
        request.body(Empty::new()).map_err(|_| failure("its URL cannot be asked"))
    }
}

/// What a host's addresses are. A name is resolved, once: whether they may be dialled is judged next,
/// and what is dialled is what was judged, whatever the name means by then.
pub(crate) async fn addresses(
    host: Option<Host<&str>>,
    port: u16,
    resolve: &Resolve,
) -> Result<Vec<SocketAddr>, ProbeFailure> {
    Ok(match host {
        Some(Host::Ipv4(v4)) => vec![SocketAddr::new(v4.into(), port)],
        Some(Host::Ipv6(v6)) => vec![SocketAddr::new(v6.into(), port)],
        Some(Host::Domain(name)) => resolved(name, port, resolve).await?,
        None => Vec::new(),
    })
}

/// Connects to the first of them that answers.
pub(crate) async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, ProbeFailure> {
    let mut last = failure("its name has no address");
    for (n, address) in addresses.iter().enumerate() {
        let dialled = TcpStream::connect(address);
        let dialled = if n + 1 < addresses.len() {
            timeout(NEXT_ADDRESS_AFTER, dialled).await.unwrap_or_else(|late| Err(late.into()))
        } else {
            dialled.await
        };
        match dialled {
            Ok(stream) => return Ok(stream),
            Err(error) => last = failure(in_words(&error)),
        }
    }
    Err(last)
}

/// Asks over a connection, which is used up, and reads the answer.
pub(crate) async fn exchange<B, T>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<B>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, ProbeFailure>,
) -> Result<T, ProbeFailure>
where
    B: hyper::body::Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(100).max_buf_size(LIVENESS_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let mut connection = std::pin::pin!(connection);
    let mut reply = std::pin::pin!(async move {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        read(response).await
    });
    tokio::select! {
        biased;
        reply = &mut reply => reply,
        // A connection that is over may leave an answer behind.
        _ = &mut connection => reply.await,
    }
}

async fn resolved(
    name: &str,
    port: u16,
    resolve: &Resolve,
) -> Result<Vec<SocketAddr>, ProbeFailure> {
    let found = resolve(name.to_owned(), port).await;
    found.map_err(|_| failure("its name cannot be resolved"))
}

/// The addresses that may be dialled. A name that leads to none of these is told why.
pub(crate) fn admitted(
    addresses: Vec<SocketAddr>,
    why: &dyn Fn(&SocketAddr) -> Option<ProbeFailure>,
) -> Result<Vec<SocketAddr>, ProbeFailure> {
    let mut admitted = Vec::new();
    let mut refusal = failure("its name has no address");
    for address in addresses {
        match why(&address) {
            None => admitted.push(address),
            Some(why) if matches!(refusal, ProbeFailure::Failed(_)) => refusal = why,
            Some(_) => (),
        }
    }
    admitted.truncate(ADDRESSES_MAX);
    if admitted.is_empty() { Err(refusal) } else { Ok(admitted) }
}

async fn answer(response: Response<Incoming>, read: Read) -> Result<Reply, ProbeFailure> {
    let status = response.status();
    let body = match read {
        Read::Nothing => Body::Whole(Vec::new()),
        Read::UpTo(_) if !status.is_success() => Body::Whole(Vec::new()),
        Read::UpTo(max) => bounded(response.into_body(), max).await?,
    };
    Ok(Reply { status, body })
}

/// Reads a body of at most so many bytes.
pub(crate) async fn bounded(mut body: Incoming, max: usize) -> Result<Body, ProbeFailure> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| told(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if whole.len() + data.len() > max {
            return Ok(Body::TooLarge);
        }
        whole.extend_from_slice(data);
    }
    Ok(Body::Whole(whole))
}

/// Why a question was not answered.
fn told(error: &hyper::Error) -> ProbeFailure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<io::Error>();
        if let Some(io) = io.filter(|io| io.kind() != io::ErrorKind::UnexpectedEof) {
            return failure(in_words(io));
        }
        cause = inner.source();
    }
    let words = if error.is_parse() {
        "it does not speak HTTP"
    } else {
        "it closed the connection before it had answered"
    };
    failure(words)
}

/// The same reason in the same words, whatever the machine calls it.
pub(super) fn in_words(error: &io::Error) -> String {
    if let Some(error) = tls::tls_error(error) {
        return tls::told(error);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "it reset the connection".to_owned(),
        io::ErrorKind::TimedOut => "it does not answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way to it".to_owned()
        }
        _ => format!("the connection failed: {error}"),
    }
}
