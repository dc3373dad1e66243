//! What whoever holds the register in its own program observes of a service: its status and its
//! models.

use std::sync::Arc;

use herdbook_shared::limits;

use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::registry::service::record::{Checked, Found, Records};
use crate::registry::service::{Check, Model, ServiceEntry, ServiceStatus};

use super::UnknownService;
use super::whole::by_name;

impl Registry {
    /// Judges a service. Draining is a flag and no status: what drains and answers is healthy.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn update_status(
        &self,
        id: &str,
        status: ServiceStatus,
        cause: Option<String>,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, UnknownService> {
        let mut transaction = self.transaction(moment);
        let before = self.resolve(id).ok_or_else(|| UnknownService(id.to_owned()))?;
        let status = match status {
            ServiceStatus::Draining => ServiceStatus::Healthy,
            other => other,
        };
        if before.facts.check == Check::Agent {
            let after = ServiceEntry { status, unconfirmed: false, ..(*before).clone() };
            return Ok(transaction.put_changed(&before, after, cause));
        }
        let known = before.facts.records.checked.as_deref().cloned();
        let checked = judged(status, known.clone().unwrap_or_default(), moment);
        let is_same = before.status == status && !before.unconfirmed;
        if status.is_up() {
            before.live.clear_failures();
        }
        if !is_same || checked != known.unwrap_or_default() {
            transaction.tell_checked(&before, status, checked, cause);
            if let Some(host) = before.host_id() {
                transaction.follow_services(host, |_| ());
            }
        }
        Ok(self.service(before.id.as_str()).unwrap_or(before))
    }

    /// Tells which models a service has, all of them.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn update_models(
        &self,
        id: &str,
        models: &[Model],
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, UnknownService> {
        let mut transaction = self.transaction(moment);
        let before = self.resolve(id).ok_or_else(|| UnknownService(id.to_owned()))?;
        let all = by_name(models);
        let listed = all.get(..limits::MODELS).unwrap_or(&all);
        let left_out = (all.len() - listed.len()) as u64;
        let records = with_models(&before, listed.into(), left_out);
        let after = transaction.with_records(&before, records, Arc::clone(&before.facts.aliases));
        transaction.tell_service(&before, after, None);
        if let Some(host) = before.host_id() {
            transaction.follow_services(host, |_| ());
        }
        Ok(self.service(before.id.as_str()).unwrap_or(before))
    }
}

/// What the collector knows of a service that is judged so: as if its own check had found it.
fn judged(status: ServiceStatus, known: Checked, moment: Moment) -> Checked {
    let is_down = status == ServiceStatus::Down;
    Checked {
        down_since: is_down.then(|| known.down_since.unwrap_or(moment.at)),
        last_error: known.last_error.filter(|_| !status.is_up()),
        ..known
    }
}

/// The records of a service, with these models in that of whoever judges it.
fn with_models(service: &ServiceEntry, models: Arc<[Model]>, models_left_out: u64) -> Records {
    let records = service.facts.records.clone();
    match (service.facts.check, &records.agent) {
        (Check::Agent, Some(found)) => {
            let found = Found { models, models_left_out, ..(**found).clone() };
            Records { agent: Some(Arc::new(found)), ..records }
        }
        _ => {
            let known = records.checked.as_deref().cloned().unwrap_or_default();
            let checked = Checked { models: Some(models), models_left_out, ..known };
            Records { checked: Some(Arc::new(checked)), ..records }
        }
    }
}

#[cfg(test)]
#[path = "observed_tests.rs"]
mod tests;
