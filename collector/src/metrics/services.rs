//! What is told of a service. What cannot be told, as its host is silent, say, has no sample.

use std::sync::Arc;

use crate::registry::host::HostEntry;
use crate::registry::service::{ServiceEntry, ServiceStatus, Word};

use super::family::{Family, Number, counter, gauge, info, seconds};

/// A service and its host.
#[derive(Clone, Debug)]
pub struct ServiceAt {
    /// The service.
    pub service: Arc<ServiceEntry>,
    /// The host on which it runs, where that is known.
    pub host: Option<Arc<HostEntry>>,
}

impl ServiceAt {
    /// What its series are told apart by.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, &str); 3] {
        let host = self.host.as_ref().map_or("", |host| host.facts.name.as_str());
        let service = &self.service;
        [("service", service.id.as_str()), ("kind", &service.facts.kind), ("host", host)]
    }

    /// Whether anybody knows how it does.
    fn is_known(&self) -> bool {
        self.service.status != ServiceStatus::Unknown
    }

    fn is_up(&self) -> Option<bool> {
        self.is_known().then(|| self.service.status.is_up())
    }

    fn words(&self) -> Vec<&str> {
        let (service, facts) = (&self.service, &self.service.facts);
        vec![
            service.host_id().map_or("", |id| id.as_str()),
            &facts.name,
            facts.r#type.word(),
            facts.role.word(),
            facts.version.as_deref().unwrap_or_default(),
            facts.reachable.word(),
        ]
    }
}

/// By what its series are told apart.
pub const LABELS: [&str; 3] = ["service", "kind", "host"];

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family<ServiceAt>] = &[
    gauge(
        "herdbook_service_up",
        "Whether it answers: 1 for healthy, degraded and draining, 0 for unhealthy and down.",
        |at| at.is_up().map(Into::into),
    ),
    info(
        "herdbook_service_info",
        &["host_id", "name", "type", "role", "version", "reachable"],
        "Always 1; what the service is.",
        |at| Some(at.words()),
    ),
    gauge("herdbook_service_draining", "1 for one that shall get nothing new.", |at| {
        Some(at.service.drains().into())
    }),
    gauge("herdbook_service_models", "Models that it has, in memory or not.", |at| {
        Some(at.service.facts.models.len().into())
    }),
    gauge(
        "herdbook_service_check_duration_seconds",
        "How long its answers to checks take, a moving average.",
        |at| known(at, at.service.live.check_latency_ms_avg().map(seconds)),
    ),
    gauge(
        "herdbook_service_consecutive_failures",
        "Checks that failed since the last success.",
        |at| known(at, Some(at.service.live.consecutive_failures().into())),
    ),
    gauge(
        "herdbook_service_request_duration_seconds",
        "How long its answers to requests take, a moving average of what leases told.",
        |at| at.service.live.latency_ms_avg().map(seconds),
    ),
    gauge("herdbook_service_requests_pending", "Requests on their way, by leases.", |at| {
        Some(at.service.live.pending().into())
    }),
    counter("herdbook_service_requests_total", "Requests since the start, by leases.", |at| {
        Some(at.service.live.total().into())
    }),
    gauge("herdbook_service_requests_running", "Requests that it says it works on.", |at| {
        at.service.requests_running().map(Into::into)
    }),
    gauge("herdbook_service_queue_depth", "Requests that it says wait at it.", |at| {
        at.service.queue_depth().map(Into::into)
    }),
    gauge("herdbook_service_load_ratio", "How much of it is in use, as it says.", |at| {
        known(at, at.service.live.load().map(Into::into))
    }),
    gauge(
        "herdbook_service_p95_duration_seconds",
        "The time within which it answers 95 of 100 requests, as it says.",
        |at| known(at, at.service.live.p95_ms().map(|ms| (ms / 1000.0).into())),
    ),
];

fn known(at: &ServiceAt, number: Option<Number>) -> Option<Number> {
    number.filter(|_| at.is_known())
}
