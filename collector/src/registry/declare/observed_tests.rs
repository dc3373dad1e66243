//! What is told of what is observed.

use crate::config::Liveness;
use crate::registry::service::Source;
use crate::registry::service::record::Declared;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;

use super::*;

fn registry() -> (Registry, Clock) {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    registry.upsert_service(Source::Manual, declared("a", "gpu-9:1"), clock.moment()).unwrap();
    (registry, clock)
}

fn models(names: &[&str]) -> Vec<Model> {
    names.iter().map(|name| Model::from(model(name, false))).collect()
}

#[test]
fn a_status_is_told_once_with_its_cause() {
    let (registry, clock) = registry();
    let judge = |status| {
        let cause = Some("connection refused".to_owned());
        registry.update_status("gpu-9:1", status, cause, clock.moment()).unwrap().status
    };
    for status in [ServiceStatus::Unhealthy, ServiceStatus::Unhealthy, ServiceStatus::Down] {
        assert_eq!(judge(status), status);
    }
    assert_eq!(judge(ServiceStatus::Draining), ServiceStatus::Healthy);
    let told = ["service.unhealthy", "service.down", "service.healthy"];
    assert_eq!(registry.kinds_since(1), told);
    let changes = registry.changes_since(1, 1).unwrap();
    assert_eq!(changes[0].cause.as_deref(), Some("connection refused"));
}

#[test]
fn models_are_told_one_by_one_and_found_by_name() {
    let (registry, clock) = registry();
    let put =
        |names: &[&str]| registry.update_models("gpu-9:1", &models(names), clock.moment()).unwrap();
    registry.update_status("gpu-9:1", ServiceStatus::Healthy, None, clock.moment()).unwrap();
    let seq = registry.cursor().1;
    assert_eq!(put(&["b", "a", "b"]).facts.models.len(), 2);
    assert_eq!(registry.services_of_model("a").len(), 1);
    put(&["b"]);
    put(&["b"]);
    assert!(registry.services_of_model("a").is_empty());
    let told: Vec<_> = registry.kinds_since(seq);
    let models_told = told.iter().filter(|kind| kind.starts_with("model."));
    assert_eq!(
        models_told.collect::<Vec<_>>(),
        [&"model.installed", &"model.installed", &"model.removed"]
    );
    assert!(told.len() <= 4, "{told:?}");
}

#[test]
fn more_models_than_are_listed_are_counted() {
    let (registry, clock) = registry();
    let names: Vec<String> = (0..limits::MODELS + 3).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let entry = registry.update_models("gpu-9:1", &models(&names), clock.moment()).unwrap();
    assert_eq!((entry.facts.models.len(), entry.facts.models_left_out), (limits::MODELS, 3));
}

#[test]
fn models_of_what_an_agent_found_are_its_agents() {
    let (registry, clock) = registry();
    let opened = connect(&registry, 1, clock.moment());
    registry.take_inventory(&opened, vec![service("10.0.0.7", 8000, vec![])], clock.moment());
    let after = registry.update_models("gpu-1:8000", &models(&["a"]), clock.moment()).unwrap();
    assert_eq!(after.facts.found().unwrap().models.len(), 1);
    assert!(after.facts.records.checked.is_none() && after.model("a").is_some());
}

#[test]
fn a_host_has_in_memory_what_its_services_have_whoever_judges_them() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    let warm = service("0.0.0.0", 8000, vec![model("a", true)]);
    registry.take_inventory(&opened, vec![warm], clock.moment());
    let (id, session) = (&opened.host_id, &opened.session.id);
    registry.close_session(id, session, CloseReason::Shutdown, clock.moment());
    // From here on the collector may ask it.
    registry.upsert_service(Source::Manual, declared("a", "gpu-1:8000"), clock.moment()).unwrap();
    let warm = || registry.host(id.as_str()).unwrap().warm.to_vec();
    assert!(warm().is_empty());
    let healthy = ServiceStatus::Healthy;
    let entry = registry.update_status("gpu-1:8000", healthy, None, clock.moment()).unwrap();
    assert_eq!(entry.facts.check, Check::Probe);
    assert_eq!(warm(), ["a"]);
}

#[test]
fn a_status_is_as_if_the_collector_had_found_it() {
    let (registry, mut clock) = registry();
    let id = registry.resolve("gpu-9:1").unwrap().id.clone();
    clock.pass(3600);
    let set = |status, moment| registry.update_status("gpu-9:1", status, None, moment).unwrap();
    set(ServiceStatus::Unhealthy, clock.pass(1));
    let soon = clock.pass(299);
    assert!(registry.look_at_services(soon).is_empty(), "it is not down for so long");
    assert_eq!(registry.look_at_services(clock.pass(1)).len(), 1);
    let failure = crate::registry::check::probe::ProbeFailure::Failed("refused".to_owned());
    for _ in 0..2 {
        registry.record_probe(&id, Err(failure.clone()), clock.pass(1));
    }
    assert!(registry.resolve("gpu-9:1").unwrap().facts.last_error.is_some());
    let healthy = set(ServiceStatus::Healthy, clock.pass(1));
    assert_eq!((&healthy.facts.last_error, healthy.live.consecutive_failures()), (&None, 0));
    let down = set(ServiceStatus::Down, clock.pass(1));
    assert_eq!(down.facts.down_since, Some(clock.moment().at));
    assert_eq!(set(ServiceStatus::Healthy, clock.pass(1)).facts.down_since, None);
}

#[test]
fn who_registers_again_with_models_has_these() {
    let (registry, mut clock) = registry();
    let own = |name: Option<&str>| Declared {
        models: name.map(|name| models(&[name]).into()),
        ..declared("b", "http://gpu-9:2")
    };
    let id = registry.upsert_service(Source::Own, own(Some("one")), clock.pass(1)).unwrap().entry;
    let id = id.id.as_str();
    registry.update_models(id, &models(&["two"]), clock.pass(1)).unwrap();
    for (named, expected) in [(None, "two"), (Some("three"), "three")] {
        registry.upsert_service(Source::Own, own(named), clock.pass(1)).unwrap();
        let service = registry.service(id).unwrap();
        let names: Vec<_> = service.facts.models.iter().map(|model| &*model.name).collect();
        assert_eq!(names, [expected]);
    }
}

#[test]
fn nobody_declares_that_an_agent_judges() {
    let (registry, clock) = registry();
    let declared = Declared { check: Some(Check::Agent), ..declared("c", "http://gpu-9:3") };
    let refused = registry.upsert_service(Source::File, declared, clock.moment()).unwrap_err();
    assert!(
        matches!(refused, crate::registry::declare::UpsertError::OutOfBounds(out) if out.field == "check")
    );
}
