//! What checks make of a service, with the clock pushed on by hand.

use crate::config::{Checks, Liveness};
use crate::registry::service::record::Declared;
use crate::registry::service::{Reachable, Source};
use crate::registry::testing::*;

use super::*;

const ID: &str = "10.0.0.7:8000";

struct World {
    registry: Registry,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let declared = checked_by("http://10.0.0.7:8000", Check::Probe);
        registry.list(ID, Source::Manual, declared, clock.moment());
        Self { registry, clock }
    }

    fn answers(&mut self, models: &[(&str, bool)]) {
        let models = models.iter().map(|(name, warm)| Model::from(model(name, *warm))).collect();
        let probed = Probed { models: Some(models), latency_ms: 4, ..Probed::default() };
        self.record(Ok(probed));
    }

    fn fails(&mut self, why: &str) {
        self.record(Err(ProbeFailure::Failed(why.to_owned())));
    }

    fn record(&mut self, outcome: Result<Probed, ProbeFailure>) {
        let moment = self.clock.pass(30);
        self.registry.record_probe(&ServiceId::from_text(ID), outcome, moment);
    }

    fn service(&self) -> Arc<ServiceEntry> {
        self.registry.service(ID).unwrap()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.registry.kinds_since(1)
    }
}

#[test]
fn who_never_answered_says_why_at_once_and_stays_unknown() {
    let mut world = World::new();
    world.fails("connection refused");
    let service = world.service();
    assert_eq!(service.status, ServiceStatus::Unknown);
    assert_eq!(service.facts.last_error.as_deref(), Some("connection refused"));
    let changes = world.registry.changes_since(1, 100).unwrap();
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(change.kind.word(), "service.changed");
    assert_eq!(change.cause.as_deref(), Some("1 failed check: connection refused"));
}

#[test]
fn two_failures_in_a_row_and_not_one() {
    let mut world = World::new();
    world.answers(&[]);
    world.fails("connection refused");
    let once = world.service();
    assert_eq!((once.status, once.live.consecutive_failures()), (ServiceStatus::Healthy, 1));
    assert_eq!(once.facts.last_error, None);
    world.answers(&[]);
    world.fails("connection refused");
    assert_eq!(world.service().status, ServiceStatus::Healthy, "they were not in a row");
    world.fails("connection refused");
    let twice = world.service();
    assert_eq!(twice.status, ServiceStatus::Unhealthy);
    assert_eq!(twice.facts.last_error.as_deref(), Some("connection refused"));
    let at = twice.facts.last_error_at.unwrap();
    let changes = world.registry.changes_since(0, 100).unwrap();
    let cause = changes.last().unwrap().cause.as_deref();
    assert_eq!(cause, Some("2 failed checks: connection refused"));
    world.answers(&[]);
    let well = world.service();
    assert_eq!((well.status, well.live.consecutive_failures()), (ServiceStatus::Healthy, 0));
    assert_eq!((well.facts.last_error.as_deref(), well.facts.last_error_at), (None, Some(at)));
    assert_eq!(world.kinds(), ["service.healthy", "service.unhealthy", "service.healthy"]);
}

