//! Everything at one `(epoch, seq)`. The lock is held only while the entries are cloned; what
//! takes time, the encoding, happens after.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use serde::Serialize;

use super::Registry;
use super::alert::Alert;
use super::encode::{self, json};
use super::host::{HostEntry, HostStatus};
use super::model::fleet_models;
use super::moment::Moment;
use super::service::{ServiceEntry, ServiceStatus, Word};
use super::view::View;
use super::view::host::{memory_percent, vram_percent};
use super::view::resources::{gpu_percent, vram};
use super::view::rounded;

/// All entries at one `(epoch, seq)`, by id.
#[derive(Debug)]
pub struct Snapshot {
    /// This run of the collector.
    pub epoch: Arc<str>,
    /// The number of the last change that it holds.
    pub seq: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// What the collector says of itself, "staging", say.
    pub notice: Option<Arc<str>>,
    /// All hosts.
    pub hosts: Vec<Arc<HostEntry>>,
    /// All services.
    pub services: Vec<Arc<ServiceEntry>>,
    /// All alerts that are not resolved.
    pub alerts: Vec<Arc<Alert>>,
}

impl Registry {
    /// Takes a snapshot.
    #[must_use]
    pub fn snapshot(&self, moment: Moment) -> Snapshot {
        let ledger = self.ledger();
        let (epoch, seq) = (ledger.epoch(), ledger.seq());
        let (mut hosts, mut services) = (self.hosts(), self.services());
        let alerts = ledger.alerts.values().cloned().collect();
        drop(ledger);
        hosts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        services.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let (at, notice) = (moment.at, self.notice());
        Snapshot { epoch, seq, at, notice, hosts, services, alerts }
    }
}

/// How many of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Hosts by status.
    pub hosts: BTreeMap<&'static str, usize>,
    /// Services by status.
    pub services: BTreeMap<&'static str, usize>,
    /// GPUs of all hosts.
    pub gpus: usize,
    /// Over hosts that are heard.
    pub vram_used_bytes: u64,
    /// Over hosts that are heard.
    pub vram_total_bytes: u64,
    /// Models in memory, one a host and name.
    pub models_warm: usize,
}

impl Snapshot {
    /// How many of what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            hosts: HostStatus::ALL.iter().map(|status| (status.word(), 0)).collect(),
            services: ServiceStatus::ALL.iter().map(|status| (status.word(), 0)).collect(),
            ..Counts::default()
        };
        for host in &self.hosts {
            *counts.hosts.entry(host.status.word()).or_default() += 1;
            counts.gpus += host.facts.gpus.as_deref().unwrap_or_default().len();
            counts.models_warm += host.warm.len();
            if let Some(sample) = host.present() {
                let (used, total) = vram(host, &sample);
                let sum = |sum: u64, part: Option<u64>| sum.saturating_add(part.unwrap_or(0));
                counts.vram_used_bytes = sum(counts.vram_used_bytes, used);
                counts.vram_total_bytes = sum(counts.vram_total_bytes, total);
            }
        }
        for service in &self.services {
            *counts.services.entry(service.shown_status().word()).or_default() += 1;
        }
        counts
    }

    /// The fields of the snapshot as JSON, from `"epoch"` to `"counts"`, without the braces, so
    /// that the API and the feed can put theirs around them.
    #[must_use]
    pub fn fields(&self, view: View) -> String {
        let models = fleet_models(self.services.iter().map(Arc::as_ref));
        let mut text = String::with_capacity(512 * (self.hosts.len() + self.services.len() + 1));
        text.push_str(&format!(
            "\"epoch\":{},\"seq\":{},\"at\":\"{}\",\"notice\":{},\"hosts\":[",
            json(&self.epoch),
            self.seq,
            self.at,
            json(&self.notice)
        ));
        push_list(&mut text, self.hosts.iter().map(|host| encode::host(host, view)));
        text.push_str("],\"services\":[");
        push_list(&mut text, self.services.iter().map(|service| encode::service(service, view)));
        text.push_str("],\"fleet_models\":");
        text.push_str(&json(&models));
        text.push_str(",\"alerts\":[");
        push_list(&mut text, self.alerts.iter().map(|alert| json(alert.as_ref())));
        text.push_str("],\"counts\":");
        text.push_str(&json(&self.counts()));
        text
    }

    /// What moves of all hosts in packed columns, in the order of their ids, and how many there
    /// are of what.
    #[must_use]
    pub fn fleet_frame(&self) -> String {
        let n_hosts = self.hosts.len();
        let (r#type, seq, counts) = ("fleet", self.seq, self.counts());
        let mut fleet = Fleet { r#type, seq, n_hosts, counts, ..Fleet::default() };
        for host in &self.hosts {
            let present = host.present();
            let sample = present.as_deref();
            fleet.cpu_percent.push(sample.and_then(|sample| sample.cpu_percent).map(rounded));
            fleet.memory_percent.push(sample.and_then(memory_percent));
            fleet.vram_percent.push(sample.and_then(|sample| vram_percent(host, sample)));
            fleet.gpu_percent.push(sample.and_then(gpu_percent));
        }
        json(&fleet)
    }
}

/// What moves of all hosts in packed columns, in the ascending order of their ids.
#[derive(Default, Serialize, schemars::JsonSchema)]
#[schemars(rename = "FleetFrame")]
pub(crate) struct Fleet {
    r#type: &'static str,
    seq: u64,
    n_hosts: usize,
    cpu_percent: Vec<Option<f64>>,
    memory_percent: Vec<Option<f64>>,
    vram_percent: Vec<Option<f64>>,
    gpu_percent: Vec<Option<f64>>,
    counts: Counts,
}

/// Puts commas between.
pub(crate) fn push_list(text: &mut String, items: impl Iterator<Item = String>) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
}
