//! What may be declared, and what comes of it.

use uuid::Uuid;

use crate::config::Liveness;
use crate::registry::service::{Model, Reachable, Role};
use crate::registry::testing::*;

use super::*;

fn registry() -> (Registry, Clock) {
    (Registry::new(Liveness::default()), Clock::new())
}

fn own(url: &str) -> Declared {
    Declared { heartbeat_interval_s: Some(60), ..declared("bot", url) }
}

#[test]
fn what_a_person_adds_is_listed_by_its_address_until_somebody_looked() {
    let (registry, clock) = registry();
    let manual = declared("spare", "HTTP://Gpu-9:8000/");
    let added = registry.add_service(Source::Manual, manual, clock.moment()).unwrap();
    assert_eq!(added.id.as_str(), "gpu-9:8000");
    let facts = &added.facts;
    assert_eq!((&*facts.url, facts.check), ("http://gpu-9:8000", Check::Probe));
    assert_eq!((added.status, facts.reachable), (ServiceStatus::Unknown, Reachable::Unknown));
    assert_eq!(facts.records.sources(), [Source::Manual]);
    assert_eq!(registry.kinds_since(0), ["service.registered"]);
}

#[test]
fn adding_what_is_there_is_an_error_that_names_it_and_changes_nothing() {
    let (registry, mut clock) = registry();
    let add = |source, declared, moment| registry.add_service(source, declared, moment);
    let first = add(Source::Manual, declared("a", "gpu-9:8000"), clock.moment()).unwrap();
    let seq = registry.cursor().1;
    for (source, url) in [
        (Source::Manual, "http://gpu-9:8000"),
        (Source::Manual, "GPU-9:8000/"),
        (Source::File, "gpu-9:8000"),
    ] {
        let error = add(source, declared("b", url), clock.pass(1)).unwrap_err();
        assert_eq!(error, AddError::Exists(first.id.clone()), "{url}");
    }
    let bot = add(Source::Own, own("gpu-9:8000"), clock.pass(1)).unwrap();
    let again = add(Source::Own, own("gpu-9:8000"), clock.pass(1)).unwrap_err();
    assert_eq!(again, AddError::Exists(bot.id.clone()));
    assert_eq!(registry.cursor().1, seq + 1, "only the bot was told");
}

#[test]
fn what_an_agent_found_is_there_for_whoever_adds_it() {
    let (registry, clock) = registry();
    let opened = connect(&registry, 1, clock.moment());
    registry.take_inventory(&opened, vec![service("10.0.0.7", 8000, vec![])], clock.moment());
    let found = registry.service("gpu-1:8000").unwrap();
    let manual = declared("mine", "HTTP://GPU-1:8000");
    let known = registry
        .declared_service(&Whole::of(Source::Manual, manual.clone()).unwrap(), clock.moment());
    assert_eq!(known.unwrap().id, found.id);
    let error = registry.add_service(Source::Manual, manual.clone(), clock.moment()).unwrap_err();
    assert_eq!(error, AddError::Exists(found.id.clone()));
    let joined = registry.upsert_service(Source::Manual, manual, clock.moment()).unwrap();
    assert_eq!((&joined.entry.id, joined.is_new), (&found.id, false));
    assert_eq!(joined.entry.facts.records.sources(), [Source::Agent, Source::Manual]);
    assert_eq!(&*joined.entry.facts.name, "mine");
}

#[test]
fn a_declaration_said_twice_changes_nothing_and_said_otherwise_replaces_the_record() {
    let (registry, mut clock) = registry();
    let mut put =
        |declared| registry.upsert_service(Source::Manual, declared, clock.pass(1)).unwrap();
    let with_caps = Declared { caps: Some(vec!["tools".to_owned()]), ..declared("a", "gpu-9:1") };
    let first = put(with_caps.clone());
    assert!(first.is_new);
    let again = put(with_caps);
    assert!(!again.is_new && Arc::ptr_eq(&again.entry, &first.entry));
    let role = Some(Role::Production);
    let other = put(Declared { role, ..declared("a", "gpu-9:1") });
    assert_eq!((other.entry.id.as_str(), other.is_new), ("gpu-9:1", false));
    assert!(other.entry.facts.caps.is_empty(), "what is no longer declared is gone");
    assert_eq!(registry.kinds_since(0), ["service.registered", "service.promoted"]);
}

