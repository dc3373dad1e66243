//! What the choice leaves out where enough stand before a service, it does not leave out of the
//! reasons.

use herdbook_shared::wire::inventory::ServiceState;

use crate::registry::pick::fleet::*;
use crate::registry::service::ServiceStatus;
use crate::registry::session::CloseReason;

/// Five that are better than host 9, which is silent, and whose service is up as far as that one
/// shows by itself.
fn with_silent(state: Option<ServiceState>) -> Fleet {
    let fleet = Fleet::with_cold(&[1, 2, 3, 4, 5]);
    let silent = fleet.host(9, &[small("m", false)]);
    let (host, session) = (&silent.host_id, &silent.session.id);
    fleet.registry.close_session(host, session, CloseReason::Shutdown, fleet.clock.moment());
    fleet.edit(9, |entry| {
        (entry.status, entry.state) = (ServiceStatus::Healthy, state);
    });
    fleet
}

#[test]
fn of_a_silent_host_it_is_told_even_behind_the_first_four() {
    let picked = with_silent(None).pick(&model_m());
    assert_eq!(ids(&picked), [id(1), id(2), id(3), id(4)]);
    assert_eq!(picked.rejected[0].id.as_str(), id(9));
    assert!(picked.rejected[0].why.starts_with("its host is offline"), "{:?}", picked.rejected);
}

#[test]
fn a_host_that_falls_silent_under_the_choice_is_not_picked() {
    let fleet = with_silent(Some(ServiceState::Idle));
    fleet.edit_facts(9, |facts| facts.priority = 1);
    let picked = fleet.pick(&model_m());
    assert_eq!((ids(&picked)[0].as_str(), picked.rejected.len()), (id(1).as_str(), 1));
}
