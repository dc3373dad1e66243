//! A host: what is remembered of it, what it is now, and the live cell that samples write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use herdbook_shared::ids::{HostId, ServiceId, SessionId};
use herdbook_shared::missing::Missing;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::hello::GoodbyeReason;
use herdbook_shared::wire::inventory::{Address, Gpu, System};
use herdbook_shared::wire::sample::Sample;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::budget::Budget;

use super::condition::Conditions;
use super::finding::{Finding, Severity};
use super::names::Peer;
use super::node::HostPatch;
use super::recent::Recent;
use super::session::Session;
use super::slow::Slow;

/// How a host does.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// Restored or new, and not heard yet.
    Unknown,
    /// Heard of late.
    Online,
    /// Online, and a finding of severity warning or worse holds.
    Degraded,
    /// Silent for too long to believe its last numbers.
    Stale,
    /// Silent for so long that it is taken for gone, or it said goodbye.
    Offline,
}

impl HostStatus {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Online, Self::Degraded, Self::Stale, Self::Offline];

    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Stale => "stale",
            Self::Offline => "offline",
        }
    }

    /// Whether its last sample may be shown as its present state.
    #[must_use]
    pub fn is_heard(self) -> bool {
        matches!(self, Self::Online | Self::Degraded)
    }
}

/// What is remembered of a host across restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Its name for people.
    pub name: String,
    /// A free word.
    pub role: String,
    /// Free key-value pairs.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its agent's version.
    #[serde(default)]
    pub agent_version: String,
    /// The protocol that its agent spoke last.
    pub protocol: u32,
    /// How often it sends.
    pub interval_ms: u64,
    /// When it was first heard of.
    pub first_seen: Timestamp,
    /// Its addresses, the likeliest first.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What is known of each of them, in the same order.
    #[serde(default)]
    pub address_details: Vec<Address>,
    /// The machine.
    #[serde(default)]
    pub system: Option<System>,
    /// Its GPUs; `None`: cannot tell.
    #[serde(default)]
    pub gpus: Option<Arc<[Gpu]>>,
    /// Why a fact is missing.
    #[serde(default)]
    pub missing: Missing,
}

/// A host as it is now. Immutable: a change makes a successor.
#[derive(Clone, Debug)]
pub struct HostEntry {
    /// Which host.
    pub id: HostId,
    /// Counts its changes.
    pub revision: u64,
    /// What is remembered; shared while it does not change.
    pub facts: Arc<HostFacts>,
    /// What people say of it, on top; shared likewise.
    pub patch: Arc<HostPatch>,
    /// How it does.
    pub status: HostStatus,
    /// Since when it does so.
    pub status_since: Timestamp,
    /// The same by the monotonic clock, for windows of seconds.
    pub status_entered: Instant,
    /// The open session.
    pub session: Option<Arc<Session>>,
    /// The address that it proved to be its own, by its newest session; kept while it is silent.
    pub peer: Option<Peer>,
    /// How the last session ended.
    pub ended: Option<Ended>,
    /// The session whose inventory was taken in last: what it told of services may be believed
    /// again once the host is heard, unless another session took over since.
    pub told_by: Option<SessionId>,
    /// Its services, by id. Follows the services, without a revision of its own.
    pub services: Arc<[ServiceId]>,
    /// Names of its models in memory, sorted. Follows the services likewise.
    pub warm: Arc<[String]>,
    /// What holds.
    pub findings: Vec<Finding>,
    /// What its last sample said of its condition.
    pub conditions: Conditions,
    /// How its agent breaks its limits; `None`: it does not, in this session.
    pub offence: Option<Arc<str>>,
    /// How often its agent may still say hello.
    pub hellos: Budget,
    /// What samples write; shared by all successors.
    pub live: Arc<HostLive>,
}

/// How and when a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it began.
    pub opened: Instant,
    /// When it ended.
    pub at: Instant,
    /// `None`: the connection was lost.
    pub goodbye: Option<GoodbyeReason>,
}

impl HostEntry {
    /// The worst finding.
    #[must_use]
    pub fn worst_finding(&self) -> Option<&Finding> {
        self.findings.iter().max_by_key(|finding| finding.severity)
    }

    /// Online or degraded, by its findings.
    #[must_use]
    pub fn status_when_heard(&self) -> HostStatus {
        match self.worst_finding() {
            Some(finding) if finding.severity >= Severity::Warning => HostStatus::Degraded,
            _ => HostStatus::Online,
        }
    }

