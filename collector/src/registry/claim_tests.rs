//! Whatever happens in whatever order: names lead to one service, ids stay, nobody who should have
//! joined is left, the index equals a rebuilt one, and the law of the feed holds.

use std::collections::BTreeMap;

use herdbook_shared::ids::SessionId;
use herdbook_shared::wire::inventory::{Service, ServiceState};
use proptest::prelude::*;

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::fold::Mirror;
use crate::registry::fold::tests::{mirror, without_volatile};
use crate::registry::service::Source;
use crate::registry::session::CloseReason;
use crate::registry::testing::fleet::{self, BOOT};
use crate::registry::testing::*;
use crate::registry::view::View;
use crate::sweep::Sweep;

use super::*;

const NAMES: [&str; 4] = ["gpu-1", "ubuntu", "GPU-2", "10.0.0.1"];
const PEERS: [&str; 5] = ["10.0.0.1", "10.0.0.2", "fd00::1", "127.0.0.1", "::1"];
const ADDRESSES: [&str; 4] = ["0.0.0.0", "127.0.0.1", "10.0.0.1", "::"];
const URLS: [&str; 12] = [
    "http://10.0.0.1:11434",
    "http://10.0.0.2:11434/",
    "http://[fd00::1]:11434",
    "gpu-1:11434",
    "ubuntu:11434",
    "GPU-2:11435",
    "10.0.0.1:11435",
    "10.0.0.1:11434/team",
    "localhost:11434",
    "127.0.0.1:11434",
    "ubuntu-000001:11434",
    "gpu-2:11434",
];

