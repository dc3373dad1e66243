//! Sends one message to one URL, over a connection of its own. No redirect is followed and no
//! proxy is read from the environment; a name is looked up each time, and addresses that are
//! never dialled are left out; of the answer little is read. Nothing that it says holds the URL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderName, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::checks::dial::{self, Loopback};
use crate::checks::http::{self, Body, failure};
use crate::checks::lookup::Resolve;
use crate::checks::tls::Trust;
use crate::registry::check::probe::ProbeFailure;
use crate::secret::Secret;

use super::message::line;
use super::url::TargetUrl;

/// How much of an answer is read, bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// How much of it is told, characters.
const ANSWER_CHARS: usize = 200;
/// Shortest part of a URL or header that is looked for in an answer.
const SECRET_BYTES_MIN: usize = 6;

/// What came of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Sent(StatusCode),
    /// It was not, and will not be: the status, and what the answer said.
    Refused(StatusCode, String),
    /// It was not; perhaps later.
    Failed {
        /// Why.
        why: String,
        /// How long to wait, where the target said so.
        wait: Option<Duration>,
    },
}

/// Whoever can send a message; tests have their own.
pub(super) trait Post: Send + Sync + 'static {
    /// Sends this JSON.
    fn post(&self, body: String) -> impl Future<Output = Outcome> + Send;
}

/// What is dialled, and how.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) url: TargetUrl,
    pub(super) headers: Arc<[(HeaderName, Secret)]>,
    pub(super) timeout: Duration,
    pub(super) resolve: Resolve,
    pub(super) trust: Trust,
}

impl Post for Client {
    async fn post(&self, body: String) -> Outcome {
        match timeout(self.timeout, self.exchange(body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failure)) => Outcome::Failed { why: failure.to_string(), wait: None },
            Err(_) => {
                let why = format!("no answer within {} s", self.timeout.as_secs_f64());
                Outcome::Failed { why, wait: None }
            }
        }
    }
}

impl Client {
    async fn exchange(&self, body: String) -> Result<Outcome, ProbeFailure> {
        let request = self.request(body)?;
        let stream = self.dial().await?;
        let read = async |response| self.outcome(response).await;
        if !self.url.is_https() {
            return http::exchange(stream, request, read).await;
        }
        let plain = "its URL shall begin with http:".to_owned();
        let secure = self.trust.towards_host(self.url.host(), plain).await?;
        http::exchange(secure.over(stream).await?, request, read).await
    }

    async fn dial(&self) -> Result<TcpStream, ProbeFailure> {
        let (host, port) = (self.url.host(), self.url.port());
        let addresses = http::addresses(host, port, &self.resolve).await?;
        let never = |address: &SocketAddr| dial::never(address.ip(), Loopback::Allowed);
        let addresses = http::admitted(addresses, &never)?;
        http::dial(&addresses).await
    }

    fn request(&self, body: String) -> Result<Request<Full<Bytes>>, ProbeFailure> {
        let mut request = Request::post(self.url.target())
            .header(HOST, self.url.authority())
            .header(USER_AGENT, concat!("herdbook-collector/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json, */*;q=0.1")
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close");
        for (name, value) in self.headers.iter() {
            request = request.header(name, value.expose());
        }
        let request = request.body(Full::new(Bytes::from(body)));
        request.map_err(|_| failure("its URL or headers cannot be sent"))
    }

    async fn outcome(&self, response: Response<Incoming>) -> Result<Outcome, ProbeFailure> {
        let status = response.status();
        let wait =
            response.headers().get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
        if status.is_success() {
            return Ok(Outcome::Sent(status));
        }
        let is_for_now = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if is_for_now {
            return Ok(Outcome::Failed { why: status.to_string(), wait });
        }
        // What cannot be read to its end tells less than the status does.
        let words = match http::bounded(response.into_body(), ANSWER_BYTES_MAX).await {
            Ok(Body::Whole(bytes)) => self.told(&String::from_utf8_lossy(&bytes)),
            Ok(Body::TooLarge) | Err(_) => String::new(),
        };
        Ok(Outcome::Refused(status, words))
    }

    /// What an answer says, without what it repeats of the request's secrets.
    fn told(&self, answer: &str) -> String {
        let parts = self.url.target().split(['/', '?', '&', '=']);
        let headers = self.headers.iter().map(|(_, value)| value.expose());
        let headers = headers.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]);
        let secrets = headers.chain(parts).filter(|part| part.len() >= SECRET_BYTES_MIN);
        let told = secrets.fold(answer.to_owned(), |told, part| told.replace(part, "[secret]"));
        line(told.trim(), ANSWER_CHARS)
    }
}

/// A number of seconds, with decimals where somebody sends them; a date is not followed.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
