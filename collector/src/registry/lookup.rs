//! Who is there: look-ups of services, by id, by another name, by model, and by whatever else a
//! router or a page asks for. Nothing here takes the ledger's lock, and nothing here changes
//! anything.
//!
//! ```
//! use herdbook_collector::config::Liveness;
//! use herdbook_collector::registry::Registry;
//! use herdbook_collector::registry::lookup::Query;
//! use herdbook_collector::registry::moment::Moment;
//!
//! let registry = Registry::new(Liveness::default());
//! let kept = r#"{"id": "10.0.0.9:8000", "revision": 1, "status": "healthy", "records": {
//!     "manual": {"name": "qwen", "kind": "vllm", "url": "http://10.0.0.9:8000",
//!                "models": [{"name": "qwen3"}], "caps": ["rerank"]}}}"#;
//! assert_eq!(registry.restore(&[], &[kept.to_owned()], Moment::now()), 0);
//!
//! assert_eq!((registry.n_services(), registry.n_models()), (1, 1));
//! assert_eq!(registry.services_of_model("qwen3")[0].id.as_str(), "10.0.0.9:8000");
//! // A vLLM calls a model what it calls it: a tag is implied on an Ollama only.
//! assert!(registry.services_of_model("qwen3:latest").is_empty());
//!
//! let wanted = Query { cap: Some("rerank".to_owned()), ..Query::of_model("qwen3") };
//! assert_eq!(registry.services_where(&wanted.healthy()).len(), 1);
//! assert!(registry.known_service("10.0.0.9:9000").is_err());
//! ```

use std::sync::Arc;

use super::Registry;
use super::service::{Role, ServiceEntry, ServiceStatus, ServiceType, latest_of};

/// There is no service of this id or name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no service {0:?}")]
pub struct UnknownService(pub String);

/// Services as they are at one moment.
#[derive(Clone, Debug)]
pub struct Listed {
    /// This run of the collector.
    pub epoch: Arc<str>,
    /// The number of the last change that they hold.
    pub seq: u64,
    /// The services, by id.
    pub services: Vec<Arc<ServiceEntry>>,
}

/// Which services. What is not said lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// They have this model; [`ServiceEntry::model_meant`] says what a name means.
    pub model: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Of this type.
    pub r#type: Option<ServiceType>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Shown in this status.
    pub status: Option<ServiceStatus>,
    /// In this role.
    pub role: Option<Role>,
    /// They, or one of their models, can do this.
    pub cap: Option<String>,
    /// They have this label, with this value where one is given.
    pub label: Option<(String, Option<String>)>,
    /// On this host.
    pub host: Option<String>,
    /// Whether they are shown as healthy.
    pub healthy: Option<bool>,
    /// This is part of their id or name, in any case.
    pub q: Option<String>,
}

impl Query {
    /// All services that have a model.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..Self::default() }
    }

    /// The same, healthy ones only.
    #[must_use]
    pub fn healthy(self) -> Self {
        Self { healthy: Some(true), ..self }
    }

    /// Whether it lets a service through.
    #[must_use]
    pub fn lets_through(&self, service: &ServiceEntry) -> bool {
        self.model.as_ref().is_none_or(|model| service.model_meant(model).is_some())
            && self.lets_any_model_through(service)
    }

    fn lets_any_model_through(&self, service: &ServiceEntry) -> bool {
        let facts = &service.facts;
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        let is_healthy = || service.shown_status() == ServiceStatus::Healthy;
        is(&self.name, &facts.name)
            && self.r#type.is_none_or(|r#type| facts.r#type == r#type)
            && is(&self.kind, &facts.kind)
            && self.status.is_none_or(|status| service.shown_status() == status)
            && self.role.is_none_or(|role| facts.role == role)
            && self.healthy.is_none_or(|wanted| is_healthy() == wanted)
            && self.host.as_ref().is_none_or(|host| is_on(service, host))
            && self.label.as_ref().is_none_or(|label| has_label(service, label))
            && self.cap.as_ref().is_none_or(|cap| service.can(cap))
            && self.q.as_ref().is_none_or(|q| is_about(service, &q.to_lowercase()))
    }
}