#[test]
fn who_registers_itself_is_the_same_service_by_name_type_and_url() {
    let (registry, mut clock) = registry();
    let mut put = |declared| registry.upsert_service(Source::Own, declared, clock.pass(1)).unwrap();
    let first = put(own("http://10.0.0.9:8888"));
    assert!(first.is_new && Uuid::parse_str(first.entry.id.as_str()).is_ok());
    assert_eq!(
        (first.entry.status, first.entry.facts.check),
        (ServiceStatus::Healthy, Check::Heartbeat)
    );
    assert!(first.entry.live.beat_at().is_some(), "registering is the first beat");

    let more = Declared { priority: Some(7), ..own("http://10.0.0.9:8888/") };
    let again = put(more);
    assert_eq!((&again.entry.id, again.is_new), (&first.entry.id, false));
    assert_eq!(again.entry.facts.priority, 7);
    let later = again.entry.live.beat_at();
    assert!(later > Some(first.entry.facts.registered_at), "and every other one is a beat too");

    let others = [
        own("http://10.0.0.9:8889"),
        own("http://10.0.0.9:8888/path"),
        Declared { name: Some("other".to_owned()), ..own("http://10.0.0.9:8888") },
        Declared {
            r#type: Some(crate::registry::service::ServiceType::Tool),
            ..own("http://10.0.0.9:8888")
        },
    ];
    for other in others {
        assert!(put(other).is_new);
    }
    let (after, _) = self::registry();
    let restarted = after.upsert_service(Source::Own, own("http://10.0.0.9:8888"), clock.moment());
    assert_eq!(restarted.unwrap().entry.id, first.entry.id, "also for a collector that forgot it");
}

#[test]
fn who_registers_itself_joins_nobody_and_nobody_joins_it() {
    let (registry, clock) = registry();
    let at = clock.moment();
    let bot = registry.upsert_service(Source::Own, own("gpu-9:8000"), at).unwrap().entry;
    let manual = registry.upsert_service(Source::Manual, declared("a", "gpu-9:8000"), at).unwrap();
    assert!(manual.is_new && manual.entry.id != bot.id);
    assert_eq!(registry.services().len(), 2);
}

#[test]
fn who_registers_itself_again_after_it_was_down_is_healthy() {
    let (registry, mut clock) = registry();
    let bot = registry.upsert_service(Source::Own, own("gpu-9:1"), clock.moment()).unwrap().entry;
    let id = bot.id.as_str();
    registry
        .update_status(id, ServiceStatus::Down, Some("2 beats".to_owned()), clock.pass(1))
        .unwrap();
    registry.upsert_service(Source::Own, own("gpu-9:1"), clock.pass(1)).unwrap();
    assert_eq!(registry.service(id).unwrap().status, ServiceStatus::Healthy);
    assert_eq!(registry.kinds_since(0), ["service.registered", "service.down", "service.healthy"]);
}

#[test]
fn an_agent_declares_nothing_and_bounds_hold_for_all() {
    let (registry, clock) = registry();
    let refused = |source, declared| match registry
        .upsert_service(source, declared, clock.moment())
        .unwrap_err()
    {
        UpsertError::OutOfBounds(refused) => refused.field.into_owned(),
        error => error.to_string(),
    };
    assert_eq!(refused(Source::Agent, declared("a", "gpu-9:1")), "source");
    for source in [Source::Own, Source::Manual, Source::File] {
        assert_eq!(refused(source, declared("", "gpu-9:1")), "name");
        assert_eq!(refused(source, declared("a", "ftp://gpu-9")), "url");
    }
    assert!(registry.services().is_empty() && registry.cursor().1 == 0);
}

#[test]
fn declared_models_are_found_by_name_whatever_their_order() {
    let (registry, clock) = registry();
    let models = ["b", "a", "b"].map(|name| Model::from(model(name, false)));
    let manual = Declared { models: Some(models.into()), ..declared("a", "gpu-9:1") };
    let entry = registry.upsert_service(Source::File, manual, clock.moment()).unwrap().entry;
    let names: Vec<_> = entry.facts.models.iter().map(|model| &*model.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(registry.services_of_model("b").len(), 1);
}

#[test]
fn a_full_register_takes_nothing_new_and_still_changes_what_it_has() {
    let (registry, clock) = registry();
    let at = clock.moment();
    let known =
        registry.upsert_service(Source::Manual, declared("a", "gpu-9:1"), at).unwrap().entry;
    for n in registry.services().len()..SERVICES_MAX {
        registry.services.insert(ServiceId::from_text(&n.to_string()), Arc::clone(&known));
    }
    let manual = |url| registry.upsert_service(Source::Manual, declared("b", url), at);
    assert_eq!(manual("gpu-9:2").unwrap_err(), UpsertError::Full);
    assert!(!manual("gpu-9:1").unwrap().is_new);
    let added = registry.add_service(Source::Own, own("gpu-9:2"), at);
    assert_eq!(added.unwrap_err(), AddError::Full);
}
