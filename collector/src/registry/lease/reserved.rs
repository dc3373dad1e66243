//! VRAM that leases keep free for models which are not in memory yet: once they are, samples show
//! it. A model is loaded once on a service, so however many leases wait for it there, its place is
//! kept once.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use herdbook_shared::ids::{HostId, ServiceId};

use crate::registry::Registry;
use crate::registry::service::ServiceEntry;

/// What is kept free, by host.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct Reserved {
    by_host: HashMap<HostId, Vec<Held>, RandomState>,
    n_held: u64,
}

/// What one lease keeps free.
#[derive(Clone, Debug)]
pub(super) struct Reservation {
    host: HostId,
    service: ServiceId,
    model: Option<Arc<str>>,
    bytes: u64,
    /// Which of the held ones it is a part of.
    number: u64,
}

impl Reservation {
    pub(super) fn new(
        host: HostId,
        service: ServiceId,
        model: Option<Arc<str>>,
        bytes: u64,
    ) -> Self {
        Self { host, service, model, bytes, number: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// One place on a host, and how many leases wait for it.
#[derive(Clone, Debug)]
struct Held {
    number: u64,
    service: ServiceId,
    model: Option<Arc<str>>,
    bytes: u64,
    n_leases: usize,
}

impl Held {
    fn is_for(&self, service: &ServiceId, model: &str) -> bool {
        self.service == *service && self.model.as_deref() == Some(model)
    }

    /// Whether its model came into memory, or its service went.
    fn is_over(&self, registry: &Registry) -> bool {
        let Some(service) = registry.service(self.service.as_str()) else { return true };
        let Some(model) = self.model.as_deref() else { return false };
        let is_warm = |model: &crate::registry::service::Model| model.warm && !model.loading;
        service.tells_warmth() && service.model(model).is_some_and(is_warm)
    }
}

impl Reserved {
    /// Keeps a place free, or joins those who wait for the same.
    pub(super) fn hold(&mut self, reservation: &mut Reservation) {
        let held = self.by_host.entry(reservation.host.clone()).or_default();
        let (service, bytes) = (&reservation.service, reservation.bytes);
        let model = reservation.model.as_deref();
        let same = model.and_then(|model| held.iter_mut().find(|h| h.is_for(service, model)));
        if let Some(same) = same {
            same.bytes = same.bytes.max(bytes);
            same.n_leases += 1;
            reservation.number = same.number;
            return;
        }
        self.n_held += 1;
        reservation.number = self.n_held;
        held.push(Held {
            number: self.n_held,
            service: service.clone(),
            model: reservation.model.clone(),
            bytes,
            n_leases: 1,
        });
    }

    /// One lease waits no more. What was let go of already stays so.
    pub(super) fn release(&mut self, reservation: &Reservation) {
        let Some(held) = self.by_host.get_mut(&reservation.host) else { return };
        if let Some(at) = held.iter().position(|held| held.number == reservation.number) {
            held[at].n_leases -= 1;
            if held[at].n_leases == 0 {
                held.swap_remove(at);
            }
        }
        if held.is_empty() {
            self.by_host.remove(&reservation.host);
        }
    }

    pub(super) fn is_any_over(&self, registry: &Registry) -> bool {
        self.by_host.values().flatten().any(|held| held.is_over(registry))
    }

    /// Lets go of what samples show by now.
    pub(super) fn settle(&mut self, registry: &Registry) {
        self.by_host.retain(|_, held| {
            held.retain(|held| !held.is_over(registry));
            !held.is_empty()
        });
    }

    /// What is kept free on a service's host for anything but this model of it, bytes.
    pub(in crate::registry) fn bytes_beside(
        &self,
        registry: &Registry,
        service: &ServiceEntry,
        model: &str,
    ) -> u64 {
        if self.by_host.is_empty() {
            return 0;
        }
        let Some(held) = service.host_id().and_then(|host| self.by_host.get(host)) else {
            return 0;
        };
        let others = held.iter().filter(|h| !h.is_for(&service.id, model) && !h.is_over(registry));
        others.fold(0, |sum, held| sum.saturating_add(held.bytes))
    }
}

#[cfg(test)]
impl Reserved {
    pub(super) fn is_empty(&self) -> bool {
        self.by_host.is_empty()
    }

    pub(super) fn bytes_on(&self, host: &HostId) -> u64 {
        let held = self.by_host.get(host).into_iter().flatten();
        held.map(|held| held.bytes).sum()
    }
}
