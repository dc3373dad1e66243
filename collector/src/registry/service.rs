//! A service: a model server that an agent found, with its models.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{Model, ServiceState, ToldBy};
use herdbook_shared::wire::sample::ServiceSample;
use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// How a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    /// It cannot be told; its host is silent, say.
    Unknown,
    /// It answers.
    Healthy,
    /// It answers, with something wrong.
    Degraded,
    /// It lives, but does not answer.
    Unhealthy,
    /// It is gone.
    Down,
}

impl ServiceStatus {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Healthy, Self::Degraded, Self::Unhealthy, Self::Down];

    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Down => "down",
        }
    }

    /// What the state that an agent tells makes of its service.
    #[must_use]
    pub fn of_state(state: ServiceState) -> Self {
        match state {
            ServiceState::Down => Self::Down,
            ServiceState::Hung => Self::Unhealthy,
            _ => Self::Healthy,
        }
    }
}

/// From where a service can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reachable {
    /// From its own host only.
    Loopback,
    /// From the network, as its agent sees it.
    Host,
    /// It listens to the network, but no address of its host is known.
    Unknown,
}

/// What is remembered of a service across restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Its host's name when it was first seen.
    pub name: String,
    /// `ollama` and kin.
    pub kind: String,
    /// The host whose agent found it.
    pub host_id: HostId,
    /// The address on which it listens.
    pub address: String,
    /// The port on which it listens.
    pub port: u16,
    /// Where it is called.
    pub url: String,
    /// From where it can be called.
    pub reachable: Reachable,
    /// The server's version.
    #[serde(default)]
    pub version: Option<String>,
    /// How its state was told.
    #[serde(default)]
    pub state_told_by: Option<ToldBy>,
    /// Whether it wants a credential before it tells anything; `None`: cannot tell.
    #[serde(default)]
    pub asks_credential: Option<bool>,
    /// The systemd unit that runs it.
    #[serde(default)]
    pub unit: Option<String>,
    /// The container that it runs in.
    #[serde(default)]
    pub container: Option<String>,
    /// The GPUs on which it holds memory, sorted.
    #[serde(default)]
    pub gpu_ids: Vec<String>,
    /// When it was first seen.
    pub registered_at: Timestamp,
    /// Since when it is down.
    #[serde(default)]
    pub down_since: Option<Timestamp>,
    /// What the last failure said.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(default)]
    pub last_error_at: Option<Timestamp>,
    /// Its models, by name. When they expire moves too often to stand here: see [`ServiceLive`].
    #[serde(default)]
    pub models: Arc<[Model]>,
    /// How many more it has than the limit lets through.
    #[serde(default)]
    pub models_left_out: u64,
}

/// A service as it is now. Immutable: a change makes a successor.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// Which service.
    pub id: ServiceId,
    /// Counts its changes and those of its models.
    pub revision: u64,
    /// What is remembered; shared while it does not change.
    pub facts: Arc<ServiceFacts>,
    /// How it does.
    pub status: ServiceStatus,
    /// The status is from before the collector's start and was not judged again.
    pub unconfirmed: bool,
    /// What it does; `None` while its host is silent.
    pub state: Option<ServiceState>,
    /// What its agent told last, to come back to after a silence of its host.
    pub told: Option<ServiceState>,
    /// What holds.
    pub findings: Vec<Finding>,
    /// What samples write; shared by all successors.
    pub live: Arc<ServiceLive>,
}

impl ServiceEntry {
    /// One of its models.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        let models = &self.facts.models;
        let index = models.binary_search_by(|model| model.name.as_str().cmp(name)).ok()?;
        models.get(index)
    }

    /// Names of the models in memory, sorted; none while that cannot be told.
    pub fn warm(&self) -> impl Iterator<Item = &str> {
        let known = self.state.is_some();
        let warm = self.facts.models.iter().filter(move |model| known && model.warm);
        warm.map(|model| model.name.as_str())
    }

    /// Whether it lives but does not answer. While its host is silent, what was told last holds, so
    /// that the host comes back in the condition in which it left.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.state.or(self.told) == Some(ServiceState::Hung)
    }

    /// How many requests it works on; `None` while that cannot be told.
    #[must_use]
    pub fn requests_running(&self) -> Option<u64> {
        self.live.requests_running().filter(|_| self.is_up())
    }

    /// How many requests wait at it; `None` while that cannot be told.
    #[must_use]
    pub fn queue_depth(&self) -> Option<u64> {
        self.live.requests_waiting().filter(|_| self.is_up())
    }

    fn is_up(&self) -> bool {
        self.state.is_some_and(|state| state != ServiceState::Down)
    }

    /// What its models can do, sorted.
    #[must_use]
    pub fn capabilities(&self) -> Vec<&str> {
        let all = self.facts.models.iter().flat_map(|model| &model.capabilities);
        let mut capabilities: Vec<&str> = all.map(String::as_str).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        capabilities
    }

    /// Roughly what it takes in memory, bytes: what bounds the ring.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let error = self.facts.last_error.as_ref().map_or(0, String::len);
        let findings = self.findings.iter().map(|finding| 64 + finding.message.len());
        let gpu_ids = self.facts.gpu_ids.iter().map(|id| size_of::<String>() + id.len());
        let lists = findings.chain(gpu_ids).sum::<usize>();
        1536 + error + lists + self.facts.models.iter().map(model_bytes).sum::<usize>()
    }
}

