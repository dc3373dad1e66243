//! Who may be removed, and what stays.

use herdbook_shared::ids::ServiceId;
use herdbook_shared::wire::inventory::ServiceState;

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::check::beat::Beat;
use crate::registry::service::{Role, ServiceStatus};
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::store::Extent;

use super::*;

/// An address and the id that it makes.
const URL: &str = "http://gpu-1:8000";
const ID: &str = "gpu-1:8000";

/// A registry with a service that an agent found and a person added.
struct Shared {
    registry: Registry,
    clock: Clock,
    opened: Opened,
    id: ServiceId,
}

impl Shared {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let manual = declared("mine", URL);
        let manual = registry.upsert_service(Source::Manual, manual, clock.moment()).unwrap();
        let opened = connect(&registry, 1, clock.moment());
        let found = vec![service("10.0.0.7", 8000, vec![])];
        registry.take_inventory(&opened, found, clock.moment());
        let joined = registry.service(manual.entry.id.as_str()).unwrap();
        assert_eq!(joined.facts.records.sources(), [Source::Agent, Source::Manual]);
        Self { registry, clock, opened, id: joined.id.clone() }
    }

    fn remove(&self) -> Result<Arc<ServiceEntry>, RemoveError> {
        self.registry.remove_service(self.id.as_str(), self.clock.moment())
    }

    fn take_back(&self, source: Source) -> Result<Option<Arc<ServiceEntry>>, RemoveError> {
        self.registry.remove_source(self.id.as_str(), source, self.clock.moment())
    }
}

#[test]
fn what_a_person_added_is_removed_and_returned() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    registry.upsert_service(Source::Manual, declared("a", URL), clock.moment()).unwrap();
    let removed = registry.remove_service(ID, clock.moment()).unwrap();
    assert_eq!(&*removed.facts.name, "a");
    assert!(registry.services().is_empty());
    assert_eq!(registry.kinds_since(0), ["service.registered", "service.removed"]);
    let again = registry.remove_service(ID, clock.moment()).unwrap_err();
    assert_eq!(again, RemoveError::Unknown(UnknownService(ID.to_owned())));
}

#[test]
fn who_registered_itself_is_deregistered() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let put =
        || registry.upsert_service(Source::Own, declared("bot", URL), clock.moment()).unwrap();
    let id = put().entry.id.clone();
    registry.remove_service(id.as_str(), clock.moment()).unwrap();
    assert_eq!(put().entry.id, id);
    assert!(registry.remove_source(id.as_str(), Source::Own, clock.moment()).unwrap().is_none());
    let once = ["service.registered", "service.deregistered"];
    assert_eq!(registry.kinds_since(0), [once, once].concat());
}

#[test]
fn what_an_agent_reports_stays_and_only_the_hand_made_part_goes() {
    let shared = Shared::new();
    assert_eq!(shared.remove().unwrap_err(), RemoveError::Reported);
    assert_eq!(shared.take_back(Source::Agent).unwrap_err(), RemoveError::Reported);
    assert_eq!(shared.take_back(Source::File).unwrap_err(), RemoveError::NoSource(Source::File));
    let stays = shared.take_back(Source::Manual).unwrap().unwrap();
    assert_eq!((stays.facts.records.sources(), &*stays.facts.name), (vec![Source::Agent], "gpu-1"));
    assert_eq!(
        shared.take_back(Source::Manual).unwrap_err(),
        RemoveError::NoSource(Source::Manual)
    );
}

#[test]
fn a_server_that_is_down_can_be_removed_with_all_that_was_said_of_it() {
    let shared = Shared::new();
    let down = ServiceState::Down;
    let gone = herdbook_shared::wire::inventory::Service {
        state: down,
        ..service("10.0.0.7", 8000, vec![])
    };
    shared.registry.take_inventory(&shared.opened, vec![gone], shared.clock.moment());
    shared.remove().unwrap();
    assert!(shared.registry.services().is_empty());
    let host = shared.registry.host(shared.opened.host_id.as_str()).unwrap();
    assert!(host.services.is_empty());
}

#[test]
fn what_an_offline_host_had_can_be_removed() {
    let shared = Shared::new();
    let (id, session) = (&shared.opened.host_id, &shared.opened.session.id);
    shared.registry.close_session(id, session, CloseReason::Shutdown, shared.clock.moment());
    shared.remove().unwrap();
    assert!(shared.registry.services().is_empty());
}

