//! A service: anything at a URL that the registry lists. An agent found it, a person or a file
//! declared it, or it registered itself; often several of these.

pub mod facts;
pub mod judged;
pub mod live;
pub mod model;
mod pool;
pub mod record;
pub mod words;

use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::wire::inventory::ServiceState;

use super::finding::Finding;

pub use facts::ServiceFacts;
pub use live::ServiceLive;
pub use model::{Model, ModelFacts};
pub use words::{Check, Reachable, Role, ServiceStatus, ServiceType, Source, Word};

/// What an Ollama calls a model that was named without a tag; `None` for a name that has one.
#[must_use]
pub fn latest_of(model: &str) -> Option<String> {
    let last = model.rsplit('/').next().unwrap_or(model);
    (!model.is_empty() && !last.contains(':')).then(|| format!("{model}:latest"))
}

/// A service as it is now. Immutable: a change makes a successor.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// Which service.
    pub id: ServiceId,
    /// Counts its changes and those of its models.
    pub revision: u64,
    /// What is known of it; shared while it does not change.
    pub facts: Arc<ServiceFacts>,
    /// How it does; never draining, see [`ServiceEntry::shown_status`].
    pub status: ServiceStatus,
    /// The status is from before the collector's start and was not judged again.
    pub unconfirmed: bool,
    /// It changes its status all the time.
    pub flapping: bool,
    /// Its host drains, and it with its host.
    pub host_drains: bool,
    /// What it does; `None` while its host is silent, and where nobody tells.
    pub state: Option<ServiceState>,
    /// What its agent told last, to come back to after a silence of its host.
    pub told: Option<ServiceState>,
    /// What holds.
    pub findings: Vec<Finding>,
    /// What it is called after its host; empty where no agent found it.
    pub names: Arc<[Name]>,
    /// What moves; shared by all successors.
    pub live: Arc<ServiceLive>,
}

/// A `host:port` that follows from the host of a service: from its address and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: Arc<str>,
    /// Nobody else could be meant by it.
    pub is_alone: bool,
}

impl ServiceEntry {
    /// A service of which nothing but its facts is known.
    #[must_use]
    pub fn unjudged(id: ServiceId, facts: ServiceFacts) -> Self {
        Self {
            id,
            revision: 0,
            facts: Arc::new(facts),
            status: ServiceStatus::Unknown,
            unconfirmed: false,
            flapping: false,
            host_drains: false,
            state: None,
            told: None,
            findings: Vec::new(),
            names: Arc::new([]),
            live: Arc::new(ServiceLive::default()),
        }
    }

    /// The host that it runs on, where that is known.
    #[must_use]
    pub fn host_id(&self) -> Option<&HostId> {
        self.facts.host_id.as_ref()
    }

    /// Other names by which it is asked for: those that people gave and ids of entries that joined
    /// it, then those that follow from its host and can mean nobody else.
    #[must_use]
    pub fn aliases(&self) -> Vec<&str> {
        let given = self.facts.aliases.iter().map(AsRef::as_ref);
        let of_host = self.names.iter().filter(|name| name.is_alone).map(|name| &*name.text);
        let new = of_host.filter(|name| self.facts.aliases.iter().all(|alias| **alias != **name));
        given.chain(new).collect()
    }

    /// One of its models.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.facts.models.get(self.model_at(name)?)
    }

    /// Where one of its models stands.
    pub(super) fn model_at(&self, name: &str) -> Option<usize> {
        self.facts.models.binary_search_by(|model| (*model.name).cmp(name)).ok()
    }

    /// The model that is meant by a name: the one of that very name, or on an Ollama, which calls
    /// the model `llama3` `llama3:latest`, that one.
    #[must_use]
    pub fn model_meant(&self, name: &str) -> Option<&Model> {
        let latest = || match latest_of(name) {
            Some(latest) if self.implies_latest() => self.model(&latest),
            _ => None,
        };
        self.model(name).or_else(latest)
    }

    /// Whether a name of a model without a tag means its newest here.
    #[must_use]
    pub fn implies_latest(&self) -> bool {
        &*self.facts.kind == "ollama"
    }

    /// Whether its models have the same names as those of another entry.
    pub(super) fn names_as(&self, other: &Self) -> bool {
        let (mine, others) = (&self.facts.models, &other.facts.models);
        Arc::ptr_eq(mine, others)
            || mine.len() == others.len()
                && mine.iter().zip(others.iter()).all(|(mine, other)| mine.name == other.name)
    }

    /// Whether it can be told which of its models are in memory.
    #[must_use]
    pub fn tells_warmth(&self) -> bool {
        self.state.is_some()
            || (self.facts.check != Check::Agent && self.status.is_up() && !self.unconfirmed)
    }

    /// Names of the models in memory, sorted; none while that cannot be told.
    pub fn warm(&self) -> impl Iterator<Item = &Arc<str>> {
        let known = self.tells_warmth();
        let warm = self.facts.models.iter().filter(move |model| known && model.warm);
        warm.map(|model| &model.facts.name)
    }

    /// Whether it, or its host, shall get nothing new.
    #[must_use]
    pub fn drains(&self) -> bool {
        self.facts.drain || self.host_drains
    }

    /// How it does, as it is told: a healthy one that drains is draining.
    #[must_use]
    pub fn shown_status(&self) -> ServiceStatus {
        if self.status == ServiceStatus::Healthy && self.drains() {
            ServiceStatus::Draining
        } else {
            self.status
        }
    }

    /// Whether it lives but does not answer, as its agent tells. While its host is silent, what was
    /// told last holds, so that the host comes back in the condition in which it left; not while
    /// somebody else judges the service.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.facts.check == Check::Agent && self.state.or(self.told) == Some(ServiceState::Hung)
    }

    /// How many requests it works on; `None` while that cannot be told.
    #[must_use]
    pub fn requests_running(&self) -> Option<u64> {
        self.live.requests_running().filter(|_| self.is_up())
    }

    /// How many requests wait at it; `None` while that cannot be told.
    #[must_use]
    pub fn queue_depth(&self) -> Option<u64> {
        self.live.queue_depth().filter(|_| self.is_up())
    }

    fn is_up(&self) -> bool {
        match self.facts.check {
            Check::Agent => self.state.is_some_and(|state| state != ServiceState::Down),
            Check::Probe | Check::Heartbeat => self.status.is_up(),
        }
    }

    /// What it and its models can do, sorted.
    #[must_use]
    pub fn capabilities(&self) -> Vec<&str> {
        let models = self.facts.models.iter().flat_map(|model| &*model.facts.capabilities);
        let declared = self.facts.caps.iter().map(String::as_str);
        let mut capabilities: Vec<&str> = declared.chain(models.map(Arc::as_ref)).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        capabilities
    }

    /// Whether it, or one of its models, can do this.
    #[must_use]
    pub fn can(&self, cap: &str) -> bool {
        let of_model = |model: &Model| model.capabilities.iter().any(|own| **own == *cap);
        self.facts.caps.iter().any(|own| own == cap) || self.facts.models.iter().any(of_model)
    }

    /// Roughly what it takes in memory, bytes: what bounds the ring.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let findings = self.findings.iter().map(|finding| 64 + finding.message.len());
        let names = self.names.iter().map(|name| 32 + name.text.len());
        self.facts.approximate_bytes() + findings.sum::<usize>() + names.sum::<usize>()
    }
}
