//! The sweep's part that looks at services: who beats no longer, who has been unhealthy for too
//! long, and whether so many go at once that it is one event.

use herdbook_shared::ids::ServiceId;
use serde_json::json;
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::check::judge::ServiceVerdict;
use crate::registry::check::rule::Fate;
use crate::registry::moment::Moment;

use super::mass::{Mass, MassEvent, Member};
use super::tell_mass;

/// What the sweep knows of services between two looks.
#[derive(Debug)]
pub(super) struct Services {
    mass: Mass<ServiceId>,
    looked: Instant,
    ticked: Instant,
}

impl Services {
    pub(super) fn new(rules: &Liveness, now: Instant) -> Self {
        Self { mass: Mass::new(rules), looked: now, ticked: now }
    }

    /// Looks at all services where that is due, and says what is to be told of whom.
    pub(super) fn look(&mut self, registry: &Registry, moment: Moment) -> Vec<ServiceVerdict> {
        let is_due = super::is_due(&mut self.looked, registry.checks().judge_every, moment.now);
        let mut found = if is_due { registry.look_at_services(moment) } else { Vec::new() };
        // Whether they are back is looked at more often than who goes.
        let is_back =
            |id: &ServiceId| registry.service(id.as_str()).is_some_and(|service| service.is_back());
        let is_new = std::mem::replace(&mut self.ticked, moment.now) != moment.now;
        if is_due || (is_new && self.mass.may_end(is_back, moment.now)) {
            self.follow_mass(registry, &found, moment);
        }
        if self.mass.holds() {
            found.retain_mut(under_mass);
        }
        found
    }

    fn follow_mass(&mut self, registry: &Registry, found: &[ServiceVerdict], moment: Moment) {
        let goes = |verdict: &&ServiceVerdict| verdict.fate == Some(Fate::Down);
        let going: Vec<_> =
            found.iter().filter(goes).map(|verdict| verdict.entry.id.clone()).collect();
        if going.is_empty() && !self.mass.holds() {
            return;
        }
        let services = registry.services();
        let all = services.iter().map(AsRef::as_ref);
        let (kind, n, cause) = match self.mass.tick(registry, all, &going, moment.now) {
            None => return,
            Some(MassEvent::Began { n_all, n_gone }) => {
                let cause = format!("{n_gone} of {n_all} services went down together");
                (ChangeKind::FleetMassOffline, n_gone, cause)
            }
            Some(MassEvent::Ended { n_back, n_gone }) => {
                let cause = format!("{n_back} of {n_gone} services are back");
                (ChangeKind::FleetMassRecovered, n_back, cause)
            }
        };
        tell_mass(registry, kind, json!({ "n_services": n }), cause, moment);
    }
}

/// During a mass event nobody is deregistered, and who goes down goes with the mass.
fn under_mass(verdict: &mut ServiceVerdict) -> bool {
    match verdict.fate {
        Some(Fate::Deregistered) => return false,
        Some(Fate::Down) => verdict.cause = Some("mass".to_owned()),
        None => (),
    }
    true
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
