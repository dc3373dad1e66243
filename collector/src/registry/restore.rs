//! Hosts and services to the documents that the store keeps, and back after a restart.

use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::store::{Batch, DirtySource, Extent, Row, RowKind, WriteError};

use super::Registry;
use super::check::departed::Gone;
use super::encode::json;
use super::finding::Finding;
use super::host::{HostEntry, HostFacts, HostLive};
use super::moment::Moment;
use super::node::HostPatch;
use super::service::record::{Found, Records};
use super::service::{ServiceEntry, ServiceFacts, ServiceStatus};
use super::unkept::Dirty;

/// About how many bytes of documents are handed to the store at once.
const TAKEN_BYTES: usize = 256 * 1024;

/// A host as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredHost {
    id: String,
    revision: u64,
    last_seen: Option<Timestamp>,
    facts: Arc<HostFacts>,
    #[serde(default, skip_serializing_if = "is_empty")]
    patch: Arc<HostPatch>,
}

fn is_empty(patch: &HostPatch) -> bool {
    *patch == HostPatch::default()
}

/// A service as the store keeps it. What version 0.1.0 wrote as `facts` is what an agent found.
#[derive(Debug, Serialize, Deserialize)]
struct StoredService {
    id: String,
    revision: u64,
    status: ServiceStatus,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flapping: bool,
    #[serde(default, deserialize_with = "readable")]
    findings: Vec<Finding>,
    #[serde(default)]
    registered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "<[Arc<str>]>::is_empty")]
    aliases: Arc<[Arc<str>]>,
    #[serde(default)]
    records: Records,
    #[serde(default, skip_serializing)]
    facts: Option<Arc<Found>>,
    /// It is no longer listed, since then, and may come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    departed_at: Option<Timestamp>,
}

/// A finding of a later version costs itself, and not its service.
fn readable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Finding>, D::Error> {
    let findings = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(findings.into_iter().filter_map(|finding| serde_json::from_value(finding).ok()).collect())
}

impl Registry {
    /// Takes in what the store kept, before anything else happens: no change is told of it. Hosts
    /// are `unknown` until they are heard, services unconfirmed until they are judged. Returns how
    /// many documents could not be read; they stay in the store as they are.
    pub fn restore(&self, hosts: &[String], services: &[String], moment: Moment) -> usize {
        let mut n_unreadable = 0;
        for doc in hosts {
            match serde_json::from_str::<StoredHost>(doc) {
                Ok(host) => self.restore_host(host, moment),
                Err(error) => {
                    n_unreadable += 1;
                    tracing::error!(%error, "a stored host cannot be read");
                }
            }
        }
        for doc in services {
            match serde_json::from_str::<StoredService>(doc) {
                Ok(service) => self.restore_service(service, moment),
                Err(error) => {
                    n_unreadable += 1;
                    tracing::error!(%error, "a stored service cannot be read");
                }
            }
        }
        self.restore_names(moment);
        n_unreadable
    }

    fn restore_host(&self, stored: StoredHost, moment: Moment) {
        let id = HostId::from_text(&stored.id);
        let live = HostLive::new(stored.last_seen);
        let entry = HostEntry::unheard(&id, stored.facts, live, moment);
        let entry = HostEntry { revision: stored.revision, patch: stored.patch, ..entry };
        self.follow_host(None, Some(&entry));
        self.hosts.insert(id, Arc::new(entry));
    }

    fn restore_service(&self, stored: StoredService, moment: Moment) {
        let id = ServiceId::from_text(&stored.id);
        let records = Records { agent: stored.records.agent.or(stored.facts), ..stored.records };
        let host_id = records.agent.as_ref().map(|found| found.host_id.clone());
        let host = host_id.as_ref().and_then(|id| self.host(id.as_str()));
        if let (Some(host_id), None) = (&host_id, &host) {
            tracing::warn!(service = %id, host = %host_id, "a stored service has no host: removed");
            self.ledger().dirty.mark(Dirty::Service(id));
            self.dirty.notify_one();
            return;
        }
        let found_at = records.agent.as_ref().map(|found| found.registered_at);
        let registered_at = stored.registered_at.or(found_at).unwrap_or(moment.at);
        let check = records.check(false);
        let facts = ServiceFacts::of(records, check, registered_at, None);
        let entry = ServiceEntry {
            revision: stored.revision,
            status: stored.status,
            unconfirmed: true,
            flapping: stored.flapping,
            host_drains: host.is_some_and(|host| host.patch.drain),
            findings: stored.findings,
            ..ServiceEntry::unjudged(id.clone(), ServiceFacts { aliases: stored.aliases, ..facts })
        };
        if let Some(at) = stored.departed_at {
            let gone = Gone { entry: Arc::new(entry), at, left: None };
            self.ledger().departed.insert(gone);
            return;
        }
        for claim in entry.claims() {
            self.aliases.claim(&claim, &id);
        }
        let entry = Arc::new(entry);
        self.follow_service(None, Some(&entry));
        self.services.insert(id.clone(), Arc::clone(&entry));
        self.models.take(None, &entry);
        if let Some(host_id) = &host_id {
            self.transaction(moment).follow_services(host_id, |services| services.push(id));
        }
    }

