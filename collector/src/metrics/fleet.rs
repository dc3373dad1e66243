//! What one answer is about: the register at one moment, or one host of it.

use std::collections::HashSet;
use std::sync::Arc;

use herdbook_shared::ids::HostId;

use crate::api::Api;
use crate::registry::host::HostEntry;
use crate::registry::moment::Moment;
use crate::registry::service::ServiceEntry;

use super::figures::Figures;
use super::models::Told;
use super::own::Own;
use super::services::ServiceAt;

/// See the module's words. It holds entries, which say what there is; what moves is read while it is
/// written, and is as new as the piece of the answer in which it stands.
#[derive(Debug)]
pub struct Fleet {
    /// The collector; `None` where one host is asked for.
    pub own: Option<Own>,
    /// Hosts, by id.
    pub hosts: Vec<Arc<HostEntry>>,
    /// Services, by id.
    pub services: Vec<Arc<ServiceEntry>>,
    /// Which of their models are told.
    pub told: Told,
}

impl Fleet {
    /// All of it.
    #[must_use]
    pub fn whole(api: &Api) -> Self {
        let snapshot = api.registry.snapshot(Moment::now());
        let figures = Figures::of(api, &snapshot);
        let services = snapshot.services.iter().map(AsRef::as_ref);
        let told = Told::over(services.clone());
        let n_models_left_out = services.map(|service| told.n_left_out(service)).sum();
        Self {
            own: Some(Own { figures, n_models_left_out }),
            hosts: snapshot.hosts,
            services: snapshot.services,
            told,
        }
    }

    /// The hosts of this id or name and what runs there; `None` where there are none.
    #[must_use]
    pub fn of_host(api: &Api, wanted: &str) -> Option<Self> {
        let mut snapshot = api.registry.snapshot(Moment::now());
        snapshot.hosts.retain(|host| host.id.as_str() == wanted || host.facts.name == wanted);
        let ids: HashSet<&HostId> = snapshot.hosts.iter().map(|host| &host.id).collect();
        snapshot.services.retain(|service| service.host_id().is_some_and(|id| ids.contains(id)));
        let told = Told::over(snapshot.services.iter().map(AsRef::as_ref));
        let (hosts, services) = (snapshot.hosts, snapshot.services);
        (!hosts.is_empty()).then_some(Self { own: None, hosts, services, told })
    }

    /// A service with its host.
    #[must_use]
    pub fn service_at(&self, service: &Arc<ServiceEntry>) -> ServiceAt {
        let host = service.host_id().and_then(|id| {
            let place = self.hosts.binary_search_by(|host| host.id.cmp(id)).ok()?;
            self.hosts.get(place).cloned()
        });
        ServiceAt { service: Arc::clone(service), host }
    }
}