#[test]
fn a_success_tells_what_it_found_and_is_told_once() {
    let mut world = World::new();
    assert_eq!(world.service().facts.reachable, Reachable::Unknown);
    world.answers(&[("a", true), ("b", false)]);
    let service = world.service();
    assert_eq!(service.facts.reachable, Reachable::Collector);
    assert_eq!(service.warm().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a"]);
    assert_eq!(service.live.check_latency_ms_avg(), Some(4));
    assert_eq!(service.live.checked_at(), Some(world.clock.moment().at));
    world.answers(&[("a", true), ("b", false)]);
    assert_eq!(world.kinds(), ["service.healthy"]);
    world.answers(&[("b", true), ("c", false)]);
    let kinds = ["model.loaded", "model.installed", "model.unloaded", "model.removed"];
    let mut told = world.kinds().split_off(1);
    told.sort_unstable();
    let mut kinds = kinds.to_vec();
    kinds.retain(|kind| *kind != "model.unloaded");
    kinds.sort_unstable();
    assert_eq!(told, kinds);
    assert_eq!(world.registry.services_of_model("c").len(), 1);
    assert!(world.registry.services_of_model("a").is_empty());
}

#[test]
fn what_is_not_told_stays_known_and_what_was_wrong_is_told() {
    let mut world = World::new();
    world.answers(&[("a", true)]);
    let note = Some("it asks for a credential (401)".to_owned());
    world.record(Ok(Probed { note: note.clone(), ..Probed::default() }));
    let service = world.service();
    assert_eq!(service.status, ServiceStatus::Healthy);
    assert_eq!(service.facts.last_error.as_deref(), note.as_deref());
    assert_eq!(service.facts.models.len(), 1);
}

#[test]
fn what_somebody_else_judges_by_now_is_left_alone() {
    let mut world = World::new();
    world.registry.list(
        ID,
        Source::Own,
        checked_by("http://a", Check::Heartbeat),
        world.clock.moment(),
    );
    let before = world.registry.cursor().1;
    world.fails("x");
    world.fails("x");
    let gone = ServiceId::from_text("gone:1");
    world.registry.record_probe(&gone, Ok(Probed::default()), world.clock.moment());
    assert_eq!(world.registry.cursor().1, before);
    assert_eq!(world.service().live.consecutive_failures(), 0);
}

#[test]
fn a_service_that_answers_every_other_time_flaps_and_then_stops() {
    let mut world = World::new();
    for _ in 0..3 {
        world.answers(&[]);
        world.fails("x");
    }
    assert!(!world.service().flapping, "5 of 20 pairs differ");
    world.answers(&[]);
    assert!(world.service().flapping, "6 of 20 pairs differ");
    for _ in 0..14 {
        world.answers(&[]);
    }
    assert!(world.service().flapping);
    for _ in 0..4 {
        world.answers(&[]);
    }
    assert!(!world.service().flapping, "2 of 20 pairs differ");
    let n_told = world.kinds().iter().filter(|kind| **kind == "service.flapping").count();
    assert_eq!(n_told, 2);
}

#[test]
fn the_figure_of_failures_can_be_set() {
    let rules = Checks { failures: 1, ..Checks::default() };
    let mut world = World::new();
    world.registry = Registry::new(Liveness::default()).with_checks(rules);
    let declared = Declared { check: None, ..checked_by("http://a", Check::Probe) };
    world.registry.list(ID, Source::File, declared, world.clock.moment());
    world.fails("x");
    assert_eq!(world.service().status, ServiceStatus::Unhealthy);
}

mod joined {
    //! An entry of an agent that somebody declared too.

    use herdbook_shared::wire::inventory::ServiceState;

    use crate::registry::session::CloseReason;
    use crate::sweep::Sweep;

    use super::*;

    const FOUND: &str = "gpu-1:11434";

    fn world() -> (World, crate::registry::arrive::Opened) {
        let world = World::new();
        let opened = connect(&world.registry, 1, world.clock.moment());
        world.registry.take_sample(&opened, sample(), world.clock.moment());
        take(&world, &opened, true);
        let declared = checked_by("http://10.0.0.9:11434", Check::Probe);
        world.registry.join(FOUND, declared, world.clock.moment());
        (world, opened)
    }

    fn take(world: &World, opened: &crate::registry::arrive::Opened, is_warm: bool) {
        let services = vec![service("0.0.0.0", 11434, vec![model("a", is_warm)])];
        world.registry.take_inventory(opened, services, world.clock.moment());
    }

    fn found(world: &World) -> Arc<ServiceEntry> {
        world.registry.service(FOUND).unwrap()
    }

    #[test]
    fn is_probed_while_its_host_is_offline_and_its_agents_again_once_it_is_heard() {
        let (mut world, opened) = world();
        assert_eq!(found(&world).facts.check, Check::Agent);
        let id = ServiceId::from_text(FOUND);
        world.registry.record_probe(
            &id,
            Err(ProbeFailure::Failed("x".into())),
            world.clock.moment(),
        );
        let mut sweep = Sweep::new(Liveness::default(), world.clock.moment().now);
        for _ in 0..20 {
            sweep.tick(&world.registry, world.clock.pass(1));
        }
        let stale = found(&world);
        assert_eq!((stale.facts.check, stale.status), (Check::Agent, ServiceStatus::Unknown));
        for _ in 0..40 {
            sweep.tick(&world.registry, world.clock.pass(1));
        }
        let offline = found(&world);
        assert_eq!((offline.facts.check, offline.status), (Check::Probe, ServiceStatus::Unknown));
        let probed =
            Probed { models: Some(vec![Model::from(model("b", true))]), ..Probed::default() };
        world.registry.record_probe(&id, Ok(probed), world.clock.pass(1));
        assert_eq!(found(&world).status, ServiceStatus::Healthy);
        assert!(found(&world).model("b").is_some());
        let host = world.registry.host(opened.host_id.as_str()).unwrap();
        assert_eq!(host.warm[..], ["b".to_owned()]);

        take(&world, &opened, false);
        assert_eq!(found(&world).facts.check, Check::Probe, "an inventory is no sample");
        assert_eq!(found(&world).status, ServiceStatus::Healthy);
        world.registry.take_sample(&opened, sample(), world.clock.pass(1));
        let heard = found(&world);
        assert_eq!((heard.facts.check, heard.status), (Check::Agent, ServiceStatus::Healthy));
        assert_eq!(heard.state, Some(ServiceState::Idle));
        assert!(heard.model("a").is_some() && heard.model("b").is_none());
    }

    #[test]
    fn what_nobody_declared_stays_unknown_while_its_host_is_offline() {
        let world = World::new();
        let opened = connect(&world.registry, 1, world.clock.moment());
        world.registry.take_sample(&opened, sample(), world.clock.moment());
        take(&world, &opened, true);
        let (id, session) = (&opened.host_id, &opened.session.id);
        world.registry.close_session(id, session, CloseReason::Shutdown, world.clock.moment());
        let offline = found(&world);
        assert_eq!((offline.facts.check, offline.status), (Check::Agent, ServiceStatus::Unknown));
    }
}
