//! A receiver of webhooks, as a chat server would be: it notes what it is sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::wait::eventually;

/// What it does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It takes it.
    Takes,
    /// It takes the connection, and never answers.
    Hangs,
    /// It answers with this status.
    Refuses(u16),
}

/// One message: the path that it came to, and what it is.
pub type Received = (String, Value);

/// See the module's words. It ends with its story.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    /// Starts one on a free port.
    pub async fn start(manners: Manners) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), manners).await
    }

    /// Starts one at this address.
    ///
    /// # Panics
    ///
    /// Where the port is taken.
    pub async fn start_at(address: SocketAddr, manners: Manners) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port for the receiver");
        let address = listener.local_addr().expect("the port of the receiver");
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let app = Router::new().fallback(receive).with_state((Arc::clone(&received), manners));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(axum::serve(listener, app).await) });
        Self { address, received, _tasks: tasks }
    }

    /// The URL of one of its paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that it was sent so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was sent something of which this is so.
    ///
    /// # Panics
    ///
    /// When `within` is over.
    pub async fn receives(
        &self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let look = async || {
            let received = self.received();
            let found = received.iter().find(|(_, body)| is_so(body));
            found.map(|(_, body)| body.clone()).ok_or_else(|| format!("{received:?}"))
        };
        eventually(&format!("the receiver gets {what}"), within, look).await
    }
}

/// An address at which nobody listens, for whoever comes later.
///
/// # Panics
///
/// Where no port is free.
pub async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("the free port")
}

type Noted = (Arc<Mutex<Vec<Received>>>, Manners);

async fn receive(
    State((received, manners)): State<Noted>,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    received.lock().unwrap_or_else(PoisonError::into_inner).push((uri.path().to_owned(), body));
    match manners {
        Manners::Takes => (StatusCode::OK, "ok"),
        Manners::Hangs => std::future::pending().await,
        Manners::Refuses(status) => {
            (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), "no_team")
        }
    }
}
