//! What the registry says happened: the only thing that leaves it besides a snapshot.

mod schema;

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::alert::Alert;
use super::host::HostEntry;
use super::service::ServiceEntry;
use super::session::SessionChange;
use super::view::View;

macro_rules! change_kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// What happened, as `entity.verb`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ChangeKind {
            $($(#[$doc])* $kind,)*
        }

        impl ChangeKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

change_kinds! {
    /// A host was seen for the first time.
    HostRegistered = "host.registered",
    /// What is known of a host changed, but not how it does.
    HostChanged = "host.changed",
    /// A host is heard, and nothing is wrong.
    HostOnline = "host.online",
    /// A host is heard, and something is wrong.
    HostDegraded = "host.degraded",
    /// A host is silent for too long to believe its numbers.
    HostStale = "host.stale",
    /// A host is gone.
    HostOffline = "host.offline",
    /// A host that was offline is heard again.
    HostRecovered = "host.recovered",
    /// An agent waits to be approved.
    HostPending = "host.pending",
    /// An agent was let in.
    HostApproved = "host.approved",
    /// The key of an agent counts no longer.
    HostRevoked = "host.revoked",
    /// A second machine uses the identity of a host.
    HostCloned = "host.cloned",
    /// A host is no longer listed.
    HostRemoved = "host.removed",
    /// A condition began to hold on a host.
    HostFindingRaised = "host.finding_raised",
    /// A condition no longer holds on a host.
    HostFindingCleared = "host.finding_cleared",
    /// An agent connected.
    SessionOpened = "session.opened",
    /// An agent's connection ended.
    SessionClosed = "session.closed",
    /// A service was seen for the first time.
    ServiceRegistered = "service.registered",
    /// What is known of a service changed, or it cannot be told how it does.
    ServiceChanged = "service.changed",
    /// A service answers.
    ServiceHealthy = "service.healthy",
    /// A service answers, with something wrong.
    ServiceDegraded = "service.degraded",
    /// A service lives, but does not answer.
    ServiceUnhealthy = "service.unhealthy",
    /// A service is gone.
    ServiceDown = "service.down",
    /// A service changes its status all the time, or no longer.
    ServiceFlapping = "service.flapping",
    /// A service gets nothing new, or gets work again.
    ServiceDraining = "service.draining",
    /// A service has another role.
    ServicePromoted = "service.promoted",
    /// A service that beats was silent for too long, or said that it goes.
    ServiceDeregistered = "service.deregistered",
    /// What a model server does changed.
    ServiceState = "service.state",
    /// A service is no longer listed.
    ServiceRemoved = "service.removed",
    /// A model was installed.
    ModelInstalled = "model.installed",
    /// A model was removed.
    ModelRemoved = "model.removed",
    /// A model came into memory.
    ModelLoaded = "model.loaded",
    /// A model left memory.
    ModelUnloaded = "model.unloaded",
    /// A GPU fell off the bus.
    GpuLost = "gpu.lost",
    /// A GPU came back.
    GpuRecovered = "gpu.recovered",
    /// A large part of the fleet went offline at once.
    FleetMassOffline = "fleet.mass_offline",
    /// Most of it is back, or enough time went by.
    FleetMassRecovered = "fleet.mass_recovered",
    /// Something that a person should see began.
    AlertRaised = "alert.raised",
    /// It is over.
    AlertResolved = "alert.resolved",
    /// A catalog was loaded anew.
    CatalogReloaded = "catalog.reloaded",
    /// A catalog was to be loaded anew, and stays as it was.
    CatalogRejected = "catalog.rejected",
}

impl ChangeKind {
    /// Whether it is about the key of an agent, and not about its host.
    #[must_use]
    pub fn is_of_agent(self) -> bool {
        matches!(self, Self::HostPending | Self::HostApproved | Self::HostRevoked)
    }
}

impl Serialize for ChangeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl schemars::JsonSchema for ChangeKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChangeType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<_> = Self::ALL.iter().map(|kind| kind.word()).collect();
        schemars::json_schema!({
            "description": "What happened, as `entity.verb`.", "type": "string", "enum": words,
        })
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The entity of a change, after it.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A host.
    Host(Arc<HostEntry>),
    /// A host that is gone.
    NoHost(HostId),
    /// A session of a host. Viewers are told nothing of one that ended: the host has none.
    Session(HostId, SessionChange),
    /// A service.
    Service(Arc<ServiceEntry>),
    /// A service that is gone, of a host where that was known.
    NoService(ServiceId, Option<HostId>),
    /// A model, by name, of a service; the service may no longer have it.
    Model(Arc<ServiceEntry>, Arc<str>),
    /// The fleet as a whole.
    Fleet(Value),
    /// An alert, as it is now.
    Alert(Arc<Alert>),
    /// A catalog: its name, and what came of loading it.
    Catalog(Value),
    /// The key of an agent: that something became of it. Who it is, only admins may read, and
    /// changes are told to everybody who may watch.
    Agent,
}

