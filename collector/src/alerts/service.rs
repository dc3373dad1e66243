//! What a service tells of itself by its status.

use herdbook_shared::ids::HostId;

use crate::registry::service::{ServiceEntry, ServiceStatus, Word};

use super::Rule;
use super::told::Told;

/// What holds of a service. `why`: the cause of the change that told of it. One that was not judged
/// since the collector's start, or whose host is silent, tells nothing.
pub(super) fn look(
    service: &ServiceEntry,
    why: Option<&str>,
    is_of_mass: bool,
) -> Vec<(Rule, Told)> {
    let is_of_clone = service.host_id().is_some_and(HostId::is_clone);
    if is_of_clone || service.unconfirmed || service.status == ServiceStatus::Unknown {
        let rules = [Rule::ServiceDown, Rule::ServiceUnhealthy];
        return rules.map(|rule| (rule, Told::Nothing)).into();
    }
    let is_quiet = is_of_mass || service.drains();
    let bad = |status, words: &str| match service.status == status {
        true if is_quiet => Told::Nothing,
        true => {
            let message = format!("service {} {words} ({})", service.facts.name, service.id);
            let error = service.facts.last_error.as_deref();
            Told::holds(message, why.or(error).map(str::to_owned))
        }
        false => Told::over(format!("it is {}", service.status.word())),
    };
    let deregistered = match service.status.is_up() {
        true => Told::over("it is listed again"),
        false => Told::Nothing,
    };
    vec![
        (Rule::ServiceDown, bad(ServiceStatus::Down, "is down")),
        (Rule::ServiceUnhealthy, bad(ServiceStatus::Unhealthy, "does not answer")),
        (Rule::ServiceDeregistered, deregistered),
    ]
}

/// Whether it answers, for sure.
pub(super) fn is_well(service: &ServiceEntry) -> bool {
    service.status.is_up() && !service.unconfirmed
}
