//! The findings of services: when they hold, since when, and what they do not do.

use herdbook_shared::wire::inventory::Service;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::finding::Severity;
use crate::registry::host::HostStatus;
use crate::registry::testing::*;

use super::*;

struct World {
    registry: Registry,
    clock: Clock,
    opened: Opened,
}

impl World {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let opened = connect(&registry, 1, clock.moment());
        registry.take_sample(&opened, sample(), clock.moment());
        Self { registry, clock, opened }
    }

    /// Applies a report of the one service, a second later, and returns what was told of it.
    fn tell(&mut self, report: Service) -> Vec<&'static str> {
        let seq = self.registry.cursor().1;
        let moment = self.clock.pass(1);
        self.registry.take_inventory(&self.opened, vec![report], moment);
        self.registry.kinds_since(seq)
    }

    fn findings(&self) -> Vec<Finding> {
        self.registry.service("gpu-1:1").unwrap().findings.clone()
    }

    fn codes(&self) -> Vec<Code> {
        self.findings().iter().map(|finding| finding.code).collect()
    }

    fn host_status(&self) -> HostStatus {
        self.registry.host(self.opened.host_id.as_str()).unwrap().status
    }
}

fn report(address: &str, asks_credential: Option<bool>) -> Service {
    Service { asks_credential, ..service(address, 1, Vec::new()) }
}

#[test]
fn a_server_that_asks_for_a_credential_is_healthy_with_a_warning() {
    let mut world = World::new();
    assert_eq!(world.tell(report("127.0.0.1", Some(true))), ["host.changed", "service.registered"]);
    assert_eq!(world.codes(), [Code::NeedsCredential]);
    assert_eq!(world.findings()[0].severity, Severity::Warning);
    assert_eq!(world.host_status(), HostStatus::Online);
    let since = world.findings()[0].since;

    let louder = Service { version: Some("2".to_owned()), ..report("127.0.0.1", Some(true)) };
    assert_eq!(world.tell(louder), ["service.changed"]);
    assert_eq!(world.findings()[0].since, since);
    let revision = world.registry.service("gpu-1:1").unwrap().revision;
    world.tell(report("127.0.0.1", Some(false)));
    assert!(world.codes().is_empty());
    assert!(world.registry.service("gpu-1:1").unwrap().revision > revision);
    world.tell(report("127.0.0.1", Some(true)));
    assert!(world.findings()[0].since > since);
}

#[test]
fn only_a_server_that_is_known_to_ask_none_and_listens_beyond_loopback_is_exposed() {
    for (address, asks_credential, codes) in [
        ("0.0.0.0", Some(false), &[Code::ExposedWithoutCredential][..]),
        ("::", Some(false), &[Code::ExposedWithoutCredential]),
        ("192.168.1.7", Some(false), &[Code::ExposedWithoutCredential]),
        ("0.0.0.0", Some(true), &[Code::NeedsCredential]),
        ("0.0.0.0", None, &[]),
        ("127.0.0.1", Some(false), &[]),
        ("::1", Some(false), &[]),
        ("::ffff:127.0.0.1", Some(false), &[]),
    ] {
        let mut world = World::new();
        world.tell(report(address, asks_credential));
        assert_eq!(world.codes(), codes, "{address} {asks_credential:?}");
        assert_eq!(world.host_status(), HostStatus::Online);
    }
    let mut world = World::new();
    world.tell(report("0.0.0.0", Some(false)));
    let finding = world.findings().remove(0);
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.message.contains("OLLAMA_HOST=127.0.0.1"), "{}", finding.message);
}

#[test]
fn a_known_hole_is_a_warning_and_a_critical_one_of_the_host_too_where_anybody_reaches_it() {
    let of = |address: &str, asks, version: &str| Service {
        version: Some(version.to_owned()),
        ..report(address, asks)
    };
    let (open, both) = (
        Code::ExposedWithoutCredential,
        [Code::ExposedWithoutCredential, Code::ExposedAndVulnerable],
    );
    let mut world = World::new();
    for (report, codes, status) in [
        (of("127.0.0.1", Some(false), "0.17.0"), &[Code::KnownVulnerable][..], HostStatus::Online),
        (of("0.0.0.0", None, "0.17.0"), &[Code::KnownVulnerable], HostStatus::Online),
        (of("0.0.0.0", Some(false), "0.17.0"), &both, HostStatus::Degraded),
        (of("0.0.0.0", Some(false), "0.17.1"), &[open], HostStatus::Online),
        (of("0.0.0.0", Some(false), "0.0.0"), &[open], HostStatus::Online),
    ] {
        let words = format!("{report:?}");
        world.tell(report);
        assert_eq!((world.codes(), world.host_status()), (codes.to_vec(), status), "{words}");
    }
    world.tell(of("0.0.0.0", Some(false), "0.1.30"));
    let finding = world.findings().remove(1);
    assert_eq!(finding.severity, Severity::Critical);
    for words in ["CVE-2024-37032 and 2 more", "anybody who reaches it can", "upgrade to 0.17.1"] {
        assert!(finding.message.contains(words), "{}", finding.message);
    }
    let host = world.registry.host(world.opened.host_id.as_str()).unwrap();
    let told = host.findings.iter().find(|finding| finding.code == Code::ExposedAndVulnerable);
    assert!(told.unwrap().message.starts_with("gpu-1:1 is open"), "{told:?}");
}

#[test]
fn a_hung_server_says_what_to_restart() {
    let mut world = World::new();
    let hung = Service {
        state: ServiceState::Hung,
        unit: Some("ollama.service".to_owned()),
        ..report("127.0.0.1", None)
    };
    world.tell(report("127.0.0.1", None));
    let told = world.tell(hung);
    assert_eq!(told, ["service.unhealthy", "host.finding_raised", "host.degraded"]);
    assert_eq!(world.codes(), [Code::ServerHung]);
    assert!(world.findings()[0].message.contains("its unit ollama.service"));
    world.tell(report("127.0.0.1", None));
    assert!(world.codes().is_empty());
}

#[test]
fn a_server_that_is_gone_has_no_findings_and_what_it_was_stays_known() {
    let mut world = World::new();
    let alive = Service {
        unit: Some("ollama.service".to_owned()),
        gpu_ids: vec!["GPU-1".to_owned(), "GPU-0".to_owned(), "GPU-1".to_owned()],
        ..report("0.0.0.0", Some(false))
    };
    world.tell(alive.clone());
    assert_eq!(
        world.registry.service("gpu-1:1").unwrap().facts.found().unwrap().gpu_ids,
        ["GPU-0", "GPU-1"]
    );
    for gone in [true, false] {
        world.tell(alive.clone());
        assert_eq!(world.codes(), [Code::ExposedWithoutCredential]);
        if gone {
            let moment = world.clock.pass(1);
            world.registry.take_inventory(&world.opened, Vec::new(), moment);
        } else {
            world.tell(Service { state: ServiceState::Down, ..report("0.0.0.0", None) });
        }
        let service = world.registry.service("gpu-1:1").unwrap();
        assert!(service.findings.is_empty());
        assert_eq!(service.facts.found().unwrap().unit.as_deref(), Some("ollama.service"));
        assert_eq!(service.facts.found().unwrap().asks_credential, Some(false));
        assert!(service.facts.found().unwrap().gpu_ids.is_empty());
    }
}
