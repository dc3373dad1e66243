//! What is told of a host. Of one that is silent only that it is: no number of it is believed.

use std::sync::Arc;

use herdbook_shared::wire::inventory::System;
use herdbook_shared::wire::sample::{Pressure, Sample};

use crate::registry::finding::Severity;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::slow::Slow;

use super::family::{Family, Number, gauge, gauge_by, info, ratio, seconds, unix_seconds};

/// A host, and its numbers while it is heard.
#[derive(Clone, Debug)]
pub struct HostAt {
    /// The host.
    pub host: Arc<HostEntry>,
    /// Its last sample.
    pub sample: Option<Arc<Sample>>,
    slow: Option<Arc<Slow>>,
}

impl HostAt {
    /// A host as it is now.
    #[must_use]
    pub fn now(host: &Arc<HostEntry>) -> Self {
        let (sample, slow) = (host.present(), host.present_slow());
        Self { host: Arc::clone(host), sample, slow }
    }

    /// What its series are told apart by.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, &str); 2] {
        [("host", &self.host.facts.name), ("host_id", self.host.id.as_str())]
    }

    fn sample(&self) -> Option<&Sample> {
        self.sample.as_deref()
    }

    /// What is told less often, while the host is heard.
    #[must_use]
    pub fn slow(&self) -> Option<&Slow> {
        self.slow.as_deref().filter(|_| self.sample.is_some())
    }

    fn is_up(&self) -> Option<bool> {
        // Whoever was not heard since the collector's start is neither.
        (self.host.status != HostStatus::Unknown).then(|| self.host.status.is_heard())
    }

    fn n_findings(&self) -> Option<usize> {
        self.sample()?;
        let findings = self.host.findings.iter();
        Some(findings.filter(|finding| finding.severity >= Severity::Warning).count())
    }

    fn words(&self) -> Vec<&str> {
        let (host, facts) = (&self.host, &self.host.facts);
        let system = |word: fn(&System) -> &str| facts.system.as_ref().map_or("", word);
        vec![
            host.role(),
            &facts.agent_version,
            system(|system| &system.os),
            system(|system| &system.kernel),
            system(|system| &system.arch),
        ]
    }
}

/// By what its series are told apart.
pub const LABELS: [&str; 2] = ["host", "host_id"];

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family<HostAt>] = &[
    gauge(
        "herdbook_host_up",
        "Whether the host is heard: 1, or 0 once it is stale or offline. Missing until it was heard.",
        |at| at.is_up().map(Into::into),
    ),
    info(
        "herdbook_host_info",
        &["role", "agent_version", "os", "kernel", "arch"],
        "Always 1; what the host is.",
        |at| Some(at.words()),
    ),
    gauge(
        "herdbook_host_last_seen_timestamp_seconds",
        "When the last sample came, by the collector's clock.",
        |at| at.host.live.last_seen().map(unix_seconds),
    ),
    gauge(
        "herdbook_host_findings",
        "Conditions that hold on it and are a warning or worse.",
        |at| at.n_findings().map(Into::into),
    ),
    gauge("herdbook_host_cpu_usage_ratio", "Busy share of all processors.", |at| {
        at.sample()?.cpu_percent.map(ratio)
    }),
    gauge("herdbook_host_load1", "Load average of one minute.", |at| {
        at.sample()?.load1.map(Into::into)
    }),
    gauge("herdbook_host_memory_used_bytes", "Memory in all less what is available.", |at| {
        at.sample()?.memory_used_bytes.map(Into::into)
    }),
    gauge("herdbook_host_memory_total_bytes", "Memory that the kernel manages.", |at| {
        at.sample()?.memory_total_bytes.map(Into::into)
    }),
    gauge("herdbook_host_swap_used_bytes", "Swap in use.", |at| {
        at.sample()?.swap_used_bytes.map(Into::into)
    }),
    gauge(
        "herdbook_host_network_receive_bytes_per_second",
        "Received over all real interfaces.",
        |at| at.sample()?.network_receive_bytes_per_second.map(Into::into),
    ),
    gauge(
        "herdbook_host_network_transmit_bytes_per_second",
        "Sent over all real interfaces.",
        |at| at.sample()?.network_transmit_bytes_per_second.map(Into::into),
    ),
    gauge("herdbook_host_disk_used_bytes", "Space of the root disk that is not free.", |at| {
        at.sample()?.disk.map(|disk| disk.used_bytes.into())
    }),
    gauge("herdbook_host_disk_total_bytes", "Space of the root disk.", |at| {
        at.sample()?.disk.map(|disk| disk.total_bytes.into())
    }),
    gauge_by(
        "herdbook_host_pressure_ratio",
        "resource",
        "Share of the last 10 s in which some task stalled for want of cpu, memory or io.",
        |at| at.sample().and_then(|sample| sample.pressure).map_or_else(Vec::new, pressure),
    ),
    gauge("herdbook_host_uptime_seconds", "Since its kernel started, sleep included.", |at| {
        at.slow()?.host()?.uptime_s.map(Into::into)
    }),
    gauge(
        "herdbook_host_clock_skew_seconds",
        "How far its clock is ahead of the collector's, the way of a sample included.",
        |at| at.sample().map(|_| skew(at.host.live.clock_skew_ms())),
    ),
    gauge(
        "herdbook_link_round_trip_seconds",
        "Last round trip between it and the collector.",
        |at| {
            at.sample()?;
            at.host.live.latency_ms().map(seconds)
        },
    ),
];

fn pressure(pressure: Pressure) -> Vec<(&'static str, Number)> {
    let shares = [
        ("cpu", pressure.cpu_some_avg10),
        ("memory", pressure.memory_some_avg10),
        ("io", pressure.io_some_avg10),
    ];
    shares.into_iter().filter_map(|(name, percent)| Some((name, ratio(percent?)))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^53")]
fn skew(ms: i64) -> Number {
    Number::Real(ms as f64 / 1000.0)
}