fn model_bytes(model: &Model) -> usize {
    let words = [&model.digest, &model.parameters, &model.quantization, &model.family, &model.keep];
    let words = words.into_iter().flatten().chain([&model.name]).chain(&model.capabilities);
    size_of::<Model>() + words.map(|word| size_of::<String>() + word.len()).sum::<usize>()
}

/// What samples write, without a lock. Numbers that may be missing stand as themselves plus one;
/// 0 is none.
#[derive(Debug, Default)]
pub struct ServiceLive {
    checked_at_ms: AtomicI64,
    latency_ms_avg: AtomicU64,
    requests_running: AtomicU64,
    requests_waiting: AtomicU64,
    expires: ArcSwap<BTreeMap<String, Timestamp>>,
}

impl ServiceLive {
    /// Takes in what moved.
    pub(super) fn write(&self, sample: &ServiceSample) {
        if let Some(at) = sample.checked_at {
            self.checked_at_ms.store(at.unix_ms(), Ordering::Relaxed);
        }
        if let Some(ms) = sample.latency_ms {
            let average = self.latency_ms_avg().map_or(ms, |old| average(old, ms));
            self.latency_ms_avg.store(average.saturating_add(1), Ordering::Relaxed);
        }
        write_some(&self.requests_running, sample.requests_running);
        write_some(&self.requests_waiting, sample.requests_waiting);
        let expires = sample.expires.iter().map(|expiry| (expiry.model.clone(), expiry.at));
        self.write_expires(expires.collect());
    }

    /// Takes in when which model expires.
    pub(super) fn write_expires(&self, expires: BTreeMap<String, Timestamp>) {
        self.expires.store(Arc::new(expires));
    }

    /// When it last answered its agent.
    #[must_use]
    pub fn checked_at(&self) -> Option<Timestamp> {
        let ms = self.checked_at_ms.load(Ordering::Relaxed);
        (ms != 0).then(|| Timestamp::from_unix_ms(ms))
    }

    /// How long its answers take.
    #[must_use]
    pub fn latency_ms_avg(&self) -> Option<u64> {
        self.latency_ms_avg.load(Ordering::Relaxed).checked_sub(1)
    }

    /// How many requests it worked on when it was asked last.
    #[must_use]
    pub fn requests_running(&self) -> Option<u64> {
        self.requests_running.load(Ordering::Relaxed).checked_sub(1)
    }

    /// How many requests waited when it was asked last.
    #[must_use]
    pub fn requests_waiting(&self) -> Option<u64> {
        self.requests_waiting.load(Ordering::Relaxed).checked_sub(1)
    }

    /// When a model expires.
    #[must_use]
    pub fn expires_at(&self, model: &str) -> Option<Timestamp> {
        self.expires.load().get(model).copied()
    }
}

fn write_some(cell: &AtomicU64, number: Option<u64>) {
    cell.store(number.map_or(0, |n| n.saturating_add(1)), Ordering::Relaxed);
}

/// The moving average of all latencies here: one part new, four parts old.
fn average(old: u64, sample: u64) -> u64 {
    sample.saturating_add(old.saturating_mul(4)) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_while_they_are_told() {
        let live = ServiceLive::default();
        let told = |running, waiting| ServiceSample {
            requests_running: running,
            requests_waiting: waiting,
            ..ServiceSample::default()
        };
        assert_eq!(live.requests_running(), None);
        live.write(&told(Some(0), Some(7)));
        assert_eq!((live.requests_running(), live.requests_waiting()), (Some(0), Some(7)));
        live.write(&told(Some(1), None));
        assert_eq!((live.requests_running(), live.requests_waiting()), (Some(1), None));
    }

    #[test]
    fn the_first_latency_sets_the_average_and_zero_counts() {
        let live = ServiceLive::default();
        let answer = |ms| ServiceSample {
            address: "127.0.0.1".to_owned(),
            port: 1,
            latency_ms: Some(ms),
            ..ServiceSample::default()
        };
        assert_eq!(live.latency_ms_avg(), None);
        live.write(&answer(0));
        assert_eq!(live.latency_ms_avg(), Some(0));
        live.write(&answer(50));
        assert_eq!(live.latency_ms_avg(), Some(10));
    }
}
