//! Asks one server: plain HTTP, one connection, every answer bounded in bytes and in time.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{CONNECTION, CONTENT_TYPE, HOST, SERVER};
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep_until, timeout};

use super::ask::{
    Ask, Connection, ProbeError, Question, Reply, SERVER_HEADER_BYTES_MAX, SMALL_BYTES_MAX,
};

/// Longer than the longest pause between two questions, so that one connection serves for all.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(90);
/// A connection is closed before the next one opens: the server never sees two.
const CLOSING_TAKES: Duration = Duration::from_millis(50);

/// The connection pool of all servers. It reads no proxy from the environment, and unpacks
/// nothing: a body is as large as it came.
pub(super) fn http() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_CONNECTION_KEPT)
        .user_agent(concat!("herdbook-agent/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// How servers are reached; tests reach some without a socket.
pub(super) trait Reach: Clone + Send + Sync {
    type Server: Ask;

    /// Whoever listens there.
    fn at(&self, target: SocketAddr) -> Self::Server;
}

impl Reach for reqwest::Client {
    type Server = Client;

    fn at(&self, target: SocketAddr) -> Client {
        let next_at = Mutex::new(Instant::now());
        Client { http: self.clone(), target, connection: Connection::Closed, next_at }
    }
}

/// A server at a socket address.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    target: SocketAddr,
    connection: Connection,
    /// When the last connection is closed, if it was one to be closed.
    next_at: Mutex<Instant>,
}

impl Client {
    fn request(&self, question: &Question<'_>) -> reqwest::RequestBuilder {
        let url = format!("http://{}{}", self.target, question.path);
        // A server on loopback refuses names that it does not know; this one it always knows.
        let host = format!("127.0.0.1:{}", self.target.port());
        let request = match &question.body {
            None => self.http.get(url),
            Some(body) => {
                self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
        };
        let request = request.header(HOST, host);
        match self.connection {
            // One that was kept until now is used a last time.
            Connection::Closed => request.header(CONNECTION, "close"),
            Connection::Kept => request,
        }
    }

    /// Who hangs up after some seconds (uvicorn, cpp-httplib) may do so while a question is on its
    /// way to him; it is asked once more then.
    async fn bounded(&self, question: Question<'_>) -> Result<Reply, ProbeError> {
        match self.once(&question).await {
            Err(ProbeError::Closed(_)) if self.connection == Connection::Kept => {
                self.once(&question).await
            }
            reply => reply,
        }
    }

    async fn once(&self, question: &Question<'_>) -> Result<Reply, ProbeError> {
        let next_at = *self.next_at.lock().unwrap_or_else(PoisonError::into_inner);
        sleep_until(next_at).await;
        let reply = reply(self.request(question), question.max_bytes);
        let within = question.deadline;
        let reply = timeout(within, reply).await.unwrap_or(Err(ProbeError::Silent(within)));
        if self.connection == Connection::Closed || reply.is_err() {
            let next_at = Instant::now() + CLOSING_TAKES;
            *self.next_at.lock().unwrap_or_else(PoisonError::into_inner) = next_at;
        }
        reply
    }
}

impl Ask for Client {
    fn hold(&mut self, connection: Connection) {
        self.connection = connection;
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ProbeError>> {
        self.bounded(question).boxed()
    }
}

async fn reply(request: reqwest::RequestBuilder, max_bytes: usize) -> Result<Reply, ProbeError> {
    let response = request.send().await.map_err(unanswered)?;
    let status = response.status();
    let header = response.headers().get(SERVER).and_then(|value| value.to_str().ok());
    let server = header.map(|text| text.chars().take(SERVER_HEADER_BYTES_MAX).collect());
    let max_bytes = if status.is_success() { max_bytes } else { SMALL_BYTES_MAX };
    let body = read_bounded(response, max_bytes).await?;
    Ok(Reply { status, server, body })
}

async fn read_bounded(
    mut response: reqwest::Response,
    max_bytes: usize,
) -> Result<Vec<u8>, ProbeError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ProbeError::Broken)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(ProbeError::TooLarge(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a request was not answered. Only a refusal tells that nothing listens; that there is no
/// way to a server (no port left to call from, say) tells nothing of it.
fn unanswered(error: reqwest::Error) -> ProbeError {
    if is_refusal(&error) {
        ProbeError::Refused
    } else if error.is_connect() {
        ProbeError::Unreached(error)
    } else {
        ProbeError::Closed(error)
    }
}

fn is_refusal(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let kind = inner.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests;
