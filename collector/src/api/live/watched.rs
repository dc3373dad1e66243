//! What a viewer looks at, and what of it moved since it was sent last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::registry::Registry;
use crate::registry::host::HostEntry;
use crate::registry::service::ServiceEntry;

use super::{beside, frames};

/// So many hosts and services are encoded at once. More would keep the thread that carries all
/// sockets for longer than it takes to have another one do it.
const ENCODED_HERE_MAX: usize = 8;

/// What the viewer looks at, and when each was heard as it was sent last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    hosts: HashMap<String, u64>,
    services: HashMap<String, i64>,
}

impl Watched {
    pub(super) fn new(hosts: Vec<String>, services: Vec<String>) -> Self {
        Self {
            hosts: hosts.into_iter().map(|id| (id, 0)).collect(),
            services: services.into_iter().map(|id| (id, 0)).collect(),
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
            let checked = service.live.checked_at().map_or(0, |at| at.unix_ms());
            if checked != *sent {
                *sent = checked;
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
