//! What a viewer looks at, and what of it moved since it was sent last.

use std::collections::HashMap;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use crate::registry::Registry;
use crate::registry::host::HostEntry;
use crate::registry::service::{ServiceEntry, ServiceLive};

use super::{beside, frames};

/// So many hosts and services are encoded at once. More would keep the thread that carries all
/// sockets for longer than it takes to have another one do it.
const ENCODED_HERE_MAX: usize = 8;

/// What the viewer looks at, and how it stood when it was sent last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    hosts: HashMap<String, u64>,
    services: HashMap<String, Option<Mark>>,
}

/// What shows that something of a service moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    checked_at: Option<Timestamp>,
    beat_at: Option<Timestamp>,
    pending: u64,
    total: u64,
}

impl Mark {
    fn of(live: &ServiceLive) -> Self {
        let (pending, total) = (live.pending(), live.total());
        Self { checked_at: live.checked_at(), beat_at: live.beat_at(), pending, total }
    }
}

impl Watched {
    pub(super) fn new(hosts: Vec<String>, services: Vec<String>) -> Self {
        Self {
            hosts: hosts.into_iter().map(|id| (id, 0)).collect(),
            services: services.into_iter().map(|id| (id, None)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.services.is_empty()
    }

    /// What was heard since it was taken last.
    pub(super) fn take_moved(&mut self, registry: &Registry) -> Moved {
        let mut moved = Moved::default();
        for (id, sent) in &mut self.hosts {
            let Some(host) = registry.host(id) else { continue };
            let heard = host.live.heard_ms();
            if heard != *sent {
                *sent = heard;
                moved.hosts.push(host);
            }
        }
        for (id, sent) in &mut self.services {
            let Some(service) = registry.service(id) else { continue };
            let mark = Some(Mark::of(&service.live));
            if mark != *sent {
                *sent = mark;
                moved.services.push(service);
            }
        }
        moved
    }
}

/// What moved.
#[derive(Debug, Default)]
pub(super) struct Moved {
    hosts: Vec<Arc<HostEntry>>,
    services: Vec<Arc<ServiceEntry>>,
}

impl Moved {
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.services.is_empty()
    }

    /// The frame. `None` where encoding broke.
    pub(super) async fn encode(self, seq: u64) -> Option<String> {
        let n_moved = self.hosts.len() + self.services.len();
        let encode = move || frames::samples(seq, &self.hosts, &self.services);
        if n_moved <= ENCODED_HERE_MAX { Some(encode()) } else { beside("samples", encode).await }
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::ids::ServiceId;

    use crate::config::Liveness;
    use crate::registry::moment::Moment;
    use crate::registry::testing::*;

    use super::*;

    #[test]
    fn a_service_is_sent_again_once_anything_of_it_moved() {
        let registry = Registry::new(Liveness::default());
        let opened = connect(&registry, 1, Moment::now());
        registry.take_inventory(&opened, vec![service("127.0.0.1", 1, Vec::new())], Moment::now());
        let id = ServiceId::from_text("gpu-1:1");
        let mut watched = Watched::new(Vec::new(), vec![id.to_string(), "nobody".to_owned()]);
        let mut n_moved = || watched.take_moved(&registry).services.len();
        assert_eq!((n_moved(), n_moved()), (1, 0));
        let live = Arc::clone(&registry.service(id.as_str()).unwrap().live);
        live.begin_request();
        assert_eq!((n_moved(), n_moved()), (1, 0));
        live.end_request();
        assert_eq!((n_moved(), n_moved()), (1, 0));
    }
}
