//! Whose a service is, and who answers for where it is.

use std::sync::Arc;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::declare::remove::{Removal, RemoveError};
use crate::registry::declare::{UpsertError, Whole};
use crate::registry::service::record::Declared;
use crate::registry::service::{ServiceEntry, Source};
use crate::registry::testing::*;

fn of(source: Source, owner: Option<&str>, url: &str) -> Whole {
    let beats = (source == Source::Own).then_some(60);
    let declared = Declared { heartbeat_interval_s: beats, ..declared("bot", url) };
    Whole::of(source, declared).unwrap().owned_by(owner.map(Arc::from))
}

fn upsert(
    registry: &Registry,
    clock: &Clock,
    whole: Whole,
) -> Result<Arc<ServiceEntry>, UpsertError> {
    registry.upsert(whole, clock.moment()).map(|upserted| upserted.entry)
}

#[test]
fn only_its_owner_and_admins_change_what_somebody_registered() {
    for source in [Source::Own, Source::Manual] {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let by = |owner| upsert(&registry, &clock, of(source, owner, "http://gpu-9:8000"));
        let id = by(Some("token:a")).unwrap().id.clone();
        assert!(by(Some("token:a")).is_ok());
        assert!(matches!(by(Some("token:b")), Err(UpsertError::NotYours(_))), "{source:?}");
        let is_for = |caller| registry.is_for(id.as_str(), caller).is_ok();
        assert!(is_for(Some("token:a")) && is_for(None) && !is_for(Some("token:b")));
        let remove = |caller: Option<&str>| {
            let removal = Removal { caller: caller.map(Arc::from), ..Removal::default() };
            registry.withdraw_service(id.as_str(), removal, clock.moment())
        };
        assert!(matches!(remove(Some("token:b")), Err(RemoveError::NotYours(_))));
        remove(Some("token:a")).unwrap();
        // What an admin registers is no client's.
        by(None).unwrap();
        assert!(by(Some("token:a")).is_err() && !is_for(Some("token:a")));
        remove(None).unwrap();
    }
}

#[test]
fn an_owner_takes_back_what_it_said_and_not_what_others_did() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let url = "http://10.0.0.7:8000";
    let id =
        upsert(&registry, &clock, of(Source::Manual, Some("token:a"), url)).unwrap().id.clone();
    upsert(&registry, &clock, of(Source::File, None, url)).unwrap();
    let removal = Removal { caller: Some("token:a".into()), ..Removal::default() };
    registry.withdraw_service(id.as_str(), removal, clock.moment()).unwrap();
    let stays = registry.service(id.as_str()).unwrap();
    assert_eq!(stays.facts.records.sources(), [Source::File]);
}

#[test]
fn the_owner_outlasts_a_restart_and_documents_without_one_are_admins() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let whole = of(Source::Own, Some("token:a"), "http://gpu-9:8000");
    let records = upsert(&registry, &clock, whole).unwrap().facts.records.clone();
    let text = serde_json::to_string(&records).unwrap();
    let read: super::Records = serde_json::from_str(&text).unwrap();
    assert_eq!(read.owner().map(AsRef::as_ref), Some("token:a"));
    let older = text.replace(r#","owner":"token:a""#, "");
    assert_ne!(older, text);
    assert_eq!(serde_json::from_str::<super::Records>(&older).unwrap().owner(), None);
}

#[test]
fn an_address_is_answered_for_by_who_placed_the_service_there_or_by_an_agents_socket() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let url = "http://198.51.100.9:8000";
    let clients = upsert(&registry, &clock, of(Source::Manual, Some("token:a"), url)).unwrap();
    let (there, elsewhere) = ("198.51.100.9".parse().unwrap(), "198.51.100.10".parse().unwrap());
    assert!(!registry.vouches(&clients.facts, there));
    connect_from(&registry, 1, there);
    let mapped = "::ffff:198.51.100.9".parse().unwrap();
    assert!(registry.vouches(&clients.facts, there) && registry.vouches(&clients.facts, mapped));
    assert!(!registry.vouches(&clients.facts, elsewhere));
    registry.forget_host(1, clock.moment());
    assert!(!registry.vouches(&clients.facts, there), "the host is gone, and its proof with it");
    let admins = upsert(&registry, &clock, of(Source::Manual, None, url)).unwrap();
    assert!(registry.vouches(&admins.facts, there));
}
