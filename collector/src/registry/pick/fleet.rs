//! Fleets for the tests of pick, leases and graph.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::InstanceId;
use herdbook_shared::wire::hello::Hello;
use herdbook_shared::wire::inventory::{Gpu, Inventory, Model, Service};
use herdbook_shared::wire::sample::{GpuSample, Sample, ServiceSample};
use tokio_util::sync::CancellationToken;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::{Link, Opened};
use crate::registry::change::ChangeKind;
use crate::registry::node::HostEdit;
use crate::registry::service::{ServiceEntry, ServiceFacts};
use crate::registry::testing::*;

use super::{Picked, Wanted};

/// The boot of the collector's machine.
pub(crate) const OWN_BOOT: &str = "0b00-7000";

/// Hosts `gpu-n`, each with one GPU of 100 bytes and a server at port 11434 of 10.0.0.n.
pub(crate) struct Fleet {
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let registry = Registry::new(Liveness::default());
        let registry = registry.with_boot_id(Some(OWN_BOOT.to_owned()));
        Self { registry, clock: Clock::new() }
    }

    /// With a cold model `m` that needs 12 bytes on each of these hosts.
    pub(crate) fn with_cold(hosts: &[u8]) -> Self {
        let fleet = Self::new();
        for n in hosts {
            fleet.host(*n, &[small("m", false)]);
        }
        fleet
    }

    /// Connects a host that is heard, with a server that has these models.
    pub(crate) fn host(&self, n: u8, models: &[Model]) -> Opened {
        let opened = self.connect(n, [10, 0, 0, n].into(), "");
        self.report(&opened, n, models);
        self.sample(&opened, n, Some(0));
        opened
    }

    pub(crate) fn connect(&self, n: u8, remote_address: IpAddr, boot_id: &str) -> Opened {
        let id = host_id(n);
        let hello = hello(&id, InstanceId::random(), &format!("gpu-{n}"));
        let hello = Hello { boot_id: boot_id.to_owned(), ..hello };
        let (local_address, superseded) = (None, CancellationToken::new());
        let link = Link { remote_address, local_address, superseded };
        self.registry.open_session(&id, &hello, link, self.clock.moment()).unwrap()
    }

    /// The host's server has these models.
    pub(crate) fn report(&self, opened: &Opened, n: u8, models: &[Model]) {
        self.report_at(opened, n, &format!("10.0.0.{n}"), models);
    }

    pub(crate) fn report_at(&self, opened: &Opened, n: u8, address: &str, models: &[Model]) {
        let server = service(address, 11434, models.to_vec());
        self.report_with(opened, Some(vec![gpu(&format!("GPU-{n}"), 0)]), vec![server]);
    }

    pub(crate) fn report_with(
        &self,
        opened: &Opened,
        gpus: Option<Vec<Gpu>>,
        services: Vec<Service>,
    ) {
        let inventory = Inventory { gpus, ..inventory(services) };
        let (host, session) = (&opened.host_id, &opened.session.id);
        self.registry.apply_inventory(host, session, inventory, self.clock.moment()).unwrap();
    }

    /// The host is heard; so many bytes of its 100 are used.
    pub(crate) fn sample(&self, opened: &Opened, n: u8, used: Option<u64>) {
        self.sample_at(opened, n, used, None);
    }

    pub(crate) fn sample_at(
        &self,
        opened: &Opened,
        n: u8,
        memory_used_bytes: Option<u64>,
        utilization_percent: Option<f64>,
    ) {
        let gpu = GpuSample {
            id: format!("GPU-{n}"),
            memory_used_bytes,
            utilization_percent,
            ..GpuSample::default()
        };
        let sample = Sample { gpus: Some(vec![gpu]), ..sample() };
        self.registry.take_sample(opened, sample, self.clock.moment());
    }

    pub(crate) fn entry(&self, n: u8) -> Arc<ServiceEntry> {
        self.registry.service(&id(n)).unwrap()
    }

    /// Changes the service of host `n`.
    pub(crate) fn edit(&self, n: u8, edit: impl FnOnce(&mut ServiceEntry)) {
        let mut entry = (*self.entry(n)).clone();
        edit(&mut entry);
        let mut transaction = self.registry.transaction(self.clock.moment());
        transaction.put_service(entry, ChangeKind::ServiceChanged, None);
    }

    /// Changes what is known of the service of host `n`.
    pub(crate) fn edit_facts(&self, n: u8, edit: impl FnOnce(&mut ServiceFacts)) {
        self.edit(n, |entry| edit(Arc::make_mut(&mut entry.facts)));
    }

    /// Whether host `n` shall get nothing new.
    pub(crate) fn drain_host(&self, n: u8, drain: bool) {
        let edit = HostEdit { drain: Some(Some(drain)), ..HostEdit::default() };
        self.registry.patch_hosts(&[host_id(n)], &edit, self.clock.moment());
    }

    /// Lists a service that no agent found.
    pub(crate) fn add(&self, id: &str, edit: impl FnOnce(&mut ServiceEntry)) {
        let mut entry = (*self.entry(1)).clone();
        entry.id = herdbook_shared::ids::ServiceId::from_text(id);
        entry.live = Arc::default();
        let facts = Arc::make_mut(&mut entry.facts);
        (facts.records.agent, facts.host_id) = (None, None);
        facts.check = crate::registry::service::Check::Probe;
        edit(&mut entry);
        let mut transaction = self.registry.transaction(self.clock.moment());
        transaction.put_service(entry, ChangeKind::ServiceRegistered, None);
    }

    /// So many requests wait at the server of host `n`.
    pub(crate) fn queue(&self, n: u8, n_waiting: u64) {
        let requests_waiting = Some(n_waiting);
        let sample = ServiceSample { requests_waiting, ..ServiceSample::default() };
        self.entry(n).live.write(&sample);
    }

    pub(crate) fn pick(&self, wanted: &Wanted) -> Picked {
        self.registry.pick(wanted).unwrap()
    }

    /// The hosts whose services are picked for `m`, the best first.
    pub(crate) fn order(&self) -> Vec<String> {
        ids(&self.pick(&model_m()))
    }
}

pub(crate) fn ids(picked: &Picked) -> Vec<String> {
    let all = [&picked.service].into_iter().chain(&picked.alternatives);
    all.map(|chosen| chosen.entry.id.to_string()).collect()
}

/// The id of the service of host `n`.
pub(crate) fn id(n: u8) -> String {
    format!("gpu-{n}:11434")
}

pub(crate) fn model_m() -> Wanted {
    Wanted { model: Some("m".to_owned()), ..Wanted::default() }
}

/// A model that needs 12 bytes.
pub(crate) fn small(name: &str, warm: bool) -> Model {
    let digest = Some(format!("digest of {name}"));
    let vram_bytes = warm.then_some(12);
    Model { digest, size_bytes: Some(10), vram_bytes, ..model(name, warm) }
}
