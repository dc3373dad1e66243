//! What is changed by hand, and taken back.

use crate::config::Liveness;
use crate::registry::service::{ServiceStatus, Source};
use crate::registry::testing::*;

use super::*;

const ID: &str = "gpu-9:1";

/// A registry with one service that a person added.
fn registry() -> (Registry, Clock) {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let labels = [("zone".to_owned(), "a".to_owned()), ("team".to_owned(), "x".to_owned())];
    let check = Some(Check::Heartbeat);
    let manual = Declared { labels: Some(labels.into()), check, ..declared("spare", ID) };
    registry.upsert_service(Source::Manual, manual, clock.moment()).unwrap();
    (registry, clock)
}

fn patch(json: serde_json::Value) -> ServicePatch {
    serde_json::from_value(json).unwrap()
}

macro_rules! patch {
    ($($json:tt)*) => { patch(serde_json::json!($($json)*)) };
}

fn labels(entry: &ServiceEntry) -> Vec<(&str, &str)> {
    entry.facts.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn every_field_that_may_be_changed_is_and_null_takes_it_back() {
    let (registry, clock) = registry();
    let put = |patch| registry.patch_service(ID, patch, None, clock.moment()).unwrap();
    let before = registry.service(ID).unwrap();
    let all = patch!({
        "name": "n", "kind": "vllm", "role": "canary", "caps": ["tools"], "labels": {"zone": "b"},
        "priority": -5, "ctx_limit": 4096, "cost_hint_usd_per_1k": 0.5,
        "heartbeat_interval_s": 5, "ttl_s": 10, "drain": true,
    });
    let after = put(all);
    let facts = &after.facts;
    assert_eq!((&*facts.name, &*facts.kind, facts.role), ("n", "vllm", Role::Canary));
    assert_eq!((facts.priority, facts.ctx_limit), (-5, Some(4096)));
    assert_eq!((facts.cost_hint_usd_per_1k, facts.drain), (Some(0.5), true));
    assert_eq!(facts.caps[..], ["tools".to_owned()]);
    assert_eq!(labels(&after), [("team", "x"), ("zone", "b")]);
    assert_eq!(declared_beats(&facts.records), (Some(5), Some(10)));

    let none = patch!({
        "name": null, "kind": null, "role": null, "caps": null, "labels": null, "priority": null,
        "ctx_limit": null, "cost_hint_usd_per_1k": null, "heartbeat_interval_s": null,
        "ttl_s": null, "drain": null,
    });
    assert_eq!(put(none).facts, before.facts, "as if it was never changed");
    assert_eq!(registry.kinds_since(1), ["service.promoted", "service.promoted"]);
}

#[test]
fn labels_are_merged_and_null_takes_one_away() {
    let (registry, clock) = registry();
    let put = |patch| registry.patch_service(ID, patch, None, clock.moment()).unwrap();
    put(patch!({"labels": {"rack": "7", "team": null}}));
    let after = put(patch!({"labels": {"rack": "8", "none": null}}));
    assert_eq!(labels(&after), [("rack", "8"), ("zone", "a")]);
    let full: BTreeMap<_, _> = (0..64).map(|n| (n.to_string(), "")).collect();
    let too_many = registry.patch_service(ID, patch!({"labels": full}), None, clock.moment());
    let PatchError::OutOfBounds(refused) = too_many.unwrap_err() else { panic!("bounds hold") };
    assert_eq!(refused.field, "labels");
}

#[test]
fn a_label_that_a_source_tells_later_is_shown_beside_those_changed_by_hand() {
    let (registry, clock) = registry();
    let edit = patch!({"labels": {"rack": "7", "team": null}});
    registry.patch_service(ID, edit, None, clock.moment()).unwrap();
    let told = [("team", "y"), ("rack", "9"), ("row", "3")];
    let told = told.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let file = Declared { labels: Some(told.into()), ..declared("spare", ID) };
    let entry = registry.upsert_service(Source::File, file, clock.moment()).unwrap().entry;
    assert_eq!(labels(&entry), [("rack", "7"), ("row", "3")]);
    let back = patch!({"labels": null});
    let entry = registry.patch_service(ID, back, None, clock.moment()).unwrap();
    assert_eq!(labels(&entry), [("rack", "9"), ("row", "3"), ("team", "y")]);
}

#[test]
fn a_stale_revision_changes_nothing_and_tells_the_present_one() {
    let (registry, clock) = registry();
    let named =
        |name: &str| ServicePatch { name: Some(Some(name.to_owned())), ..Default::default() };
    let put =
        |name, revision| registry.patch_service(ID, named(name), Some(revision), clock.moment());
    let known = registry.service(ID).unwrap().revision;
    let after = put("b", known).unwrap();
    assert_eq!(put("c", known).unwrap_err(), PatchError::Stale { revision: after.revision });
    assert_eq!(&*registry.service(ID).unwrap().facts.name, "b");
}

#[test]
fn what_changes_nothing_is_not_told() {
    let (registry, clock) = registry();
    registry.patch_service(ID, ServicePatch::default(), None, clock.moment()).unwrap();
    registry.drain_service(ID, true, clock.moment()).unwrap();
    registry.drain_service(ID, true, clock.moment()).unwrap();
    registry.promote_service(ID, Role::Production, clock.moment()).unwrap();
    registry.promote_service(ID, Role::Production, clock.moment()).unwrap();
    assert_eq!(registry.kinds_since(1), ["service.draining", "service.promoted"]);
}

#[test]
fn a_ttl_below_the_interval_of_another_source_is_refused() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let own = Declared { heartbeat_interval_s: Some(60), ..declared("bot", ID) };
    let own = registry.upsert_service(Source::Own, own, clock.moment()).unwrap().entry;
    let refused = |patch| {
        let error = registry.patch_service(own.id.as_str(), patch, None, clock.moment());
        let PatchError::OutOfBounds(refused) = error.unwrap_err() else { panic!("bounds hold") };
        refused.field.into_owned()
    };
    assert_eq!(refused(patch!({"ttl_s": 59})), "ttl_s");
    assert_eq!(refused(patch!({"ttl_s": 100, "heartbeat_interval_s": 101})), "ttl_s");
    assert_eq!(refused(patch!({"ttl_s": 0})), "ttl_s");
    assert_eq!(refused(patch!({"priority": 1001})), "priority");
    let patched =
        registry.patch_service(own.id.as_str(), patch!({"ttl_s": 60}), None, clock.moment());
    assert_eq!(patched.unwrap().facts.ttl_s, Some(60));
}

