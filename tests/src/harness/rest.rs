//! Questions to the collector over plain HTTP.

use std::path::Path;
use std::time::Duration;

use herdbook_collector::serve::{CONTROL_FILE, CONTROL_HOST};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::wait::eventually;

/// A client of one collector.
#[derive(Clone, Debug)]
pub struct Rest {
    base: String,
    client: Client,
}

impl Rest {
    /// A client of the collector at `base`, such as `http://127.0.0.1:6121`.
    ///
    /// # Panics
    ///
    /// Never, unless the HTTP client cannot be built.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let client = client.build().expect("an HTTP client");
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// A client of the collector with this data directory, over its control socket: an admin.
    ///
    /// # Panics
    ///
    /// Never, unless the HTTP client cannot be built.
    #[must_use]
    pub fn over_control(data: &Path) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10));
        // A story may be slower than the collector keeps a connection that nobody uses.
        let client = client.unix_socket(data.join(CONTROL_FILE)).pool_max_idle_per_host(0);
        let client = client.build().expect("an HTTP client");
        Self { base: format!("http://{CONTROL_HOST}"), client }
    }

    /// The answer to `GET {path}`; `Null` stands for a body that is no JSON.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn try_get(&self, path: &str) -> Result<(StatusCode, Value), reqwest::Error> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// What `GET {path}` answers with status 200.
    ///
    /// # Panics
    ///
    /// Where the answer is anything else.
    pub async fn get(&self, path: &str) -> Value {
        match self.try_get(path).await {
            Ok((StatusCode::OK, body)) => body,
            other => panic!("GET {path}: expected 200, got {other:?}"),
        }
    }

    /// The text that `GET {path}` answers with status 200.
    ///
    /// # Panics
    ///
    /// Where the answer is anything else.
    pub async fn text(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        let answer = answer.unwrap_or_else(|e| panic!("GET {path}: {e:?}"));
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.text().await.unwrap_or_else(|e| panic!("GET {path}: {e:?}"))
    }

    /// The status of `GET {path}` sent with one header of the caller's.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn status_with(&self, path: &str, header: &str, value: &str) -> StatusCode {
        let request = self.client.get(format!("{}{path}", self.base)).header(header, value);
        request.send().await.unwrap_or_else(|e| panic!("GET {path}: {e:?}")).status()
    }

    /// The answer to any request: its status, and its body, `Null` for one that is no JSON.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        self.send_bytes(method, path, headers, body.map(|body| body.to_string().into_bytes())).await
    }

    /// The same with any bytes for a body, which says that it is JSON.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> (StatusCode, Value) {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
        let status = answer.status();
        let body = answer.bytes().await.unwrap_or_else(|e| panic!("{method} {path}: {e:?}"));
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The answer of a collector that may be gone, or go: `None` where there is none.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let body = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// `POST {path}` with a body.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// `PATCH {path}` with a body.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::PATCH, path, &[], Some(body)).await
    }

    /// `PUT {path}` with a body.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// `DELETE {path}`.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// One service, whole. `id` is an id or another name of it, as it stands.
    pub async fn service(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/services/{}", encoded(id))).await
    }

    /// Waits until the service is as wanted, and returns it.
    ///
    /// # Panics
    ///
    /// When `within` is over.
    pub async fn service_is(
        &self,
        id: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let path = format!("/api/v1/services/{}", encoded(id));
        self.becomes(&format!("service {id}: {what}"), &path, within, is_so).await
    }

    /// Waits until the host is as wanted, and returns it.
    ///
    /// # Panics
    ///
    /// When `within` is over.
    pub async fn host_is(
        &self,
        id: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let path = format!("/api/v1/hosts/{id}");
        self.becomes(&format!("host {id}: {what}"), &path, within, is_so).await
    }

    /// Waits until `GET {path}` answers with status 200 and what is wanted.
    async fn becomes(
        &self,
        what: &str,
        path: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let look = async || match self.try_get(path).await {
            Ok((StatusCode::OK, body)) if is_so(&body) => Ok(body),
            Ok((status, body)) => Err(format!("{status}: {body}")),
            Err(error) => Err(format!("{error:?}")),
        };
        eventually(what, within, look).await
    }

    /// All hosts.
    pub async fn hosts(&self) -> Vec<Value> {
        list(self.get("/api/v1/hosts").await, "hosts")
    }

    /// All services.
    pub async fn services(&self) -> Vec<Value> {
        list(self.get("/api/v1/services").await, "services")
    }

    /// One host, whole.
    pub async fn host(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/hosts/{id}")).await
    }
}

/// A segment of a path: what is not plain in one is percent-encoded.
#[must_use]
pub fn encoded(segment: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(byte).collect()
}

fn list(mut answer: Value, key: &str) -> Vec<Value> {
    match answer[key].take() {
        Value::Array(entries) => entries,
        other => panic!("expected a list of {key}, got {other}"),
    }
}
