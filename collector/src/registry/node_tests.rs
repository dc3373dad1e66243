//! What people say of hosts against what agents tell, and how hosts are removed.

use herdbook_shared::ids::InstanceId;
use herdbook_shared::wire::inventory::{Service, ServiceState};
use serde_json::Value;

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::encode;
use crate::registry::service::ServiceStatus;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::registry::view::View;
use crate::store::{Row, RowKind};

use super::*;

struct World {
    registry: Registry,
    clock: Clock,
    opened: Opened,
}

impl World {
    /// A host that is online with one service.
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let opened = connect(&registry, 1, clock.moment());
        registry.take_sample(&opened, sample(), clock.moment());
        let services = vec![service("127.0.0.1", 11434, vec![model("a", true)])];
        registry.take_inventory(&opened, services, clock.moment());
        Self { registry, clock, opened }
    }

    fn host(&self) -> Arc<HostEntry> {
        self.registry.host(self.opened.host_id.as_str()).unwrap()
    }

    fn shown(&self, view: View) -> Value {
        serde_json::from_str(&encode::host(&self.host(), view)).unwrap()
    }

    fn service(&self, id: &str) -> Arc<ServiceEntry> {
        self.registry.service(id).unwrap()
    }

    fn patch(&self, edit: &HostEdit) -> Result<Arc<HostEntry>, PatchHostError> {
        let id = self.opened.host_id.as_str();
        self.registry.patch_host(id, edit, None, self.clock.moment())
    }

    fn drain(&self, drain: bool) {
        self.patch(&HostEdit { drain: Some(Some(drain)), ..HostEdit::default() }).unwrap();
    }

    fn close(&self) {
        let (id, session) = (&self.opened.host_id, &self.opened.session.id);
        self.registry.close_session(id, session, CloseReason::Shutdown, self.clock.moment());
    }

    /// The registry of a collector that starts from what this one has to keep.
    fn restarted(&self) -> Registry {
        let registry = Registry::new(Liveness::default());
        let (mut hosts, mut services) = (Vec::new(), Vec::new());
        for row in self.registry.take_dirty(usize::MAX) {
            match row.kind {
                RowKind::Host => hosts.extend(row.doc),
                RowKind::Service => services.extend(row.doc),
                kind => panic!("{kind:?} is none of the registry\'s"),
            }
        }
        assert_eq!(registry.restore(&hosts, &services, self.clock.moment()), 0);
        registry
    }
}

fn label(key: &str, value: Option<&str>) -> HostEdit {
    let labels = [(key.to_owned(), value.map(str::to_owned))].into();
    HostEdit { labels: Some(Some(labels)), ..HostEdit::default() }
}

fn role(role: Option<&str>) -> HostEdit {
    HostEdit { role: Some(role.map(str::to_owned)), ..HostEdit::default() }
}

