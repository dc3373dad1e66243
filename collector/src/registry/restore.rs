//! Hosts and services to the documents that the store keeps, and back after a restart.

use std::sync::Arc;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::store::{DirtySource, Row, RowKind};

use super::Registry;
use super::check::departed::Gone;
use super::encode::json;
use super::finding::Finding;
use super::host::{HostEntry, HostFacts, HostLive};
use super::ledger::Dirty;
use super::moment::Moment;
use super::node::HostPatch;
use super::service::record::{Found, Records};
use super::service::{ServiceEntry, ServiceFacts, ServiceStatus};

/// About how many bytes of documents are handed to the store at once.
const TAKEN_BYTES: usize = 128 * 1024;

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
            self.ledger().dirty.insert(Dirty::Service(id));
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
        self.ledger().dirty.extend(heard);
        self.dirty.notify_one();
    }

    fn row(&self, dirty: &Dirty) -> Row {
        match dirty {
            Dirty::Host(id) => {
                let host = self.host(id.as_str());
                Row {
                    kind: RowKind::Host,
                    id: id.to_string(),
                    doc: host.map(|host| host_doc(&host)),
                }
            }
            Dirty::Service(id) => {
                let listed = self.service(id.as_str()).map(|entry| service_doc(&entry, None));
                let departed = || {
                    let gone = self.ledger().departed.get(id.as_str()).cloned()?;
                    Some(service_doc(&gone.entry, Some(gone.at)))
                };
                Row { kind: RowKind::Service, id: id.to_string(), doc: listed.or_else(departed) }
            }
        }
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

    fn take_dirty(&self, max: usize) -> Vec<Row> {
        let (mut rows, mut n_bytes) = (Vec::new(), 0);
        while rows.len() < max && n_bytes < TAKEN_BYTES {
            let Some(dirty) = self.ledger().dirty.pop_first() else { break };
            let row = self.row(&dirty);
            n_bytes += row.doc_bytes();
            rows.push(row);
        }
        rows
    }

    fn give_back(&self, rows: Vec<Row>) {
        let dirty = rows.into_iter().filter_map(|row| match row.kind {
            RowKind::Host => Some(Dirty::Host(HostId::from_text(&row.id))),
            RowKind::Service => Some(Dirty::Service(ServiceId::from_text(&row.id))),
            // What others write is given back to them.
            RowKind::Alert | RowKind::Silence | RowKind::CatalogEntry => None,
        });
        self.ledger().dirty.extend(dirty);
    }
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
