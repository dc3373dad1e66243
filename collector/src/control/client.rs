//! Asks over the socket: HTTP/1.1, one request after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ControlError;
use crate::serve::{CONTROL_FILE, CONTROL_HOST, connect_control};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Largest answer.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A connection to the collector.
#[derive(Debug)]
pub(super) struct Client {
    path: PathBuf,
    sender: http1::SendRequest<Full<Bytes>>,
    /// Carries the connection.
    _carrying: JoinSet<()>,
}

impl Client {
    pub(super) async fn connect(dir: &Path) -> Result<Self, ControlError> {
        let path = dir.join(CONTROL_FILE);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotRunning { dir: dir.to_owned() }
            }
            _ => ControlError::Io { path: path.clone(), source },
        };
        let stream = connect_control(dir).await.map_err(failed)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| failed(io::Error::other(error)))?;
        let mut carrying = JoinSet::new();
        // What breaks it is told by the request that it was to carry.
        carrying.spawn(async move { drop(connection.await) });
        Ok(Self { path, sender, _carrying: carrying })
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value, ControlError> {
        self.done(Method::GET, path, None).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, ControlError> {
        self.done(Method::POST, path, Some(body)).await
    }

    /// Whether there was something to delete.
    pub(super) async fn delete(&mut self, path: &str) -> Result<bool, ControlError> {
        let (status, answer) = self.ask(Method::DELETE, path, None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        told(status, answer).map(|_| true)
    }

    pub(super) async fn must_delete(&mut self, path: &str) -> Result<(), ControlError> {
        self.done(Method::DELETE, path, None).await.map(drop)
    }

    async fn done(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ControlError> {
        let (status, answer) = self.ask(method, path, body).await?;
        told(status, answer)
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ControlError> {
        let failed = |error: io::Error| ControlError::Io { path: self.path.clone(), source: error };
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let request = request.header(header::HOST, CONTROL_HOST);
        let request = match body {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let request = request.body(Full::from(text)).map_err(|e| failed(io::Error::other(e)))?;
        let asking = async {
            let response = self.sender.send_request(request).await.map_err(io::Error::other)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            Ok((status, body.map_err(io::Error::other)?.to_bytes()))
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let answered = timeout(ANSWER_WITHIN, asking).await.map_err(late).flatten();
        let (status, bytes) = answered.map_err(failed)?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let unreadable = |_| ControlError::Unreadable { path: self.path.clone() };
        Ok((status, serde_json::from_slice(&bytes).map_err(unreadable)?))
    }
}

fn told(status: StatusCode, answer: Value) -> Result<Value, ControlError> {
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer["detail"].as_str().map(str::to_owned);
    Err(ControlError::Refused(detail.unwrap_or_else(|| status.to_string())))
}
