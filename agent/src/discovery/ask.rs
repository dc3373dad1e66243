//! How a server is asked: one question, one bounded answer. The socket is in `client`; tests answer
//! without one.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::StatusCode;

use super::answer::NotTheAnswer;

/// A small answer: a version, a state.
pub(super) const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Properties of a server, which may carry the template of a model.
pub(super) const PROPERTIES_BYTES_MAX: usize = 1024 * 1024;
/// A list of models.
pub(super) const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest `Server` header that is kept.
pub(super) const SERVER_HEADER_BYTES_MAX: usize = 128;

/// What touches no model and no lock answers within this, or not at all.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);
/// What reads files, or waits for a scheduler.
pub(super) const IN_A_MOMENT: Duration = Duration::from_secs(5);

/// One question. Nothing but `GET`, except for what Ollama tells of a model by `POST` alone.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) path: &'a str,
    /// JSON to be posted.
    pub(super) body: Option<String>,
    pub(super) max_bytes: usize,
    /// From the connection to the last byte.
    pub(super) deadline: Duration,
}

impl<'a> Question<'a> {
    /// A question with a small answer that comes at once.
    pub(super) fn get(path: &'a str) -> Self {
        Self { path, body: None, max_bytes: SMALL_BYTES_MAX, deadline: AT_ONCE }
    }

    pub(super) fn post(path: &'a str, body: String) -> Self {
        Self { body: Some(body), ..Self::get(path) }
    }

    pub(super) fn up_to(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    pub(super) fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The `Server` header.
    pub(super) server: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The body of an answer that is one.
    pub(super) fn ok(&self) -> Result<&[u8], ProbeError> {
        match self.status {
            StatusCode::OK => Ok(&self.body),
            StatusCode::UNAUTHORIZED => Err(ProbeError::Credential(self.status)),
            StatusCode::FORBIDDEN if self.body.is_empty() => Err(ProbeError::Turned),
            StatusCode::FORBIDDEN => Err(ProbeError::Credential(self.status)),
            status if status.is_redirection() => Err(ProbeError::Redirect(status)),
            status => Err(ProbeError::Status(status)),
        }
    }

    /// Whether the route is none that this server has.
    pub(super) fn is_absent(&self) -> bool {
        matches!(
            self.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        )
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("nothing listens")]
    Refused,
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// Nothing is known of the server by that.
    #[error("cannot connect")]
    Unreached(#[source] reqwest::Error),
    #[error("closed the connection: perhaps it speaks TLS")]
    Closed(#[source] reqwest::Error),
    #[error("the connection broke off")]
    Broken(#[source] reqwest::Error),
    #[error("answered {0}: it needs a credential")]
    Credential(StatusCode),
    /// Ollama turns away who asks by a name that it does not know, without a word.
    #[error("answered 403 without a word: it refuses the name by which it was asked")]
    Turned,
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

impl ProbeError {
    /// Whether an answer came, in words that are not those of this route.
    pub(super) fn is_of_another(&self) -> bool {
        match self {
            Self::NotTheAnswer(_) | Self::Redirect(_) | Self::TooLarge(_) => true,
            Self::Status(status) => status.is_client_error(),
            _ => false,
        }
    }
}

/// A question without an answer, and which one it was.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub(super) struct Unanswered {
    pub(super) path: &'static str,
    pub(super) error: ProbeError,
}

impl Unanswered {
    /// The error's own cause, for the log.
    pub(super) fn cause(&self) -> Option<String> {
        std::error::Error::source(&self.error).map(ToString::to_string)
    }
}

/// What becomes of the connection when an answer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Connection {
    /// A server that answers one caller at a time is there for the others again at once.
    #[default]
    Closed,
    /// It serves for the next question.
    Kept,
}

/// A server that can be asked. Whoever implements it opens one connection at most, and keeps the
/// question's bounds.
pub(super) trait Ask: Send + Sync {
    /// What becomes of the connection from now on.
    fn hold(&mut self, connection: Connection);

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ProbeError>>;
}

/// Asks, and reads the answer where its status is 200.
pub(super) async fn read<T>(
    server: &dyn Ask,
    path: &'static str,
    question: Question<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, NotTheAnswer> + Send,
) -> Result<T, Unanswered> {
    let because = |error| Unanswered { path, error };
    let reply = server.ask(question).await.map_err(because)?;
    let body = reply.ok().map_err(because)?;
    read(body).map_err(|error| because(error.into()))
}
