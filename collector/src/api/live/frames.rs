//! The frames of the feed, both ways.

use bytes::Bytes;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::registry::encode::json;
use crate::registry::host::HostEntry;
use crate::registry::service::ServiceEntry;
use crate::registry::snapshot::push_list;
use crate::registry::view::gpu::GpuView;
use crate::registry::view::resources::ResourcesView;

/// Most hosts and services, together, that one viewer may watch.
pub const WATCHED_MAX: usize = 500;
/// Most frames of samples a second that one viewer gets.
pub const SAMPLES_PER_SECOND_MAX: f64 = 2.0;

/// What a viewer may say.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ViewerMessage {
    /// From now on, these: the set of before is forgotten.
    Watch {
        /// Ids of hosts.
        #[serde(default)]
        hosts: Vec<String>,
        /// Ids of services.
        #[serde(default)]
        services: Vec<String>,
        /// How often, 0.1 to 2.
        #[serde(default = "once")]
        samples_per_second: f64,
    },
}

fn once() -> f64 {
    1.0
}

impl ViewerMessage {
    /// Reads what a viewer says.
    ///
    /// # Errors
    ///
    /// In words, what was wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let message: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Self::Watch { hosts, services, samples_per_second } = &message;
        let n_watched = hosts.len() + services.len();
        if n_watched > WATCHED_MAX {
            return Err(format!("hosts, services: at most {WATCHED_MAX}, not {n_watched}"));
        }
        if !(0.1..=SAMPLES_PER_SECOND_MAX).contains(samples_per_second) {
            return Err(format!("samples_per_second: 0.1 to {SAMPLES_PER_SECOND_MAX}"));
        }
        Ok(message)
    }
}

/// Around a change that is encoded already.
#[must_use]
pub fn change(encoded: &Bytes) -> String {
    let text = std::str::from_utf8(encoded).unwrap_or("null");
    format!("{{\"type\":\"change\",\"change\":{text}}}")
}

/// What a viewer said was not understood.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "FeedError")]
pub(crate) struct Error<'a> {
    r#type: &'static str,
    detail: &'a str,
}

/// Tells a viewer that what it said was not understood.
#[must_use]
pub fn error(detail: &str) -> String {
    json(&Error { r#type: "error", detail })
}

/// What moved of hosts and services.
#[must_use]
pub fn samples(
    seq: u64,
    hosts: &[impl AsRef<HostEntry>],
    services: &[impl AsRef<ServiceEntry>],
) -> String {
    let mut text = format!("{{\"type\":\"samples\",\"seq\":{seq},\"samples\":[");
    push_list(&mut text, hosts.iter().map(|host| host_sample(host.as_ref())));
    text.push_str("],\"services\":[");
    push_list(&mut text, services.iter().map(|service| service_sample(service.as_ref())));
    text.push_str("]}");
    text
}

/// What moved of a host.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct HostSample<'a> {
    host_id: &'a str,
    last_seen: Option<Timestamp>,
    latency_ms: Option<u64>,
    clock_skew_ms: Option<i64>,
    resources: Option<ResourcesView<'a>>,
    gpus: Option<Vec<GpuView<'a>>>,
}

fn host_sample(host: &HostEntry) -> String {
    let (present, slow) = (host.present(), host.present_slow());
    let (sample, slow) = (present.as_deref(), slow.as_deref());
    let gpu = |gpu| GpuView::of(gpu, sample, slow);
    let gpus = host.facts.gpus.as_deref();
    json(&HostSample {
        host_id: host.id.as_str(),
        last_seen: host.live.last_seen(),
        latency_ms: host.live.latency_ms().filter(|_| sample.is_some()),
        clock_skew_ms: sample.map(|_| host.live.clock_skew_ms()),
        resources: sample.map(|sample| ResourcesView::of(host, sample, slow)),
        gpus: gpus.map(|gpus| gpus.iter().map(gpu).collect()),
    })
}

/// When a model leaves memory.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ModelExpiry")]
struct Expiry<'a> {
    name: &'a str,
    expires_at: Option<Timestamp>,
}

/// What moved of a service.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ServiceSample<'a> {
    id: &'a str,
    last_check: Option<Timestamp>,
    last_heartbeat: Option<Timestamp>,
    consecutive_failures: u32,
    pending: u64,
    total: u64,
    latency_ms_avg: Option<u64>,
    check_latency_ms_avg: Option<u64>,
    p95_ms: Option<f64>,
    requests_running: Option<u64>,
    queue_depth: Option<u64>,
    load: Option<f64>,
    models: Vec<Expiry<'a>>,
}

fn service_sample(service: &ServiceEntry) -> String {
    let live = &service.live;
    let models = service.warm().map(|name| {
        let expires_at = live.expires_at(name);
        Expiry { name, expires_at }
    });
    json(&ServiceSample {
        id: service.id.as_str(),
        last_check: live.checked_at(),
        last_heartbeat: live.beat_at(),
        consecutive_failures: live.consecutive_failures(),
        pending: live.pending(),
        total: live.total(),
        latency_ms_avg: live.latency_ms_avg(),
        check_latency_ms_avg: live.check_latency_ms_avg(),
        p95_ms: live.p95_ms(),
        requests_running: service.requests_running(),
        queue_depth: service.queue_depth(),
        load: live.load(),
        models: models.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_viewer_says_wrong_is_named() {
        let watch = |rest: &str| ViewerMessage::read(&format!("{{\"type\":\"watch\"{rest}}}"));
        assert!(watch(r#","hosts":["a"]"#).is_ok());
        assert!(watch(r#","samples_per_second":50"#).unwrap_err().contains("samples_per_second"));
        assert!(watch(r#","host":["a"]"#).unwrap_err().contains("unknown field `host`"));
        let many = serde_json::json!({ "type": "watch", "hosts": vec!["a"; WATCHED_MAX + 1] });
        assert!(ViewerMessage::read(&many.to_string()).unwrap_err().contains("at most 500"));
        assert!(ViewerMessage::read("{}").is_err());
    }
}
