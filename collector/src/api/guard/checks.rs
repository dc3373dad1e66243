//! The checks themselves, each a pure function of a request's head.

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Method};

use super::super::problem::{Kind, Problem, header_field};
use super::BODY_BYTES;
use crate::auth::{AllowedHosts, HostKind};
use crate::serve::{Channel, LocalAddr};

/// The name that a request asks for, and what sort of name it is.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: HostKind,
    channel: Channel,
    authority: String,
}

/// Nothing here answers CONNECT, TRACE, OPTIONS or a made-up method, on any path.
pub(super) fn method(method: &Method) -> Result<(), Problem> {
    const ANSWERED: [Method; 6] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if ANSWERED.contains(method) {
        Ok(())
    } else {
        Err(Problem::new(Kind::MethodNotAllowed, "no path answers this method"))
    }
}

/// The one Host that the request names, if it is one of ours.
pub(super) fn host(
    request: &Request,
    allowed: &AllowedHosts,
    channel: Channel,
) -> Result<Asked, Problem> {
    let header = single(request.headers(), header::HOST)?.ok_or_else(|| {
        Problem::new(Kind::BadRequest, "the request has no Host header").about("Host", "one")
    })?;
    // A request line with a whole URL in it ("absolute form") names the host a second time.
    if let Some(authority) = request.uri().authority()
        && !authority.as_str().eq_ignore_ascii_case(header)
    {
        let detail = "the request line and the Host header name different hosts";
        return Err(Problem::new(Kind::BadRequest, detail).about("Host", "the same in both"));
    }
    let local = request.extensions().get::<LocalAddr>().map(|local| local.0);
    let kind = allowed.kind_over(header, channel, local).ok_or_else(|| misdirected(channel))?;
    Ok(Asked { kind, channel, authority: header.to_ascii_lowercase() })
}

fn misdirected(channel: Channel) -> Problem {
    let (detail, expected) = match channel {
        Channel::Tls(_) => (
            "the collector does not answer under this host name; ask for its address or its \
             machine's name, or start it with --public-name",
            "the address or name of the machine, or a name given by --public-name",
        ),
        Channel::Control => ("requests over the control socket are to the host control", "control"),
        Channel::Plain => (
            "the collector does not answer under this host name; ask for localhost or 127.0.0.1",
            "a loopback name or a name given by --public-name",
        ),
    };
    Problem::new(Kind::Misdirected, detail).about("Host", expected)
}

/// A browser says which page sends a request: only the collector's own may. Programs say nothing.
pub(super) fn origin(headers: &HeaderMap, asked: &Asked) -> Result<(), Problem> {
    let Some(origin) = single(headers, header::ORIGIN).map_err(|_| foreign())? else {
        return Ok(());
    };
    let origin = origin.to_ascii_lowercase();
    let authority = match (asked.channel, asked.kind) {
        (Channel::Tls(_), _) => origin.strip_prefix("https://"),
        (_, HostKind::Loopback) => origin.strip_prefix("http://"),
        // A proxy in front may speak TLS; the browser then names its scheme.
        (_, HostKind::Public) => {
            origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
        }
    };
    if authority == Some(asked.authority.as_str()) { Ok(()) } else { Err(foreign()) }
}

fn foreign() -> Problem {
    Problem::new(Kind::Forbidden, "requests from pages of other sites are not answered")
        .about("Origin", "none, or the collector's own")
}

/// A body is JSON and says so, which no form and no simple cross-site request can.
pub(super) fn content(headers: &HeaderMap) -> Result<(), Problem> {
    let length = match single(headers, header::CONTENT_LENGTH)? {
        Some(text) => text.parse::<u64>().map_err(|_| {
            Problem::new(Kind::BadRequest, "the length of the body is no number")
                .about("Content-Length", "a number")
        })?,
        None => 0,
    };
    if length > BODY_BYTES as u64 {
        return Err(too_large());
    }
    let has_body = length > 0 || headers.contains_key(header::TRANSFER_ENCODING);
    let is_json = single(headers, header::CONTENT_TYPE)?.is_some_and(is_json);
    if has_body && !is_json {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "the body does not say that it is JSON",
        )
        .about("Content-Type", "application/json"));
    }
    Ok(())
}

/// The refusal of a body over [`BODY_BYTES`].
pub(super) fn too_large() -> Problem {
    Problem::new(Kind::TooLarge, "the body is larger than what is read").about("body", "≤ 256 KiB")
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A header that may stand at most once; two of them are how checks get fooled.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        let detail = "the header stands more than once";
        return Err(Problem::new(Kind::BadRequest, detail).about(header_field(&name), "one"));
    }
    first.map(|value| text(value, &name)).transpose()
}

fn text<'a>(value: &'a HeaderValue, name: &HeaderName) -> Result<&'a str, Problem> {
    value.to_str().map_err(|_| {
        let detail = "the header holds what is not printable ASCII";
        Problem::new(Kind::BadRequest, detail).about(header_field(name), "ASCII")
    })
}