#[test]
fn what_drains_is_shown_so_while_it_is_healthy_and_comes_back() {
    let (registry, clock) = registry();
    registry.update_status(ID, ServiceStatus::Healthy, None, clock.moment()).unwrap();
    let drained = registry.drain_service(ID, true, clock.moment()).unwrap();
    assert_eq!(
        (drained.status, drained.shown_status()),
        (ServiceStatus::Healthy, ServiceStatus::Draining)
    );
    let back = registry.drain_service(ID, false, clock.moment()).unwrap();
    assert_eq!(back.shown_status(), ServiceStatus::Healthy);
    assert_eq!(
        registry.kinds_since(1),
        ["service.healthy", "service.draining", "service.draining"]
    );
}

#[test]
fn a_role_given_by_hand_outlives_what_files_and_people_say_later() {
    let (registry, clock) = registry();
    registry.promote_service(ID, Role::Production, clock.moment()).unwrap();
    let file = Declared { role: Some(Role::Canary), ..declared("spare", ID) };
    let entry = registry.upsert_service(Source::File, file, clock.moment()).unwrap().entry;
    assert_eq!(entry.facts.role, Role::Production);
    let back = registry.patch_service(ID, patch!({"role": null}), None, clock.moment()).unwrap();
    assert_eq!(back.facts.role, Role::Canary);
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let (registry, clock) = registry();
    let unknown = UnknownService("gpu-8:1".to_owned());
    let patched = registry.patch_service("gpu-8:1", ServicePatch::default(), None, clock.moment());
    assert_eq!(patched.unwrap_err(), PatchError::Unknown(unknown.clone()));
    let promoted = registry.promote_service("gpu-8:1", Role::Canary, clock.moment());
    assert_eq!(promoted.unwrap_err(), unknown);
    assert_eq!(registry.drain_service("gpu-8:1", true, clock.moment()).unwrap_err(), unknown);
    let judged = registry.update_status("gpu-8:1", ServiceStatus::Down, None, clock.moment());
    assert_eq!(judged.unwrap_err(), unknown);
    assert_eq!(registry.update_models("gpu-8:1", &[], clock.moment()).unwrap_err(), unknown);
}

#[test]
fn who_is_asked_has_no_beats_to_change() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let asked = Declared { check: Some(Check::Probe), ..declared("spare", ID) };
    registry.upsert_service(Source::Manual, asked, clock.moment()).unwrap();
    for (field, patch) in [
        ("ttl_s", patch!({"ttl_s": 90})),
        ("heartbeat_interval_s", patch!({"heartbeat_interval_s": 9})),
    ] {
        let error = registry.patch_service(ID, patch, None, clock.moment()).unwrap_err();
        let PatchError::OutOfBounds(refused) = error else { panic!("bounds hold") };
        assert_eq!(refused.field, field);
    }
    let none = patch!({"ttl_s": null, "heartbeat_interval_s": null});
    assert!(registry.patch_service(ID, none, None, clock.moment()).is_ok());
}