/// One numbered change. It carries its whole entity, encoded once a view, when first asked for.
#[derive(Debug)]
pub struct Change {
    /// Which run of the collector.
    pub epoch: Arc<str>,
    /// Its number within the epoch, without gaps.
    pub seq: u64,
    /// When, by the wall clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub subject: Subject,
    /// Why, in words.
    pub cause: Option<String>,
    bytes: usize,
    summary: OnceLock<Bytes>,
    full: OnceLock<Bytes>,
}

impl Change {
    /// A change that nothing was encoded of.
    #[must_use]
    pub fn new(
        (epoch, seq): (Arc<str>, u64),
        at: Timestamp,
        kind: ChangeKind,
        subject: Subject,
        cause: Option<String>,
    ) -> Self {
        let (summary, full) = (OnceLock::new(), OnceLock::new());
        let bytes = approximate_bytes(&subject) + cause.as_ref().map_or(0, String::len);
        Self { epoch, seq, at, kind, subject, cause, bytes, summary, full }
    }

    /// The change as JSON, encoded at most once a view.
    #[must_use]
    pub fn encoded(&self, view: View) -> Bytes {
        let cell = match view {
            View::Summary => &self.summary,
            View::Full => &self.full,
        };
        cell.get_or_init(|| super::encode::change(self, view)).clone()
    }

    /// The host that it is about.
    #[must_use]
    pub fn host_id(&self) -> Option<&HostId> {
        match &self.subject {
            Subject::Host(host) => Some(&host.id),
            Subject::NoHost(id) | Subject::Session(id, _) => Some(id),
            Subject::NoService(_, id) => id.as_ref(),
            Subject::Service(service) | Subject::Model(service, _) => service.host_id(),
            Subject::Fleet(_) | Subject::Alert(_) | Subject::Catalog(_) | Subject::Agent => None,
        }
    }

    /// The service that it is about.
    #[must_use]
    pub fn service_id(&self) -> Option<&ServiceId> {
        match &self.subject {
            Subject::Service(service) | Subject::Model(service, _) => Some(&service.id),
            Subject::NoService(id, _) => Some(id),
            _ => None,
        }
    }

    /// The model that it is about.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match &self.subject {
            Subject::Model(_, name) => Some(name),
            _ => None,
        }
    }

    /// Roughly what it keeps in memory, bytes, both encodings included; told once, since what
    /// samples write moves.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.bytes
    }
}

fn approximate_bytes(subject: &Subject) -> usize {
    match subject {
        Subject::Host(host) => {
            let slow = host.present_slow().map_or(0, |slow| slow.approximate_bytes());
            3 * host.approximate_bytes() + slow
        }
        Subject::Service(service) => 3 * service.approximate_bytes(),
        Subject::Model(service, _) => 4096 + service.approximate_bytes(),
        _ => 1024,
    }
}