fn is_on(service: &ServiceEntry, host: &str) -> bool {
    service.host_id().is_some_and(|id| id.as_str() == host)
}

fn has_label(service: &ServiceEntry, (key, value): &(String, Option<String>)) -> bool {
    let label = service.facts.labels.get(key);
    label.is_some_and(|label| value.as_ref().is_none_or(|value| value == label))
}

fn is_about(service: &ServiceEntry, q: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(q);
    holds(service.id.as_str()) || holds(&service.facts.name)
}

impl Registry {
    /// One service.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<Arc<ServiceEntry>> {
        self.services.get(id).map(|entry| Arc::clone(&entry))
    }

    /// The service of this id, or else the one that this `host:port` belongs to. Names of hosts are
    /// written in any case; a path is not.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Arc<ServiceEntry>> {
        let known = |name: &str| {
            let by_alias = || self.service(self.aliases.owner(name)?.as_str());
            self.service(name).or_else(by_alias)
        };
        known(name).or_else(|| {
            let end = name.find('/').unwrap_or(name.len());
            let (host, path) = name.split_at(end);
            let is_upper = host.contains(|c: char| c.is_ascii_uppercase());
            is_upper.then(|| known(&(host.to_ascii_lowercase() + path))).flatten()
        })
    }

    /// The service of this id, or else the one that this `host:port` belongs to.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn known_service(&self, name: &str) -> Result<Arc<ServiceEntry>, UnknownService> {
        self.resolve(name).ok_or_else(|| UnknownService(name.to_owned()))
    }

    /// All services, in no order.
    #[must_use]
    pub fn services(&self) -> Vec<Arc<ServiceEntry>> {
        self.services.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// How many services there are.
    #[must_use]
    pub fn n_services(&self) -> usize {
        self.services.len()
    }

    /// How many names of models there are over all services.
    #[must_use]
    pub fn n_models(&self) -> usize {
        self.models.n_models()
    }

    /// The services that have `model` now, by id. Never one without it. A name without a tag finds
    /// services that have a model of that very name, and each Ollama that has its `:latest`.
    #[must_use]
    pub fn services_of_model(&self, model: &str) -> Vec<Arc<ServiceEntry>> {
        let mut found = Vec::new();
        self.models.find(model, |_| true, &mut found);
        let Some(latest) = latest_of(model) else { return found };
        let n_exact = found.len();
        self.models.find(&latest, ServiceEntry::implies_latest, &mut found);
        if n_exact > 0 && found.len() > n_exact {
            found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            found.dedup_by(|a, b| a.id == b.id);
        }
        found
    }

    /// About how many services have `model`, without looking at them: a service counts twice where
    /// it has both the name and its `:latest`.
    #[must_use]
    pub fn n_services_of_model(&self, model: &str) -> usize {
        let n_latest = latest_of(model).map_or(0, |latest| self.models.n_postings(&latest));
        self.models.n_postings(model) + n_latest
    }

    /// The services that a query lets through, by id, and the number of the last change that they
    /// hold. One for a model takes no lock, and may hold changes after that number.
    #[must_use]
    pub fn list_services(&self, query: &Query) -> Listed {
        if query.model.is_some() {
            let (epoch, seq) = self.cursor();
            return Listed { epoch, seq, services: self.services_where(query) };
        }
        let ledger = self.ledger();
        let (epoch, seq, mut services) = (ledger.epoch(), ledger.seq(), self.services());
        drop(ledger);
        services.retain(|entry| query.lets_any_model_through(entry));
        services.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Listed { epoch, seq, services }
    }

    /// The services that a query lets through, by id. One for a model does not look at the others.
    #[must_use]
    pub fn services_where(&self, query: &Query) -> Vec<Arc<ServiceEntry>> {
        if let Some(model) = &query.model {
            let mut found = self.services_of_model(model);
            found.retain(|entry| query.lets_any_model_through(entry));
            return found;
        }
        let found = self.services.iter().filter(|entry| query.lets_any_model_through(entry));
        let mut found: Vec<_> = found.map(|entry| Arc::clone(&entry)).collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "stress_tests.rs"]
mod stress_tests;
