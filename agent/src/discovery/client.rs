//! Asks one Ollama: plain HTTP, one connection, every answer bounded in bytes and in time.
//!
//! Four calls and no other: none of them loads a model, and none leaves the host.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HOST};
use reqwest::redirect::Policy;
use tokio::time::{sleep, timeout};

use super::answer::{self, Installed, List, Loaded, NotTheAnswer, Shown};

const VERSION_BYTES_MAX: usize = 64 * 1024;
const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;
const SHOW_BYTES_MAX: usize = 1024 * 1024;
/// Longer than the longest pause between two questions, so that one connection serves for all.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(90);

/// An abandoned connection is closed before the next one opens: the server never sees two.
const CLOSING_TAKES: Duration = Duration::from_millis(50);

/// How long an answer may take, from the connection to the last byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// It touches no model and no lock: later than this is no answer.
    pub(super) version: Duration,
    /// It may wait for a model that is loaded or unloaded.
    pub(super) loaded: Duration,
    /// A server that just started reads the head of every model first.
    pub(super) installed_first: Duration,
    pub(super) installed: Duration,
    pub(super) show: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            version: Duration::from_secs(2),
            loaded: Duration::from_secs(2),
            installed_first: Duration::from_secs(30),
            installed: Duration::from_secs(5),
            show: Duration::from_secs(5),
        }
    }
}

/// Whether the server was asked for its models since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    First,
    Again,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("nothing listens")]
    Refused,
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the connection broke off")]
    Broken(#[source] reqwest::Error),
    #[error("answered {0}: it needs a credential, or refuses this host")]
    Credential(StatusCode),
    #[error("answered with a redirect ({0}), which is not followed")]
    Redirect(StatusCode),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
    #[error("answered something else: {0}")]
    NotTheAnswer(NotTheAnswer),
}

impl From<NotTheAnswer> for ProbeError {
    fn from(error: NotTheAnswer) -> Self {
        Self::NotTheAnswer(error)
    }
}

/// What the prober asks of a server; tests answer it without a socket.
pub(super) trait Ask: Clone + Send + Sync {
    /// Is it alive, and which version?
    fn version(&self) -> impl Future<Output = Result<String, ProbeError>> + Send;
    /// Which models are loaded?
    fn loaded(&self) -> impl Future<Output = Result<List<Loaded>, ProbeError>> + Send;
    /// Which models are installed?
    fn installed(
        &self,
        asked: Asked,
    ) -> impl Future<Output = Result<List<Installed>, ProbeError>> + Send;
    /// What does the list not tell of this model?
    fn show(&self, model: &str) -> impl Future<Output = Result<Shown, ProbeError>> + Send;
}

/// The connection pool of all servers. It reads no proxy from the environment.
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

/// An Ollama at a socket address.
#[derive(Clone, Debug)]
pub(super) struct OllamaClient {
    http: reqwest::Client,
    target: SocketAddr,
    deadlines: Deadlines,
}

impl OllamaClient {
    pub(super) fn new(http: reqwest::Client, target: SocketAddr, deadlines: Deadlines) -> Self {
        Self { http, target, deadlines }
    }

    async fn get(
        &self,
        path: &str,
        max_bytes: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, ProbeError> {
        self.ask(self.http.get(self.url(path)), max_bytes, deadline).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.target)
    }

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        max_bytes: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, ProbeError> {
        // A server on loopback refuses names that it does not know; this one it always knows.
        let host = format!("127.0.0.1:{}", self.target.port());
        let answer = async {
            let response = request.header(HOST, host).send().await.map_err(classify)?;
            check_status(response.status())?;
            read_bounded(response, max_bytes).await
        };
        let answer = timeout(deadline, answer).await.unwrap_or(Err(ProbeError::Silent(deadline)));
        if matches!(answer, Err(ProbeError::Silent(_) | ProbeError::TooLarge(_))) {
            sleep(CLOSING_TAKES).await;
        }
        answer
    }
}

impl Ask for OllamaClient {
    async fn version(&self) -> Result<String, ProbeError> {
        let body = self.get("/api/version", VERSION_BYTES_MAX, self.deadlines.version).await?;
        Ok(answer::version(&body)?)
    }

    async fn loaded(&self) -> Result<List<Loaded>, ProbeError> {
        let body = self.get("/api/ps", LIST_BYTES_MAX, self.deadlines.loaded).await?;
        Ok(answer::loaded(&body)?)
    }

    async fn installed(&self, asked: Asked) -> Result<List<Installed>, ProbeError> {
        let deadline = match asked {
            Asked::First => self.deadlines.installed_first,
            Asked::Again => self.deadlines.installed,
        };
        let body = self.get("/api/tags", LIST_BYTES_MAX, deadline).await?;
        Ok(answer::installed(&body)?)
    }

    async fn show(&self, model: &str) -> Result<Shown, ProbeError> {
        let question = serde_json::json!({"model": model, "verbose": false}).to_string();
        let request = self
            .http
            .post(self.url("/api/show"))
            .header(CONTENT_TYPE, "application/json")
            .body(question);
        let body = self.ask(request, SHOW_BYTES_MAX, self.deadlines.show).await?;
        Ok(answer::shown(&body)?)
    }
}

fn check_status(status: StatusCode) -> Result<(), ProbeError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProbeError::Credential(status)),
        _ if status.is_redirection() => Err(ProbeError::Redirect(status)),
        _ => Err(ProbeError::Status(status)),
    }
}

async fn read_bounded(
    mut response: reqwest::Response,
    max_bytes: usize,
) -> Result<Vec<u8>, ProbeError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(ProbeError::TooLarge(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Nothing listens where the connection is refused, or where the address itself is gone.
fn classify(error: reqwest::Error) -> ProbeError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let kind = inner.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable,
        ) = kind
        {
            return ProbeError::Refused;
        }
        cause = inner.source();
    }
    ProbeError::Broken(error)
}

#[cfg(test)]
mod tests;