    /// Has the store write again what it knows of every host that is heard, so that after a crash
    /// `last_seen` is not older than the time between two such calls.
    pub fn touch_heard(&self) {
        let hosts = self.hosts();
        let heard = hosts.iter().filter(|host| host.status.is_heard() && !host.id.is_clone());
        let heard: Vec<Dirty> = heard.map(|host| Dirty::Host(host.id.clone())).collect();
        let mut ledger = self.ledger();
        heard.into_iter().for_each(|host| ledger.dirty.mark(host));
        drop(ledger);
        self.dirty.notify_one();
    }

    /// Waits until everything that commands changed up to now is on the disk.
    ///
    /// # Errors
    ///
    /// Where it could not be written. It stays changed, and is written as soon as that is possible.
    pub async fn kept(&self) -> Result<(), WriteError> {
        let ticket = self.ledger().dirty.ticket();
        self.waiting.until_kept(ticket).await
    }

    /// Takes one entity that is to be written, as it is at this moment.
    fn take_one(&self, extent: Extent) -> Option<(Option<u64>, Dirty, Stored)> {
        let mut ledger = self.ledger();
        let (number, dirty) = ledger.dirty.take(extent)?;
        let stored = match &dirty {
            Dirty::Host(id) => self.host(id.as_str()).map_or(Stored::Nothing, Stored::Host),
            Dirty::Service(id) => match self.service(id.as_str()) {
                Some(entry) => Stored::Service(entry, None),
                None => ledger.departed.get(id.as_str()).map_or(Stored::Nothing, |gone| {
                    Stored::Service(Arc::clone(&gone.entry), Some(gone.at))
                }),
            },
        };
        Some((number, dirty, stored))
    }
}

/// What an entity was when it was taken.
enum Stored {
    Nothing,
    Host(Arc<HostEntry>),
    Service(Arc<ServiceEntry>, Option<Timestamp>),
}

impl Stored {
    fn row(&self, dirty: &Dirty) -> Row {
        let (kind, id) = match dirty {
            Dirty::Host(id) => (RowKind::Host, id.to_string()),
            Dirty::Service(id) => (RowKind::Service, id.to_string()),
        };
        let doc = match self {
            Self::Nothing => None,
            Self::Host(host) => Some(host_doc(host)),
            Self::Service(service, departed_at) => Some(service_doc(service, *departed_at)),
        };
        Row { kind, id, doc }
    }
}

fn host_doc(host: &HostEntry) -> String {
    json(&StoredHost {
        id: host.id.to_string(),
        revision: host.revision,
        last_seen: host.live.last_seen(),
        facts: Arc::clone(&host.facts),
        patch: Arc::clone(&host.patch),
    })
}

fn service_doc(service: &ServiceEntry, departed_at: Option<Timestamp>) -> String {
    let facts = &service.facts;
    json(&StoredService {
        id: service.id.to_string(),
        revision: service.revision,
        status: service.status,
        flapping: service.flapping,
        findings: service.findings.clone(),
        registered_at: Some(facts.registered_at),
        aliases: Arc::clone(&facts.aliases),
        records: facts.records.clone(),
        facts: None,
        departed_at,
    })
}

impl DirtySource for Registry {
    fn dirty(&self) -> &Notify {
        &self.dirty
    }

    fn urgent(&self) -> &Notify {
        &self.urgent
    }

    fn has_urgent(&self) -> bool {
        self.ledger().dirty.has_urgent()
    }

    fn take(&self, extent: Extent, max: usize) -> Batch {
        let (mut rows, mut n_bytes) = (Vec::new(), 0);
        while rows.len() < max && n_bytes < TAKEN_BYTES {
            let Some((number, dirty, stored)) = self.take_one(extent) else { break };
            // Encoded without the lock.
            let row = stored.row(&dirty);
            n_bytes += row.doc_bytes();
            rows.push((number, row));
        }
        let ledger = self.ledger();
        let is_cut = !ledger.dirty.is_empty();
        Batch { rows, through: ledger.dirty.taken_through(), is_cut }
    }

    fn kept(&self, through: u64) {
        self.waiting.kept(through);
    }

    fn give_back(&self, batch: Batch, why: &WriteError) {
        let mut ledger = self.ledger();
        for (number, row) in batch.rows {
            let dirty = match row.kind {
                RowKind::Host => Dirty::Host(HostId::from_text(&row.id)),
                RowKind::Service => Dirty::Service(ServiceId::from_text(&row.id)),
                // What others write is given back to them.
                _ => continue,
            };
            ledger.dirty.give_back(number, dirty);
        }
        let has_urgent = ledger.dirty.has_urgent();
        drop(ledger);
        self.waiting.failed(why);
        self.dirty.notify_one();
        if has_urgent {
            self.urgent.notify_one();
        }
    }
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