#[test]
fn what_people_say_goes_on_top_of_what_the_agent_tells_now_and_later() {
    let world = World::new();
    let seq = world.registry.cursor().1;
    world.patch(&role(Some("trainer"))).unwrap();
    world.patch(&label("zone", Some("b"))).unwrap();
    let host = world.patch(&label("rack", Some("7"))).unwrap();
    assert_eq!(world.registry.kinds_since(seq), ["host.changed"; 3]);
    assert_eq!(host.role(), "trainer");

    let mut hello = hello(&world.opened.host_id, InstanceId::random(), "gpu-1");
    hello.role = "worker-2".to_owned();
    hello.labels = [("zone", "c"), ("new", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let id = &world.opened.host_id;
    world.registry.open_session(id, &hello, link(), world.clock.moment()).unwrap();
    for view in [View::Summary, View::Full] {
        let shown = world.shown(view);
        assert_eq!(shown["role"], "trainer");
        let labels = serde_json::json!({"new": "1", "rack": "7", "zone": "b"});
        assert_eq!(shown["labels"], labels);
    }
    // Taken back, what the agent tells now is there.
    world.patch(&role(None)).unwrap();
    world.patch(&label("zone", None)).unwrap();
    let shown = world.shown(View::Full);
    assert_eq!((&shown["role"], &shown["labels"]["zone"]), (&"worker-2".into(), &"c".into()));
    world.patch(&HostEdit { labels: Some(None), ..HostEdit::default() }).unwrap();
    assert_eq!(world.shown(View::Full)["labels"].get("rack"), None);
    assert_eq!(*world.host().patch, HostPatch::default());
}

#[test]
fn an_edit_that_says_nothing_new_is_no_change() {
    let world = World::new();
    let first = world.patch(&role(Some("trainer"))).unwrap();
    let again = world.patch(&role(Some("trainer"))).unwrap();
    assert_eq!(first.revision, again.revision);
    assert_eq!(world.patch(&HostEdit::default()).unwrap().revision, first.revision);
}

#[test]
fn what_people_say_survives_a_restart() {
    let world = World::new();
    world.patch(&role(Some("trainer"))).unwrap();
    world.patch(&label("rack", Some("7"))).unwrap();
    let notes = Some(Some("fan replaced".to_owned()));
    let rest = HostEdit {
        notes,
        drain: Some(Some(true)),
        expected_absent: Some(Some(true)),
        ..HostEdit::default()
    };
    world.patch(&rest).unwrap();
    let registry = world.restarted();
    let host = registry.hosts().remove(0);
    assert_eq!(host.patch, world.host().patch);
    assert_eq!(host.revision, world.host().revision);
    let service = registry.service("gpu-1:11434").unwrap();
    assert!(service.host_drains && service.drains());
}

#[test]
fn bounds_of_an_edit_are_held_by_field() {
    let world = World::new();
    let long = "x".repeat(limits::WORD_BYTES + 1);
    let notes = |len| HostEdit { notes: Some(Some("n".repeat(len))), ..HostEdit::default() };
    let wrong = [
        (role(Some("")), "role"),
        (role(Some(&long)), "role"),
        (role(Some("a\nb")), "role"),
        (label("", Some("a")), "labels"),
        (label("a", Some(&long)), "labels"),
        (label(&long, None), "labels"),
        (notes(NOTES_BYTES + 1), "notes"),
    ];
    for (edit, field) in wrong {
        match world.patch(&edit) {
            Err(PatchHostError::Wrong(wrong)) => assert_eq!(wrong.field, field),
            other => panic!("{edit:?}: {other:?}"),
        }
    }
    world.patch(&notes(NOTES_BYTES)).unwrap();
    world.patch(&label("a", Some(""))).unwrap();
    let many = (0..limits::LABELS).map(|n| (format!("{n}"), Some("v".to_owned()))).collect();
    let edit = HostEdit { labels: Some(Some(many)), ..HostEdit::default() };
    assert!(matches!(world.patch(&edit), Err(PatchHostError::Wrong(_))));
    world.patch(&label("a", None)).unwrap();
    world.patch(&edit).unwrap();
}

#[test]
fn a_stale_revision_and_an_unknown_id_change_nothing() {
    let world = World::new();
    let (id, moment) = (world.opened.host_id.as_str(), world.clock.moment());
    let revision = world.host().revision;
    let stale = world.registry.patch_host(id, &role(Some("a")), Some(revision - 1), moment);
    assert_eq!(stale.unwrap_err(), PatchHostError::Stale { revision });
    world.registry.patch_host(id, &role(Some("a")), Some(revision), moment).unwrap();
    let unknown = world.registry.patch_host("x", &role(None), None, moment).unwrap_err();
    assert_eq!(unknown, PatchHostError::Unknown(UnknownHost("x".to_owned())));
    assert!(world.registry.host_status("x").is_err());
    assert_eq!(world.registry.host_status(id), Ok(HostStatus::Online));
}

#[test]
fn draining_a_host_drains_its_services_and_ends_with_it() {
    let world = World::new();
    let seq = world.registry.cursor().1;
    world.drain(true);
    let service = world.service("gpu-1:11434");
    assert_eq!(
        (service.status, service.shown_status()),
        (ServiceStatus::Healthy, ServiceStatus::Draining)
    );
    world.drain(false);
    assert_eq!(world.service("gpu-1:11434").shown_status(), ServiceStatus::Healthy);
    let told = ["host.changed", "service.draining", "host.changed", "service.healthy"];
    assert_eq!(world.registry.kinds_since(seq), told);
}

#[test]
fn a_service_that_is_not_healthy_is_not_shown_as_draining_until_it_is() {
    let world = World::new();
    let hung = Service { state: ServiceState::Hung, ..service("127.0.0.1", 11434, Vec::new()) };
    world.registry.take_inventory(&world.opened, vec![hung], world.clock.moment());
    let seq = world.registry.cursor().1;
    world.drain(true);
    assert_eq!(world.registry.kinds_since(seq), ["host.changed", "service.changed"]);
    let well = vec![service("127.0.0.1", 11434, Vec::new())];
    let seq = world.registry.cursor().1;
    world.registry.take_inventory(&world.opened, well, world.clock.moment());
    assert!(world.registry.kinds_since(seq).contains(&"service.draining"));
    assert_eq!(world.service("gpu-1:11434").shown_status(), ServiceStatus::Draining);
}

#[test]
fn a_service_that_is_found_on_a_draining_host_drains_from_the_start() {
    let world = World::new();
    world.drain(true);
    let services = vec![
        service("127.0.0.1", 11434, vec![model("a", true)]),
        service("127.0.0.1", 8000, Vec::new()),
    ];
    world.registry.take_inventory(&world.opened, services, world.clock.moment());
    assert_eq!(world.service("gpu-1:8000").shown_status(), ServiceStatus::Draining);
    world.drain(false);
    assert_eq!(world.service("gpu-1:8000").shown_status(), ServiceStatus::Healthy);
}

#[test]
fn many_hosts_are_changed_in_one_go_and_only_those_that_differ_are_told() {
    let world = World::new();
    let others = [2, 3].map(|n| connect(&world.registry, n, world.clock.moment()).host_id);
    world.patch(&role(Some("trainer"))).unwrap();
    let seq = world.registry.cursor().1;
    let gone = host_id(9);
    let ids = [world.opened.host_id.clone(), others[0].clone(), gone, others[1].clone()];
    let edit = role(Some("trainer"));
    assert_eq!(world.registry.patch_hosts(&ids, &edit, world.clock.moment()), others);
    assert_eq!(world.registry.kinds_since(seq), ["host.changed"; 2]);
}

#[test]
fn a_connected_host_is_not_removed() {
    let world = World::new();
    let (id, moment) = (world.opened.host_id.as_str(), world.clock.moment());
    let seq = world.registry.cursor().1;
    let refused = world.registry.remove_host(id, None, moment).unwrap_err();
    assert_eq!(refused, RemoveHostError::Connected);
    assert!(refused.to_string().contains("stop the agent"), "{refused}");
    assert_eq!(world.registry.cursor().1, seq);
    let unknown = world.registry.remove_host("x", None, moment).unwrap_err();
    assert!(matches!(unknown, RemoveHostError::Unknown(_)));
}

#[test]
fn a_removed_host_is_gone_with_its_services_and_nothing_late_brings_it_back() {
    let world = World::new();
    world.close();
    let (id, moment) = (&world.opened.host_id, world.clock.moment());
    let revision = world.host().revision;
    let stale = world.registry.remove_host(id.as_str(), Some(revision + 1), moment);
    assert_eq!(stale.unwrap_err(), RemoveHostError::Stale { revision });
    let seq = world.registry.cursor().1;
    world.registry.remove_host(id.as_str(), Some(revision), moment).unwrap();
    assert_eq!(world.registry.kinds_since(seq), ["service.removed", "host.removed"]);

    let seq = world.registry.cursor().1;
    let session = &world.opened.session.id;
    assert!(world.registry.record_sample(id, session, sample(), moment).is_err());
    let late = inventory(vec![service("127.0.0.1", 11434, Vec::new())]);
    assert!(world.registry.apply_inventory(id, session, late, moment).is_err());
    world.registry.close_session(id, session, CloseReason::Lost, moment);
    world.registry.touch_heard();
    assert_eq!((world.registry.n_hosts(), world.registry.services().len()), (0, 0));
    assert_eq!(world.registry.cursor().1, seq);

    let rows = world.registry.take_dirty(usize::MAX);
    assert_eq!(rows.len(), 2, "{rows:?}");
    let is_deleted = |row: &Row| {
        matches!(
            row,
            Row { kind: RowKind::Host, doc: None, .. }
                | Row { kind: RowKind::Service, doc: None, .. }
        )
    };
    assert!(rows.iter().all(is_deleted), "{rows:?}");
}

#[test]
fn a_clone_that_left_is_removed_alone() {
    let world = World::new();
    let clock = &world.clock;
    let (first, second) = (InstanceId::random(), InstanceId::random());
    for instance in [first, second] {
        connect_as(&world.registry, 1, instance, clock.moment());
    }
    let clone = connect_as(&world.registry, 1, first, clock.moment());
    assert!(clone.host_id.is_clone());
    let remove = || world.registry.remove_host(clone.host_id.as_str(), None, clock.moment());
    assert_eq!(remove().unwrap_err(), RemoveHostError::Connected);
    let (id, session) = (&clone.host_id, &clone.session.id);
    world.registry.close_session(id, session, CloseReason::Lost, clock.moment());
    remove().unwrap();
    assert_eq!(world.registry.hosts().len(), 1);
    assert!(world.host().session.is_some());
}

#[test]
fn a_host_is_listed_once_before_its_agent_comes_and_is_the_same_then() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let id = host_id(1);
    let ensured = registry.ensure_host(&id, "soon", clock.moment()).unwrap();
    assert_eq!((ensured.status, ensured.role()), (HostStatus::Unknown, "worker"));
    registry.ensure_host(&id, "another", clock.moment()).unwrap();
    assert_eq!(registry.kinds_since(0), ["host.registered"]);
    let opened = connect(&registry, 1, clock.moment());
    assert_eq!((registry.n_hosts(), opened.host_id), (1, id.clone()));
    assert_eq!(registry.host(id.as_str()).unwrap().facts.name, "gpu-1");
}

#[test]
fn notes_are_lines_of_text() {
    let notes =
        |notes: &str| HostEdit { notes: Some(Some(notes.to_owned())), ..HostEdit::default() };
    assert_eq!(notes("a\n\tb ü").check(), Ok(()));
    for control in ["a\0b", "a\rb", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
        assert_eq!(notes(control).check().unwrap_err().field, "notes", "{control:?}");
    }
}
