//! What the tests of registry, sweep and ingest build their hosts from.

pub(crate) mod fleet;

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::{HostId, InstanceId, ServiceId};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::hello::{Hello, ProtocolRange};
use herdbook_shared::wire::inventory::{
    Gpu, Inventory, MemoryKind, Model, Service, ServiceState, System, Vendor,
};
use herdbook_shared::wire::sample::{GpuSample, Sample};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::{DirtySource, Extent, Row};

use super::Registry;
use super::alert::{Alert, AlertSubject, SubjectKind};
use super::arrive::{Link, OpenError, Opened};
use super::change::{ChangeKind, Subject};
use super::finding::Severity;
use super::join::DeclaredAs;
use super::moment::Moment;
use super::service::record::{Declared, Records};
use super::service::{Check, ServiceEntry, ServiceFacts, ServiceType, Source};
use super::url::ServiceUrl;

/// A clock that tests push on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    since: Duration,
    wall_ms: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), since: Duration::ZERO, wall_ms: 1_795_000_000_000 }
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> Moment {
        self.since += Duration::from_secs(seconds);
        self.moment()
    }

    pub(crate) fn moment(&self) -> Moment {
        let ms = i64::try_from(self.since.as_millis()).unwrap();
        Moment { now: self.start + self.since, at: Timestamp::from_unix_ms(self.wall_ms + ms) }
    }

    /// The clock of the next run, whose monotonic one begins anew.
    pub(crate) fn restarted(self) -> Self {
        Self { wall_ms: self.moment().at.unix_ms(), ..Self::new() }
    }
}

pub(crate) fn host_id(n: u8) -> HostId {
    HostId::parse(&format!("0199f3a0-0000-7000-8000-0000000000{n:02x}")).unwrap()
}

pub(crate) fn hello(host: &HostId, instance_id: InstanceId, name: &str) -> Hello {
    Hello {
        protocol: ProtocolRange { min: 1, max: 1 },
        capabilities: Vec::new(),
        host_id: host.to_string(),
        instance_id,
        boot_id: String::new(),
        agent_version: "0.1.0".to_owned(),
        name: name.to_owned(),
        role: "worker".to_owned(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        sample_interval_ms: 1000,
        proof: None,
    }
}

pub(crate) fn link() -> Link {
    let loopback = [127, 0, 0, 1].into();
    let superseded = CancellationToken::new();
    Link { remote_address: loopback, local_address: Some(loopback), superseded }
}

/// Where a host comes from, in the stories of names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) name: &'a str,
    pub(crate) peer: &'a str,
    pub(crate) boot_id: &'a str,
}

/// Connects host `n` as a fresh instance.
pub(crate) fn arrive(registry: &Registry, n: u8, arrival: Arrival<'_>, moment: Moment) -> Opened {
    try_arrive(registry, n, arrival, moment).unwrap()
}

pub(crate) fn try_arrive(
    registry: &Registry,
    n: u8,
    arrival: Arrival<'_>,
    moment: Moment,
) -> Result<Opened, OpenError> {
    let id = host_id(n);
    let hello = Hello {
        boot_id: arrival.boot_id.to_owned(),
        ..hello(&id, InstanceId::random(), arrival.name)
    };
    let link = Link { remote_address: arrival.peer.parse().unwrap(), ..link() };
    registry.open_session(&id, &hello, link, moment)
}

/// Connects host `n` from this address.
pub(crate) fn connect_from(registry: &Registry, n: u8, peer: std::net::IpAddr) -> Opened {
    let (name, peer) = (format!("gpu-{n}"), peer.to_string());
    arrive(registry, n, Arrival { name: &name, peer: &peer, boot_id: "" }, Moment::now())
}

/// Connects host `n`, named `gpu-n`, as a fresh instance.
pub(crate) fn connect(registry: &Registry, n: u8, moment: Moment) -> Opened {
    connect_as(registry, n, InstanceId::random(), moment)
}