    /// Roughly what it takes in memory, bytes: what bounds the ring.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        const WORD: usize = size_of::<String>();
        let facts = &self.facts;
        let labels = facts.labels.iter().map(|(key, value)| 2 * WORD + key.len() + value.len());
        let lists = facts.addresses.iter().chain(self.warm.iter()).map(|text| WORD + text.len());
        let findings = self.findings.iter().map(|finding| 64 + finding.message.len());
        let gpus = facts.gpus.iter().flat_map(|gpus| gpus.iter());
        let gpus = gpus.map(|gpu| 2048 + 384 * gpu.mig.len());
        let words = labels.chain(lists).chain(findings).chain(gpus).sum::<usize>();
        2048 + words + 192 * facts.address_details.len() + self.patch.approximate_bytes()
    }

    /// The last sample, while it may be shown as the present.
    #[must_use]
    pub fn present(&self) -> Option<Arc<Sample>> {
        if self.status.is_heard() { self.live.sample() } else { None }
    }

    /// Looks at the last sample, while it may be shown as the present: a glance counts nobody in.
    pub(super) fn with_present<T>(&self, look: impl FnOnce(Option<&Sample>) -> T) -> T {
        if !self.status.is_heard() {
            return look(None);
        }
        look(self.live.sample.load().as_deref())
    }

    /// What samples tell less often, while it may be shown as the present.
    #[must_use]
    pub fn present_slow(&self) -> Option<Arc<Slow>> {
        if self.status.is_heard() { self.live.slow() } else { None }
    }
}

/// What samples write, without a lock.
#[derive(Debug)]
pub struct HostLive {
    sample: ArcSwapOption<Sample>,
    slow: ArcSwapOption<Slow>,
    recent: Recent,
    heard_ms: AtomicU64,
    last_seen: AtomicI64,
    latency_ms: AtomicU64,
    clock_skew_ms: AtomicI64,
}

const NO_LATENCY: u64 = u64::MAX;
const NO_INSTANT: i64 = i64::MIN;

impl HostLive {
    /// A cell that nothing was written to; `last_seen` as it was remembered.
    #[must_use]
    pub fn new(last_seen: Option<Timestamp>) -> Self {
        Self {
            sample: ArcSwapOption::empty(),
            slow: ArcSwapOption::empty(),
            recent: Recent::default(),
            heard_ms: AtomicU64::new(0),
            last_seen: AtomicI64::new(last_seen.map_or(NO_INSTANT, Timestamp::unix_ms)),
            latency_ms: AtomicU64::new(NO_LATENCY),
            clock_skew_ms: AtomicI64::new(0),
        }
    }

    /// Takes a sample in: `heard_ms` by the registry's clock, `at` by the collector's wall clock.
    pub(super) fn write(&self, sample: Sample, heard_ms: u64, at: Timestamp) {
        self.clock_skew_ms.store(sample.at.ms_since(at), Ordering::Relaxed);
        self.sample.store(Some(Arc::new(sample)));
        self.last_seen.store(at.unix_ms(), Ordering::Relaxed);
        self.heard_ms.store(heard_ms, Ordering::Relaxed);
    }

    /// Takes in what samples tell less often.
    pub(super) fn write_slow(&self, slow: Slow) {
        self.slow.store(Some(Arc::new(slow)));
    }

    /// What samples tell less often, however old.
    #[must_use]
    pub fn slow(&self) -> Option<Arc<Slow>> {
        self.slow.load_full()
    }

    /// The last sample, however old.
    #[must_use]
    pub fn sample(&self) -> Option<Arc<Sample>> {
        self.sample.load_full()
    }

    /// The last minutes at full rate.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Forgets the last sample and what was told less often.
    pub(super) fn clear(&self) {
        self.sample.store(None);
        self.slow.store(None);
    }

    /// When the last sample came, by the registry's clock; 0 is never.
    #[must_use]
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    /// When the last sample came, by the collector's wall clock.
    #[must_use]
    pub fn last_seen(&self) -> Option<Timestamp> {
        let ms = self.last_seen.load(Ordering::Relaxed);
        (ms != NO_INSTANT).then(|| Timestamp::from_unix_ms(ms))
    }

    /// How far the host's clock runs ahead of the collector's, the way of the sample included.
    #[must_use]
    pub fn clock_skew_ms(&self) -> i64 {
        self.clock_skew_ms.load(Ordering::Relaxed)
    }

    /// The link's last round trip.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u64> {
        let ms = self.latency_ms.load(Ordering::Relaxed);
        (ms != NO_LATENCY).then_some(ms)
    }

    /// Takes a round trip in.
    pub fn write_latency(&self, ms: u64) {
        self.latency_ms.store(ms.min(NO_LATENCY - 1), Ordering::Relaxed);
    }
}
