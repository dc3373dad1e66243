//! A host as it is told to the outside.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId, SessionId};
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::Sample;
use serde::Serialize;

use crate::registry::finding::{Code, Finding, Severity};
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::session::Session;
use crate::registry::slow::Slow;

use super::detail::DetailView;
use super::gpu::FullGpuView;
use super::machine::{AddressView, SystemView};
use super::missing::{Reasons, reasons};
use super::resources::{ResourcesView, vram, why};
use super::{percent, rounded};

/// Everything about a host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Host")]
#[expect(missing_docs, reason = "the fields of the entry, documented there")]
pub struct HostView<'a> {
    pub id: &'a HostId,
    pub revision: u64,
    pub name: &'a str,
    pub status: HostStatus,
    pub status_since: Timestamp,
    pub role: &'a str,
    pub labels: Cow<'a, BTreeMap<String, String>>,
    pub notes: &'a str,
    pub drain: bool,
    pub expected_absent: bool,
    pub agent_version: &'a str,
    pub protocol: u32,
    pub first_seen: Timestamp,
    pub last_seen: Option<Timestamp>,
    pub clock_skew_ms: Option<i64>,
    pub latency_ms: Option<u64>,
    pub interval_ms: u64,
    pub session: Option<OpenSessionView<'a>>,
    pub addresses: &'a [String],
    pub address_details: Vec<AddressView<'a>>,
    pub system: Option<SystemView<'a>>,
    pub resources: Option<ResourcesView<'a>>,
    pub detail: Option<DetailView<'a>>,
    pub gpus: Option<Vec<FullGpuView<'a>>>,
    pub services: &'a [ServiceId],
    pub findings: &'a [Finding],
    pub missing: Reasons<'a>,
}

/// The open session of a host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "OpenSession")]
pub struct OpenSessionView<'a> {
    /// Which.
    pub id: &'a SessionId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// From where.
    pub remote_address: String,
}

impl<'a> OpenSessionView<'a> {
    /// Of a session.
    #[must_use]
    pub fn of(session: &'a Session) -> Self {
        let remote_address = session.remote_address.to_string();
        Self { id: &session.id, opened_at: session.opened_at, remote_address }
    }
}

impl<'a> HostView<'a> {
    /// Of a host, its present sample and what is told less often.
    #[must_use]
    pub fn of(host: &'a HostEntry, present: Option<&'a Sample>, slow: Option<&'a Slow>) -> Self {
        let facts = &host.facts;
        let heard = present.is_some();
        let mut missing = reasons(&facts.missing);
        let detail = slow.filter(|_| heard).and_then(Slow::host);
        let no_detail = match slow.filter(|_| heard) {
            Some(slow) => why(slow.missing(), "detail"),
            None => MissingReason::Stale,
        };
        let unknown = [
            ("resources", !heard, MissingReason::Stale),
            ("detail", detail.is_none(), no_detail),
            ("system", facts.system.is_none(), MissingReason::CannotTell),
            ("gpus", facts.gpus.is_none(), MissingReason::CannotTell),
        ];
        for (field, _, why) in unknown.into_iter().filter(|(_, is_missing, _)| *is_missing) {
            missing.entry(field).or_insert(why);
        }
        let gpus = facts.gpus.as_deref();
        let gpu = |gpu| FullGpuView::of(gpu, present, slow);
        Self {
            id: &host.id,
            revision: host.revision,
            name: &facts.name,
            status: host.status,
            status_since: host.status_since,
            role: host.role(),
            labels: host.labels(),
            notes: &host.patch.notes,
            drain: host.patch.drain,
            expected_absent: host.patch.expected_absent,
            agent_version: &facts.agent_version,
            protocol: facts.protocol,
            first_seen: facts.first_seen,
            last_seen: host.live.last_seen(),
            clock_skew_ms: heard.then(|| host.live.clock_skew_ms()),
            latency_ms: host.live.latency_ms().filter(|_| heard),
            interval_ms: facts.interval_ms,
            session: host.session.as_deref().map(OpenSessionView::of),
            addresses: &facts.addresses,
            address_details: facts.address_details.iter().map(AddressView::of).collect(),
            system: facts.system.as_ref().map(|system| SystemView::of(system, &facts.missing)),
            resources: present.map(|sample| ResourcesView::of(host, sample, slow)),
            detail: detail.map(DetailView::of),
            gpus: gpus.map(|gpus| gpus.iter().map(gpu).collect()),
            services: &host.services,
            findings: &host.findings,
            missing,
        }
    }
}

/// What a table of the fleet needs of a host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the fields of the full view, in short")]
pub struct HostSummary<'a> {
    pub id: &'a HostId,
    pub name: &'a str,
    pub status: HostStatus,
    pub role: &'a str,
    pub labels: Cow<'a, BTreeMap<String, String>>,
    /// Left out where it does not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
    /// Left out where it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expected_absent: bool,
    /// The worst one.
    pub finding: Option<FindingSummary>,
    pub cpu_percent: Option<f64>,
    pub memory_percent: Option<f64>,
    pub vram_percent: Option<f64>,
    /// A GPU: utilisation and share of memory in use, percent.
    pub gpus: Option<Vec<(Option<f64>, Option<f64>)>>,
    /// Names of the models in memory.
    pub warm: &'a Arc<[String]>,
    pub last_seen: Option<Timestamp>,
}

/// A finding in short.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FindingSummary {
    /// What.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
}

impl<'a> HostSummary<'a> {
    /// Of a host and its present sample.
    #[must_use]
    pub fn of(host: &'a HostEntry, present: Option<&Sample>) -> Self {
        let finding = host.worst_finding();
        Self {
            id: &host.id,
            name: &host.facts.name,
            status: host.status,
            role: host.role(),
            labels: host.labels(),
            drain: host.patch.drain,
            expected_absent: host.patch.expected_absent,
            finding: finding.map(|f| FindingSummary { code: f.code, severity: f.severity }),
            cpu_percent: present.and_then(|sample| sample.cpu_percent).map(rounded),
            memory_percent: present.and_then(memory_percent),
            vram_percent: present.and_then(|sample| vram_percent(host, sample)),
            gpus: gpus(host, present),
            warm: &host.warm,
            last_seen: host.live.last_seen(),
        }
    }
}

/// Share of memory in use.
pub(crate) fn memory_percent(sample: &Sample) -> Option<f64> {
    percent(sample.memory_used_bytes?, sample.memory_total_bytes?)
}

/// Share of VRAM in use, over all GPUs.
pub(crate) fn vram_percent(host: &HostEntry, sample: &Sample) -> Option<f64> {
    let (used, total) = vram(host, sample);
    percent(used?, total?)
}

type GpuShares = Vec<(Option<f64>, Option<f64>)>;

fn gpus(host: &HostEntry, present: Option<&Sample>) -> Option<GpuShares> {
    let moving = present.and_then(|sample| sample.gpus.as_deref()).unwrap_or_default();
    let gpus = host.facts.gpus.as_deref()?.iter().map(|gpu| {
        let now = moving.iter().find(|moving| moving.id == gpu.id);
        let used = now.and_then(|now| now.memory_used_bytes);
        let memory = used.zip(gpu.memory_total_bytes);
        let utilization = now.and_then(|now| now.utilization_percent).map(rounded);
        (utilization, memory.and_then(|(used, total)| percent(used, total)))
    });
    Some(gpus.collect())
}