pub(crate) fn connect_as(
    registry: &Registry,
    n: u8,
    instance: InstanceId,
    moment: Moment,
) -> Opened {
    try_connect_as(registry, n, instance, moment).unwrap()
}

pub(crate) fn try_connect_as(
    registry: &Registry,
    n: u8,
    instance: InstanceId,
    moment: Moment,
) -> Result<Opened, OpenError> {
    let id = host_id(n);
    let hello = hello(&id, instance, &format!("gpu-{n}"));
    registry.open_session(&id, &hello, link(), moment)
}

pub(crate) fn sample() -> Sample {
    Sample {
        cpu_percent: Some(12.5),
        memory_used_bytes: Some(1),
        memory_total_bytes: Some(4),
        ..Sample::default()
    }
}

pub(crate) fn gpu_sample(id: &str) -> GpuSample {
    GpuSample {
        id: id.to_owned(),
        utilization_percent: Some(50.0),
        memory_used_bytes: Some(10),
        ..GpuSample::default()
    }
}

pub(crate) fn gpu(id: &str, index: u32) -> Gpu {
    Gpu {
        id: id.to_owned(),
        index,
        vendor: Vendor::Nvidia,
        name: "NVIDIA H200".to_owned(),
        driver: Some("580.1".to_owned()),
        memory_kind: MemoryKind::Dedicated,
        memory_total_bytes: Some(100),
        power_limit_watts: Some(700.0),
        ..Gpu::default()
    }
}

pub(crate) fn model(name: &str, warm: bool) -> Model {
    Model {
        name: name.to_owned(),
        digest: Some("46e0".to_owned()),
        size_bytes: Some(1000),
        vram_bytes: warm.then_some(1200),
        warm,
        ..Model::default()
    }
}

pub(crate) fn service(address: &str, port: u16, models: Vec<Model>) -> Service {
    let is_warm = models.iter().any(|model| model.warm);
    Service {
        kind: "ollama".to_owned(),
        address: address.to_owned(),
        port,
        version: Some("0.33.0".to_owned()),
        state: if is_warm { ServiceState::Resident } else { ServiceState::Idle },
        models,
        ..Service::default()
    }
}

pub(crate) fn inventory(services: Vec<Service>) -> Inventory {
    Inventory {
        system: Some(System { os: "Debian 12".to_owned(), ..System::default() }),
        addresses: vec!["10.0.0.7".to_owned()],
        gpus: Some(Vec::new()),
        missing: Default::default(),
        services,
        ..Inventory::empty()
    }
}

/// A service at a URL that is asked, or that beats.
pub(crate) fn checked_by(url: &str, check: Check) -> Declared {
    Declared {
        name: Some("a".to_owned()),
        url: Some(url.to_owned()),
        check: Some(check),
        ..Declared::default()
    }
}

impl Registry {
    /// Lists a service that one source declares, however that comes about.
    pub(crate) fn list(&self, id: &str, source: Source, declared: Declared, moment: Moment) {
        let record = Some(Arc::new(declared));
        let records = match source {
            Source::Agent => Records::default(),
            Source::Own => Records { own: record, ..Records::default() },
            Source::Manual => Records { manual: record, ..Records::default() },
            Source::File => Records { file: record, ..Records::default() },
        };
        let facts = ServiceFacts::of(records.clone(), records.check(false), moment.at, None);
        let entry = ServiceEntry::unjudged(ServiceId::from_text(id), facts);
        let mut transaction = self.transaction(moment);
        let entry = transaction.put_service(entry, ChangeKind::ServiceRegistered, None);
        if source == Source::Own {
            transaction.beat_by_registering(&entry);
        }
    }

    /// Takes a service off the list, however that comes about.
    pub(crate) fn unlist(&self, id: &str, moment: Moment) {
        self.transaction(moment).remove_service(&ServiceId::from_text(id), "a test");
    }

