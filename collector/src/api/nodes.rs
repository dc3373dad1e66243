//! Hosts as existing clients know them: nodes that send heartbeats. Unknown parameters are
//! ignored here.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::Action;
use crate::registry::encode;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::moment::Moment;
use crate::registry::node::UnknownHost;
use crate::registry::recent::code;
use crate::series::Beats;

use super::guard::Routes;
use super::problem::{Checked, Kind, Problem};
use super::samples::number;
use super::{Api, beside, json};

/// How far back heartbeats go that nobody gave a time for.
const MINUTES: u32 = 60;
/// How far they may go.
const MINUTES_MAX: u32 = 366 * 24 * 60;
/// Most heartbeats of one answer: the newest.
const BEATS_MAX: usize = 3_600;

/// The routes.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new()
        .on(Action::ReadFleet, "/api/nodes", get(list))
        .on(Action::ReadFleet, "/api/nodes/{id}", get(of_host))
        .on(Action::ReadFleet, "/api/nodes/{id}/heartbeats", get(heartbeats))
}

/// Which nodes.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Filter {
    /// One of the words that a node's `status` has.
    #[schemars(with = "Option<NodeStatus>")]
    status: Option<String>,
    role: Option<String>,
}

/// The nodes.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NodeList")]
pub struct Nodes {
    /// By id.
    pub nodes: Vec<Node>,
}

/// A host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// How it does.
    pub status: NodeStatus,
    /// Its label of that name.
    pub domain: Option<String>,
    /// When its last sample came.
    pub last_seen: Option<Timestamp>,
}

/// How a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Heard, and all is well.
    Online,
    /// Heard, and something is wrong.
    Degraded,
    /// Gone.
    Offline,
    /// Not heard now.
    Disconnected,
}

/// What a node sent.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NodeHeartbeats")]
pub struct Heartbeats {
    /// Oldest first.
    pub heartbeats: Vec<Heartbeat>,
}

/// A sample, or all of one minute.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NodeHeartbeat")]
pub struct Heartbeat {
    /// When it came, or the minute began.
    pub at: Timestamp,
    /// How the node did.
    pub status: NodeStatus,
    /// Percent.
    pub cpu_load: Option<f64>,
    /// In 10^6 bytes.
    pub mem_used_mb: Option<f64>,
    /// The link's round trip.
    pub latency_ms: Option<f64>,
    /// What else there is to say.
    pub meta: Meta,
}

/// What else there is to say of a heartbeat.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NodeHeartbeatMeta")]
pub struct Meta {
    /// The sample's number; a minute has none.
    pub seq: Option<u32>,
    /// Why something is `null`.
    pub missing: BTreeMap<&'static str, MissingReason>,
}

/// `GET /api/nodes`
///
/// # Errors
///
/// Where the list cannot be written, which is a bug.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(filter)): Checked<Query<Filter>>,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let hosts = api.registry.hosts();
        let mut nodes: Vec<Node> = hosts.iter().map(|host| Node::of(host)).collect();
        nodes.retain(|node| filter.lets_through(node));
        nodes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(encode::json(&Nodes { nodes }))
    });
    text.await.map(json)
}

/// `GET /api/nodes/{id}`
///
/// # Errors
///
/// Where there is no such host.
pub async fn of_host(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let host = api.registry.host(&id).ok_or(UnknownHost(id))?;
    Ok(json(encode::json(&Node::of(&host))))
}

/// How far back.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Back {
    /// How long before now it begins; 60 by default.
    #[schemars(with = "Option<u32>", range(min = 1, max = MINUTES_MAX))]
    minutes: Option<String>,
}

/// `GET /api/nodes/{id}/heartbeats`
///
/// # Errors
///
/// Where there is no such host, or `minutes` is no number.
pub async fn heartbeats(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(back)): Checked<Query<Back>>,
) -> Result<Response, Problem> {
    let minutes = number("minutes", back.minutes.as_deref(), MINUTES_MAX)?;
    let host = api.registry.host(&id).ok_or(UnknownHost(id))?;
    let now = Moment::now().at;
    let ms = i64::from(minutes.unwrap_or(MINUTES)) * 60_000;
    let beats = api.series.beats(host, Timestamp::from_unix_ms(now.unix_ms() - ms), now).await;
    let stopping = || Problem::new(Kind::Unavailable, "the collector stops");
    let beats = beats.ok_or_else(stopping)?;
    let text = beside(move || Ok(encode::json(&Heartbeats::of(&beats))));
    text.await.map(json)
}

impl Filter {
    fn lets_through(&self, node: &Node) -> bool {
        self.role.as_ref().is_none_or(|role| *role == node.role)
            && self.status.as_ref().is_none_or(|status| *status == node.status.word())
    }
}

impl NodeStatus {
    fn of(host: &HostEntry) -> Self {
        match host.status {
            HostStatus::Offline => Self::Offline,
            _ if host.session.is_none() => Self::Disconnected,
            HostStatus::Online => Self::Online,
            HostStatus::Degraded => Self::Degraded,
            HostStatus::Stale | HostStatus::Unknown => Self::Disconnected,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Disconnected => "disconnected",
        }
    }
}

impl Node {
    fn of(host: &HostEntry) -> Self {
        Self {
            id: host.id.to_string(),
            name: host.facts.name.clone(),
            role: host.role().to_owned(),
            status: NodeStatus::of(host),
            domain: host.label("domain").map(str::to_owned),
            last_seen: host.live.last_seen(),
        }
    }
}

impl Heartbeats {
    fn of(beats: &Beats) -> Self {
        let kept = beats.kept.iter().map(|kept| {
            let row = &kept.row;
            Heartbeat::new(kept.start, row.is_degraded, &row.means, None)
        });
        let recent = beats.recent.iter().flat_map(|recent| recent.rows());
        let recent = recent.filter(|(mark, _)| mark.at >= beats.since);
        let recent = recent
            .map(|(mark, codes)| Heartbeat::new(mark.at, mark.is_degraded, codes, Some(mark.seq)));
        let mut heartbeats: Vec<Heartbeat> = kept.chain(recent).collect();
        heartbeats.drain(..heartbeats.len().saturating_sub(BEATS_MAX));
        Self { heartbeats }
    }
}

impl Heartbeat {
    fn new(at: Timestamp, is_degraded: bool, codes: &[u16], seq: Option<u32>) -> Self {
        let mut missing = BTreeMap::new();
        if seq.is_none() {
            missing.insert("seq", MissingReason::NotSupported);
        }
        let mut value = |name, field| {
            let (series, code) = code::OF_HOST.iter().zip(codes).find(|(s, _)| s.field == field)?;
            let value = series.value(*code);
            if value.is_none() {
                missing.insert(name, code::reason(*code));
            }
            value
        };
        let cpu_load = value("cpu_load", "cpu_percent");
        let mem_used_mb = value("mem_used_mb", "memory_used_bytes").map(|bytes| bytes / 1e6);
        let latency_ms = value("latency_ms", "latency_ms");
        let status = if is_degraded { NodeStatus::Degraded } else { NodeStatus::Online };
        Self { at, status, cpu_load, mem_used_mb, latency_ms, meta: Meta { seq, missing } }
    }
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
