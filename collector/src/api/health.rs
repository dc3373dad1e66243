//! Whether the collector lives (`/healthz`), is ready (`/readyz`), and what old clients ask
//! (`/health`). Open to all, but under our own host names only, like everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::sync::watch;

use super::guard::Routes;
use crate::auth::Action;
use crate::series::HistoryState;
use crate::store::StoreState;

/// What `/readyz` tells.
#[derive(Debug)]
pub struct Readiness {
    restored: AtomicBool,
    store: watch::Receiver<StoreState>,
    history: watch::Receiver<HistoryState>,
}

/// How ready the collector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has not restored what it knew yet.
    Starting,
    /// It serves, and all is well.
    Ready,
    /// It serves, and something is wrong with it.
    Degraded,
}

#[derive(Debug, Serialize)]
struct Report {
    status: Status,
    store: StoreState,
    history: HistoryState,
}

impl Readiness {
    /// Not ready yet; `store` tells how the database does, `history` how that of samples does.
    #[must_use]
    pub fn new(store: watch::Receiver<StoreState>, history: watch::Receiver<HistoryState>) -> Self {
        Self { restored: AtomicBool::new(false), store, history }
    }

    /// The registry holds what the store knew.
    pub fn set_restored(&self) {
        self.restored.store(true, Ordering::Release);
    }

    /// How ready the collector is now.
    #[must_use]
    pub fn status(&self) -> Status {
        if !self.restored.load(Ordering::Acquire) {
            Status::Starting
        } else if *self.store.borrow() == StoreState::Ok
            && *self.history.borrow() == HistoryState::Ok
        {
            Status::Ready
        } else {
            Status::Degraded
        }
    }
}

/// The three paths.
pub fn routes<S: Clone + Send + Sync + 'static>(readiness: Arc<Readiness>) -> Routes<S> {
    Routes::new()
        .on(Action::Health, "/healthz", get(ok))
        .on(Action::Health, "/health", get(ok))
        .on(Action::Health, "/readyz", get(ready))
        .with_state(readiness)
}

async fn ok() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

/// A degraded collector is still the one to ask: it answers 200 and says what is wrong.
async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let status = readiness.status();
    let code = match status {
        Status::Starting => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ready | Status::Degraded => StatusCode::OK,
    };
    let (store, history) = (*readiness.store.borrow(), *readiness.history.borrow());
    (code, Json(Report { status, store, history })).into_response()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn told(readiness: &Arc<Readiness>) -> (u16, serde_json::Value) {
        let response = ready(State(Arc::clone(readiness))).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn is_starting_then_ready_then_degraded_then_ready() {
        let (store, receiver) = watch::channel(StoreState::Ok);
        let (history, history_receiver) = watch::channel(HistoryState::Ok);
        let readiness = Arc::new(Readiness::new(receiver, history_receiver));
        let said = |status: &str, store: &str| serde_json::json!({"status": status, "store": store, "history": "ok"});
        assert_eq!(told(&readiness).await, (503, said("starting", "ok")));
        readiness.set_restored();
        assert_eq!(told(&readiness).await, (200, said("ready", "ok")));
        store.send_replace(StoreState::DiskFull);
        assert_eq!(told(&readiness).await, (200, said("degraded", "disk_full")));
        store.send_replace(StoreState::Ok);
        assert_eq!(told(&readiness).await, (200, said("ready", "ok")));
        history.send_replace(HistoryState::Failing);
        let (code, report) = told(&readiness).await;
        assert_eq!((code, &report["status"]), (200, &"degraded".into()));
        assert_eq!(report["history"], "failing");
    }
}