#[test]
fn what_a_file_declares_is_taken_back_by_the_file_alone() {
    let (file, at) = (declared("from file", URL), Clock::new().moment());
    let registry = Registry::new(Liveness::default());
    registry.upsert_service(Source::File, file, at).unwrap();
    assert_eq!(registry.remove_service(ID, at).unwrap_err(), RemoveError::Declared);
    registry.upsert_service(Source::Manual, declared("mine", URL), at).unwrap();
    assert_eq!(registry.remove_service(ID, at).unwrap_err(), RemoveError::Declared);
    let stays = registry.remove_source(ID, Source::File, at).unwrap().unwrap();
    assert_eq!(&*stays.facts.name, "mine");
    assert!(registry.remove_source(ID, Source::Manual, at).unwrap().is_none());
    assert!(registry.services().is_empty());
}

#[test]
fn a_stale_revision_removes_nothing() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let entry =
        registry.upsert_service(Source::Manual, declared("a", URL), clock.moment()).unwrap().entry;
    let removal = |revision| Removal { if_revision: Some(revision), ..Removal::default() };
    let stale = registry.withdraw_service(ID, removal(entry.revision + 1), clock.moment());
    assert_eq!(stale.unwrap_err(), RemoveError::Stale { revision: entry.revision });
    let gone = registry.withdraw_service(ID, removal(entry.revision), clock.moment());
    assert!(matches!(gone.unwrap(), Removed::Gone(_)));
}

/// Who registered itself and left, since its beats were missing.
fn departed() -> (Registry, Clock, String) {
    let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
    let own = declared("bot", URL);
    let id = registry.upsert_service(Source::Own, own, clock.moment()).unwrap().entry.id.clone();
    for _ in 0..4 {
        let moment = clock.pass(60);
        let verdicts = registry.look_at_services(moment);
        verdicts.iter().for_each(|verdict| registry.judge_service(verdict, moment));
    }
    assert!(registry.service(id.as_str()).is_none());
    (registry, clock, id.to_string())
}

#[test]
fn who_left_and_is_removed_does_not_come_back_with_its_next_beat() {
    let (registry, clock, id) = departed();
    let stale = Removal { if_revision: Some(0), ..Removal::default() };
    let refused = registry.withdraw_service(&id, stale, clock.moment()).unwrap_err();
    assert!(matches!(refused, RemoveError::Stale { .. }));
    assert!(registry.remove_source(&id, Source::Manual, clock.moment()).is_err());
    registry.take_dirty(usize::MAX);
    let removed = registry.remove_service(&id, clock.moment()).unwrap();
    assert_eq!(removed.id.as_str(), id);
    let taken = registry.ledger().dirty.take(Extent::Urgent);
    assert_eq!(taken.unwrap().1, Dirty::Service(removed.id.clone()));
    assert!(registry.beat(&id, Beat::default(), clock.moment()).is_err());
    assert!(registry.remove_service(&id, clock.moment()).is_err());
}

#[test]
fn who_left_and_registers_again_is_what_people_said_of_it() {
    let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
    let own = || declared("bot", URL);
    let id = registry.upsert_service(Source::Own, own(), clock.moment()).unwrap().entry.id.clone();
    registry.promote_service(id.as_str(), Role::Production, clock.moment()).unwrap();
    registry.drain_service(id.as_str(), true, clock.moment()).unwrap();
    let revision = registry.service(id.as_str()).unwrap().revision;
    for _ in 0..4 {
        let moment = clock.pass(60);
        let verdicts = registry.look_at_services(moment);
        verdicts.iter().for_each(|verdict| registry.judge_service(verdict, moment));
    }
    assert!(registry.service(id.as_str()).is_none());
    let back = registry.upsert_service(Source::Own, own(), clock.pass(1)).unwrap();
    assert!(back.is_new && back.entry.revision > revision);
    assert_eq!((back.entry.facts.role, back.entry.facts.drain), (Role::Production, true));
    assert_eq!(back.entry.status, ServiceStatus::Healthy);
    assert!(registry.ledger().departed.is_empty());
}