    /// Has a person declare a service that is listed.
    pub(crate) fn join(&self, id: &str, declared: Declared, moment: Moment) {
        let mut transaction = self.transaction(moment);
        let before = self.service(id).unwrap();
        let manual = Some(Arc::new(declared));
        let records = Records { manual, ..before.facts.records.clone() };
        let facts = ServiceFacts::of(records, before.facts.check, moment.at, Some(&before.facts));
        let after = ServiceEntry { facts: Arc::new(facts), ..(*before).clone() };
        transaction.put_service(after, ChangeKind::ServiceChanged, None);
    }

    /// What is to be kept, as rows.
    pub(crate) fn take_dirty(&self, max: usize) -> Vec<Row> {
        let batch = DirtySource::take(self, Extent::All, max);
        batch.rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The kinds of all changes after `seq`.
    pub(crate) fn kinds_since(&self, seq: u64) -> Vec<&'static str> {
        let changes = self.changes_since(seq, usize::MAX).unwrap();
        changes.iter().map(|change| change.kind.word()).collect()
    }

    /// Tells a change of any kind, of things that need not be listed.
    pub(crate) fn tell_any(&self, kind: ChangeKind, moment: Moment) {
        let entity = kind.word().split('.').next().unwrap();
        let service = ServiceId::from_text("gpu-1:1");
        let subject = match entity {
            _ if kind.is_of_agent() => Subject::Agent,
            "service" => Subject::NoService(service, Some(host_id(1))),
            "model" => {
                let records = Records::default();
                let facts = ServiceFacts::of(records, Check::Agent, moment.at, None);
                Subject::Model(Arc::new(ServiceEntry::unjudged(service, facts)), "m".into())
            }
            "fleet" => Subject::Fleet(serde_json::json!({ "n_hosts": 3 })),
            "catalog" => Subject::Catalog(serde_json::json!({ "name": "skills" })),
            "alert" => Subject::Alert(Arc::new(alert(moment))),
            _ => Subject::NoHost(host_id(1)),
        };
        self.transaction(moment).tell(kind, subject, Some("a test".to_owned()));
    }

    /// Adds a service by its URL.
    pub(crate) fn declare_url(
        &self,
        source: Source,
        url: &str,
        moment: Moment,
    ) -> (Arc<ServiceEntry>, DeclaredAs) {
        let url = ServiceUrl::parse(url).unwrap();
        self.transaction(moment).declare(source, Declared::default(), &url)
    }

    /// Takes back what a source said of the service that is known by this name.
    pub(crate) fn take_back(&self, name: &str, source: Source, moment: Moment) {
        let id = self.resolve(name).unwrap().id.clone();
        self.transaction(moment).lose_source(&id, source, "taken back");
    }

    pub(crate) fn forget_host(&self, n: u8, moment: Moment) {
        self.transaction(moment).remove_host(&host_id(n), "removed");
    }

    pub(crate) fn take_sample(&self, opened: &Opened, sample: Sample, moment: Moment) {
        self.record_sample(&opened.host_id, &opened.session.id, sample, moment).unwrap();
    }

    pub(crate) fn take_inventory(&self, opened: &Opened, services: Vec<Service>, moment: Moment) {
        let inventory = inventory(services);
        self.apply_inventory(&opened.host_id, &opened.session.id, inventory, moment).unwrap();
    }
}

fn alert(moment: Moment) -> Alert {
    let subject = AlertSubject {
        kind: SubjectKind::Host,
        id: host_id(1).as_str().into(),
        name: "gpu-1".into(),
    };
    Alert {
        id: "an alert".into(),
        rule: "host_offline".into(),
        severity: Severity::Warning,
        subject,
        part: None,
        message: "it is gone".to_owned(),
        cause: None,
        raised_at: moment.at,
        resolved_at: None,
    }
}

/// A service as a person, a file or itself declares it.
pub(crate) fn declared(name: &str, url: &str) -> Declared {
    Declared {
        name: Some(name.to_owned()),
        r#type: Some(ServiceType::Model),
        url: Some(url.to_owned()),
        ..Declared::default()
    }
}