/// What may happen to one of three hosts and to what is declared.
#[derive(Clone, Debug)]
enum Happening {
    Arrive { host: u8, name: usize, peer: usize, is_own_boot: bool },
    Close { host: u8, reason: CloseReason },
    Sample { host: u8 },
    Inventory { host: u8, servers: Vec<(u16, usize, bool)> },
    Declare { source: Source, url: usize },
    TakeBack { nth: usize, source: Source },
    Forget { host: u8 },
    Pass { seconds: u64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    let host = 0..3u8;
    let source = prop_oneof![Just(Source::Manual), Just(Source::File)];
    let any_source = prop_oneof![Just(Source::Manual), Just(Source::File), Just(Source::Agent)];
    let reason = prop_oneof![Just(CloseReason::Lost), Just(CloseReason::Shutdown)];
    let servers = (0..2u16, 0..ADDRESSES.len(), prop::bool::weighted(0.1));
    let servers = prop::collection::vec(servers, 0..4);
    prop_oneof![
        4 => (host.clone(), 0..NAMES.len(), 0..PEERS.len(), any::<bool>()).prop_map(
            |(host, name, peer, is_own_boot)| Happening::Arrive { host, name, peer, is_own_boot }
        ),
        1 => (host.clone(), reason).prop_map(|(host, reason)| Happening::Close { host, reason }),
        1 => host.clone().prop_map(|host| Happening::Sample { host }),
        5 => (host.clone(), servers).prop_map(|(host, servers)| Happening::Inventory { host, servers }),
        5 => (source, 0..URLS.len()).prop_map(|(source, url)| Happening::Declare { source, url }),
        2 => (0..8usize, any_source).prop_map(|(nth, source)| Happening::TakeBack { nth, source }),
        1 => host.prop_map(|host| Happening::Forget { host }),
        1 => (1..60u64).prop_map(|seconds| Happening::Pass { seconds }),
    ]
}

struct World {
    registry: Registry,
    sweep: Sweep,
    clock: Clock,
    sessions: BTreeMap<u8, Opened>,
}

impl World {
    fn new() -> Self {
        let clock = Clock::new();
        Self {
            registry: Registry::new(Liveness::default()).with_boot_id(Some(BOOT.to_owned())),
            sweep: Sweep::new(Liveness::default(), clock.moment().now),
            clock,
            sessions: BTreeMap::new(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        let moment = self.clock.pass(1);
        match happening {
            Happening::Arrive { host, name, peer, is_own_boot } => {
                let boot_id = if is_own_boot { BOOT } else { "another" };
                let arrival = Arrival { name: NAMES[name], peer: PEERS[peer], boot_id };
                if let Ok(opened) = try_arrive(&self.registry, host, arrival, moment) {
                    self.sessions.insert(host, opened);
                }
            }
            Happening::Close { host, reason } => {
                if let Some((id, session)) = self.session(host) {
                    self.registry.close_session(&id, &session, reason, moment);
                }
            }
            Happening::Sample { host } => {
                if let Some((id, session)) = self.session(host) {
                    let _ = self.registry.record_sample(&id, &session, sample(), moment);
                }
            }
            Happening::Inventory { host, servers } => {
                if let Some((id, session)) = self.session(host) {
                    let inventory = inventory(servers.into_iter().map(report).collect());
                    let _ = self.registry.apply_inventory(&id, &session, inventory, moment);
                }
            }
            Happening::Declare { source, url } => {
                let url = ServiceUrl::parse(URLS[url]).unwrap();
                let (entry, _) = self.registry.declare_url(source, url.as_str(), moment);
                assert!(self.registry.resolve(entry.id.as_str()).is_some());
                let transaction = self.registry.transaction(moment);
                assert_eq!(transaction.declared_at(&url).unwrap().id, entry.id);
            }
            Happening::TakeBack { nth, source } => {
                let mut services = self.registry.services();
                services.sort_by(|a, b| a.id.cmp(&b.id));
                if let Some(service) = services.get(nth) {
                    self.registry.transaction(moment).lose_source(
                        &service.id,
                        source,
                        "taken back",
                    );
                }
            }
            Happening::Forget { host } => self.registry.forget_host(host, moment),
            Happening::Pass { seconds } => {
                for _ in 0..seconds {
                    let moment = self.clock.pass(1);
                    self.sweep.tick(&self.registry, moment);
                }
            }
        }
    }

    /// The newest session that a host opened, be it open or not.
    fn session(&self, host: u8) -> Option<(HostId, SessionId)> {
        let opened = self.sessions.get(&host)?;
        Some((opened.host_id.clone(), opened.session.id.clone()))
    }

    fn check(&self, seq: u64) {
        self.registry.check_indexes();
        let services = self.registry.services();
        for service in &services {
            check_names(&self.registry, service);
        }
        let transaction = self.registry.transaction(self.clock.moment());
        for service in services.iter().filter(|service| service.facts.records.may_join()) {
            for name in service.facts.records.declared_ids() {
                let found = transaction.found_at(&name).map(|found| found.id.clone());
                assert_eq!(found, None, "{} did not join at {name}", service.id);
            }
        }
        drop(transaction);
        for change in self.registry.changes_since(seq, usize::MAX).unwrap() {
            let cause = change.cause.as_deref().unwrap_or_default();
            if change.kind == ChangeKind::ServiceRemoved && cause.starts_with("joined ") {
                let id = change.service_id().unwrap().as_str();
                let n_named = services.iter().filter(|service| service.is_named(id)).count();
                assert_eq!(n_named, 1, "{id} is lost");
            }
        }
    }
}

fn report((port, address, is_down): (u16, usize, bool)) -> Service {
    let server = service(ADDRESSES[address], 11434 + port, vec![model("a", port == 0)]);
    let state = if is_down { ServiceState::Down } else { server.state };
    Service { state, ..server }
}

fn check_names(registry: &Registry, service: &ServiceEntry) {
    let id = &service.id;
    assert_eq!(registry.resolve(id.as_str()).unwrap().id, *id);
    for alias in service.aliases() {
        let owner = registry.resolve(alias).map(|owner| owner.id.clone());
        assert!(owner.is_none_or(|owner| owner == *id), "{alias} of {id} leads elsewhere");
    }
    for name in service.names.iter() {
        let owner = registry.resolve(&name.text).map(|owner| owner.id.clone());
        let is_owner = owner.as_ref() == Some(id) && *name.text != *id.as_str();
        assert_eq!(name.is_alone, is_owner, "{} of {id}", name.text);
    }
}

/// What a restart keeps: other names, sources and the host.
type Kept = (Vec<String>, Vec<Source>, Option<HostId>);

fn kept(registry: &Registry) -> BTreeMap<String, Kept> {
    let of = |service: &ServiceEntry| {
        let aliases = service.facts.aliases.iter().map(ToString::to_string).collect();
        (aliases, service.facts.records.sources(), service.host_id().cloned())
    };
    registry.services().iter().map(|service| (service.id.to_string(), of(service))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_lead_to_one_service_and_ids_stay(
        happenings in prop::collection::vec(happening(), 1..60),
        from in 0..20usize,
    ) {
        let mut world = World::new();
        let mut followers: Option<[(View, Mirror); 2]> = None;
        for (index, happening) in happenings.into_iter().enumerate() {
            if index == from {
                let begin = |view| (view, mirror(&world.registry, &world.clock, view));
                followers = Some([begin(View::Summary), begin(View::Full)]);
            }
            let seq = world.registry.cursor().1;
            world.happen(happening.clone());
            world.check(seq);
            for (view, follower) in followers.iter_mut().flatten() {
                for change in world.registry.changes_since(follower.seq, usize::MAX).unwrap() {
                    let change = serde_json::from_slice(&change.encoded(*view)).unwrap();
                    follower.fold(&change, *view).unwrap();
                }
                let now = mirror(&world.registry, &world.clock, *view);
                let (follower, now) = (without_volatile(follower), without_volatile(&now));
                prop_assert_eq!(follower, now, "after {:?} in {:?}", happening, view);
            }
        }
        let next = fleet::restarted(&world.registry, world.clock.moment());
        prop_assert_eq!(kept(&next), kept(&world.registry));
        prop_assert_eq!(next.cursor().1, 0);
        next.check_indexes();
        for service in next.services() {
            check_names(&next, &service);
        }
    }
}
