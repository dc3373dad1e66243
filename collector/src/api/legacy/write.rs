//! What old clients do: register, beat, promote, deregister.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::Api;
use crate::api::body::Body;
use crate::api::owner::Owner;
use crate::api::problem::Problem;
use crate::api::services::heartbeat;
use crate::registry::declare::Whole;
use crate::registry::declare::patch::ServicePatch;
use crate::registry::declare::remove::{Removal, Removed};
use crate::registry::moment::Moment;
use crate::registry::service::record::Declared;
use crate::registry::service::{Check, Role, ServiceType, Source};

use super::entry::{self, Status};

/// A service that registers itself; it promises to beat.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(in crate::api) struct Registration {
    name: String,
    r#type: ServiceType,
    url: String,
    role: Option<Role>,
    caps: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    ctx_limit: Option<u64>,
    cost_hint_usd_per_1k: Option<f64>,
    heartbeat_interval_s: Option<u64>,
    ttl_s: Option<u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::api) struct Registered {
    service_id: ServiceId,
    registered_at: Timestamp,
}

/// A service that says how it does.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "BeatOfOld")]
pub(in crate::api) struct Beat {
    service_id: String,
    status: Option<heartbeat::Status>,
    p95_ms: Option<f64>,
    queue_depth: Option<u64>,
    load: Option<f64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "BeatTaken")]
pub(in crate::api) struct Taken {
    service_id: ServiceId,
    status: Status,
    last_heartbeat_ts: Option<Timestamp>,
    heartbeat_interval_s: Option<u64>,
    ttl_s: Option<u64>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PromotionOfOld")]
pub(in crate::api) struct Promotion {
    service_id: String,
    role: Role,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(in crate::api) struct Leave {
    service_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::api) struct Left {
    service_id: ServiceId,
    deregistered_at: Timestamp,
}

/// `POST /register`: the same name, type and URL are the same service.
pub(super) async fn register(
    State(api): State<Api>,
    Owner(owner): Owner,
    Body(registration): Body<Registration>,
) -> Result<Json<Registered>, Problem> {
    api.may_write()?;
    let whole = Whole::of(Source::Own, registration.declared())?.owned_by(owner);
    let upserted = api.registry.upsert(whole, Moment::now())?;
    api.kept().await?;
    let (service_id, facts) = (upserted.entry.id.clone(), &upserted.entry.facts);
    Ok(Json(Registered { service_id, registered_at: facts.registered_at }))
}

/// `PUT /heartbeat`. Nothing of a beat has to be kept before it is answered: the next one says
/// the same.
pub(super) async fn heartbeat(
    State(api): State<Api>,
    Owner(owner): Owner,
    Body(beat): Body<Beat>,
) -> Result<Json<Taken>, Problem> {
    let Beat { service_id, status, p95_ms, queue_depth, load } = beat;
    let beat = heartbeat::Form { status, p95_ms, queue_depth, load }.beat()?;
    api.registry.is_for(&service_id, owner.as_deref())?;
    let service = api.registry.beat(&service_id, beat, Moment::now());
    let service = service.map_err(heartbeat::refused)?;
    Ok(Json(Taken {
        service_id: service.id.clone(),
        status: Status::of(&service),
        last_heartbeat_ts: service.live.beat_at(),
        heartbeat_interval_s: service.facts.heartbeat_interval_s,
        ttl_s: service.facts.ttl_s,
    }))
}

/// `POST /promote`, answered with the service.
pub(super) async fn promote(
    State(api): State<Api>,
    Body(promotion): Body<Promotion>,
) -> Result<Json<Map<String, Value>>, Problem> {
    api.may_write()?;
    let patch = ServicePatch { role: Some(Some(promotion.role)), ..ServicePatch::default() };
    let service = api.registry.patch_service(&promotion.service_id, patch, None, Moment::now())?;
    api.kept().await?;
    Ok(Json(entry::of(&service)))
}

/// `POST /deregister`
pub(super) async fn deregister(
    State(api): State<Api>,
    Owner(caller): Owner,
    Body(leave): Body<Leave>,
) -> Result<Json<Left>, Problem> {
    api.may_write()?;
    let moment = Moment::now();
    let removal = Removal { caller, ..Removal::default() };
    let removed = api.catalogs.withdraw_service(&leave.service_id, removal, moment)?;
    api.kept().await?;
    let (Removed::Gone(service) | Removed::Stays(service)) = removed;
    Ok(Json(Left { service_id: service.id.clone(), deregistered_at: moment.at }))
}

impl Registration {
    fn declared(self) -> Declared {
        Declared {
            name: Some(self.name),
            r#type: Some(self.r#type),
            url: Some(self.url),
            check: Some(Check::Heartbeat),
            role: self.role,
            caps: self.caps,
            labels: self.labels,
            ctx_limit: self.ctx_limit,
            cost_hint_usd_per_1k: self.cost_hint_usd_per_1k,
            heartbeat_interval_s: self.heartbeat_interval_s,
            ttl_s: self.ttl_s,
            ..Declared::default()
        }
    }
}
