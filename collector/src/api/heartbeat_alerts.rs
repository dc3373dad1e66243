//! `GET /alerts`, as clients know it that were there before this API: what became of services
//! that beat.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::auth::Action;
use crate::journal::HeartbeatAlert;

use super::Api;
use super::guard::Routes;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeartbeatAlertList {
    /// The last 1,000, the newest last.
    pub alerts: Vec<HeartbeatAlert>,
}

/// Its route.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/alerts", get(list))
}

async fn list(State(api): State<Api>) -> Json<HeartbeatAlertList> {
    Json(HeartbeatAlertList { alerts: api.heartbeat_alerts.all() })
}
