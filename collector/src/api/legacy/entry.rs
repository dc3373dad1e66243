//! A service as old clients know it: their names beside the new ones, and their three statuses.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::registry::service::{ServiceEntry, ServiceStatus};
use crate::registry::view::service::ServiceView;

/// How a service does, as old clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "StatusOfOld")]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Status {
    /// It can be used.
    Ok,
    /// It can, with something wrong, or is to be left alone.
    Degraded,
    /// It cannot, or nobody knows.
    Down,
}

impl Status {
    pub(super) fn of(service: &ServiceEntry) -> Self {
        match service.shown_status() {
            ServiceStatus::Healthy => Self::Ok,
            ServiceStatus::Degraded | ServiceStatus::Draining => Self::Degraded,
            ServiceStatus::Unknown | ServiceStatus::Unhealthy | ServiceStatus::Down => Self::Down,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Whether old clients are offered it: never one that drains, however it does.
pub(super) fn is_discovered(service: &ServiceEntry) -> bool {
    !service.drains() && Status::of(service) != Status::Down
}

/// One entry. Its `status` is the old one; everything else of the new view keeps its name.
pub(super) fn of(service: &ServiceEntry) -> Map<String, Value> {
    let view = serde_json::to_value(ServiceView::of(service));
    let Ok(Value::Object(mut entry)) = view else { return Map::new() };
    let old = [
        ("service_id", Value::from(service.id.as_str())),
        ("status", Value::from(Status::of(service).word())),
        ("last_heartbeat_ts", entry.get("last_heartbeat").cloned().unwrap_or_default()),
    ];
    entry.extend(old.map(|(name, value)| (name.to_owned(), value)));
    entry
}
