//! A service as it is told to the outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{ServiceState, ToldBy};
use serde::Serialize;

use crate::registry::finding::Finding;
use crate::registry::service::record::Records;
use crate::registry::service::{
    Check, Model, Reachable, Role, ServiceEntry, ServiceStatus, ServiceType, Source,
};

use super::missing::{Reasons, give_reasons, why_no_place};

/// Everything about a service.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Service")]
#[expect(missing_docs, reason = "the fields of the entry, documented there")]
pub struct ServiceView<'a> {
    pub id: &'a ServiceId,
    pub aliases: Vec<&'a str>,
    pub revision: u64,
    pub name: &'a str,
    pub r#type: ServiceType,
    pub kind: &'a str,
    pub url: &'a str,
    pub host_id: Option<&'a HostId>,
    pub gpu_ids: &'a [String],
    pub unit: Option<&'a str>,
    pub container: Option<&'a str>,
    /// It listens beyond loopback.
    pub exposed: bool,
    pub asks_credential: Option<bool>,
    /// The header that its checks send; what it holds is never told.
    pub credential_header: Option<&'a str>,
    pub sources: Vec<Source>,
    pub check: Check,
    pub status: ServiceStatus,
    pub unconfirmed: bool,
    pub flapping: bool,
    pub state: Option<ServiceState>,
    pub state_told_by: Option<ToldBy>,
    pub reachable: Reachable,
    pub version: Option<&'a str>,
    pub role: Role,
    pub caps: Vec<&'a str>,
    pub labels: &'a BTreeMap<String, String>,
    pub priority: i32,
    pub drain: bool,
    pub last_check: Option<Timestamp>,
    pub last_heartbeat: Option<Timestamp>,
    pub last_error: Option<&'a str>,
    pub last_error_at: Option<Timestamp>,
    pub consecutive_failures: u32,
    pub pending: u64,
    pub total: u64,
    pub latency_ms_avg: Option<u64>,
    pub check_latency_ms_avg: Option<u64>,
    pub models: Vec<ModelView<'a>>,
    pub models_left_out: u64,
    pub ctx_limit: Option<u64>,
    pub cost_hint_usd_per_1k: Option<f64>,
    pub heartbeat_interval_s: Option<u64>,
    pub ttl_s: Option<u64>,
    pub p95_ms: Option<f64>,
    pub requests_running: Option<u64>,
    pub queue_depth: Option<u64>,
    pub load: Option<f64>,
    pub registered_at: Timestamp,
    pub findings: &'a [Finding],
    pub missing: Reasons<'static>,
}

impl<'a> ServiceView<'a> {
    /// Of a service.
    #[must_use]
    pub fn of(service: &'a ServiceEntry) -> Self {
        let (facts, live) = (&service.facts, &service.live);
        let found = facts.found();
        let models = facts.models.iter().map(|model| ModelView::of(service, model));
        let mut view = Self {
            id: &service.id,
            aliases: service.aliases(),
            revision: service.revision,
            name: &facts.name,
            r#type: facts.r#type,
            kind: &facts.kind,
            url: &facts.url,
            host_id: service.host_id(),
            gpu_ids: found.map_or(&[], |found| &found.gpu_ids),
            unit: found.and_then(|found| found.unit.as_deref()),
            container: found.and_then(|found| found.container.as_deref()),
            exposed: facts.is_exposed(),
            asks_credential: found.and_then(|found| found.asks_credential),
            credential_header: credential_header(&facts.records),
            sources: facts.records.sources(),
            check: facts.check,
            status: service.shown_status(),
            unconfirmed: service.unconfirmed,
            flapping: service.flapping,
            state: service.state,
            state_told_by: found
                .and_then(|found| found.state_told_by)
                .filter(|_| service.state.is_some()),
            reachable: facts.reachable,
            version: facts.version.as_deref(),
            role: facts.role,
            caps: service.capabilities(),
            labels: &facts.labels,
            priority: facts.priority,
            drain: service.drains(),
            last_check: live.checked_at(),
            last_heartbeat: live.beat_at(),
            last_error: facts.last_error.as_deref(),
            last_error_at: facts.last_error_at,
            consecutive_failures: live.consecutive_failures(),
            pending: live.pending(),
            total: live.total(),
            latency_ms_avg: live.latency_ms_avg(),
            check_latency_ms_avg: live.check_latency_ms_avg(),
            models: models.collect(),
            models_left_out: facts.models_left_out,
            ctx_limit: facts.ctx_limit,
            cost_hint_usd_per_1k: facts.cost_hint_usd_per_1k,
            heartbeat_interval_s: facts.heartbeat_interval_s,
            ttl_s: facts.ttl_s,
            p95_ms: live.p95_ms(),
            requests_running: service.requests_running(),
            queue_depth: service.queue_depth(),
            load: live.load(),
            registered_at: facts.registered_at,
            findings: &service.findings,
            missing: Reasons::new(),
        };
        view.give_reasons(service.tells_warmth());
        view
    }

    fn give_reasons(&mut self, tells_warmth: bool) {
        let unknown = MissingReason::CannotTell;
        let moving = if self.state.is_none() && self.check == Check::Agent {
            MissingReason::Stale
        } else {
            unknown
        };
        if !tells_warmth {
            self.missing.extend([("warm", moving), ("loading", moving)]);
        }
        let no_place = why_no_place(self.unit, self.container);
        give_reasons!(self, moving, [state, state_told_by, requests_running, queue_depth]);
        give_reasons!(self, no_place, [unit, container]);
        give_reasons!(self, unknown, [asks_credential]);
    }
}

fn credential_header(records: &Records) -> Option<&str> {
    let credential = records.declared().find_map(|declared| declared.credential.as_deref());
    credential.map(|credential| credential.header.as_str())
}

/// A model on a service.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Model")]
#[expect(missing_docs, reason = "the fields of the wire's model, documented there")]
pub struct ModelView<'a> {
    pub name: &'a str,
    pub digest: Option<&'a str>,
    pub size_bytes: Option<u64>,
    pub parameters: Option<&'a str>,
    pub quantization: Option<&'a str>,
    pub family: Option<&'a str>,
    pub context_length: Option<u64>,
    pub capabilities: &'a [Arc<str>],
    /// `None` while the service cannot be told.
    pub warm: Option<bool>,
    /// Likewise.
    pub loading: Option<bool>,
    pub vram_bytes: Option<u64>,
    pub loaded_context_length: Option<u64>,
    pub expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<&'static str>,
    pub remote: bool,
}

impl<'a> ModelView<'a> {
    /// Of a model on its service.
    #[must_use]
    pub fn of(service: &ServiceEntry, model: &'a Model) -> Self {
        let known = service.tells_warmth();
        let expires = known && model.warm && !model.is_kept;
        let expires_at = service.live.expires_at(&model.name).filter(|_| expires);
        Self {
            name: &model.name,
            digest: model.digest.as_deref(),
            size_bytes: model.size_bytes,
            parameters: model.parameters.as_deref(),
            quantization: model.quantization.as_deref(),
            family: model.family.as_deref(),
            context_length: model.context_length,
            capabilities: &model.capabilities,
            warm: known.then_some(model.warm),
            loading: known.then_some(model.loading),
            vram_bytes: model.vram_bytes.filter(|_| known),
            loaded_context_length: model.loaded_context_length.filter(|_| known),
            expires_at,
            keep: model.is_kept.then_some("forever"),
            remote: model.remote,
        }
    }
}

/// What a table of the fleet needs of a service.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the fields of the full view, in short")]
pub struct ServiceSummary<'a> {
    pub id: &'a ServiceId,
    pub host_id: Option<&'a HostId>,
    pub name: &'a str,
    pub kind: &'a str,
    pub status: ServiceStatus,
    pub state: Option<ServiceState>,
    pub version: Option<&'a str>,
    pub reachable: Reachable,
    pub n_models: usize,
    pub warm: Vec<&'a str>,
}

impl<'a> ServiceSummary<'a> {
    /// Of a service.
    #[must_use]
    pub fn of(service: &'a ServiceEntry) -> Self {
        Self {
            id: &service.id,
            host_id: service.host_id(),
            name: &service.facts.name,
            kind: &service.facts.kind,
            status: service.shown_status(),
            state: service.state,
            version: service.facts.version.as_deref(),
            reachable: service.facts.reachable,
            n_models: service.facts.models.len(),
            warm: service.warm().map(AsRef::as_ref).collect(),
        }
    }
}
