//! What a check of the collector's own found, taken into the register.

use std::sync::Arc;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;

use super::rule;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::registry::service::record::{Checked, Records};
use crate::registry::service::{Check, Model, ServiceEntry, ServiceFacts, ServiceStatus};
use crate::registry::transaction::Transaction;

/// What a service answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probed {
    /// What it was recognised as.
    pub kind: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its models, by name; `None`: it did not tell.
    pub models: Option<Vec<Model>>,
    /// How many more it has than the limit lets through.
    pub models_left_out: u64,
    /// When which of them expires.
    pub expires: Vec<(Arc<str>, Timestamp)>,
    /// How long it took to answer.
    pub latency_ms: u64,
    /// It lives, but this was wrong.
    pub note: Option<String>,
}

/// Why a check failed, in words that stay the same while the reason does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// It was asked in vain.
    #[error("{0}")]
    Failed(String),
    /// It is not asked: nothing is known of it by that.
    #[error("{0}")]
    Refused(String),
}

impl Registry {
    /// Takes in what a check found. A service that is gone, or judged by somebody else by now, is
    /// left alone.
    pub fn record_probe(
        &self,
        id: &ServiceId,
        outcome: Result<Probed, ProbeFailure>,
        moment: Moment,
    ) {
        let mut transaction = self.transaction(moment);
        let Some(before) = self.service(id.as_str()) else { return };
        if before.facts.check != Check::Probe {
            return;
        }
        before.live.write_checked_at(moment.at);
        let result = match outcome {
            Ok(probed) => transaction.answered(&before, probed),
            Err(ProbeFailure::Refused(why)) => transaction.unasked(&before, why),
            Err(failure) => transaction.unanswered(&before, &failure),
        };
        transaction.count_result(id, result);
        if let Some(host) = before.host_id() {
            transaction.follow_services(host, |_| ());
        }
    }
}

impl Transaction<'_> {
    fn answered(&mut self, before: &Arc<ServiceEntry>, probed: Probed) -> ServiceStatus {
        let status = ServiceStatus::Healthy;
        before.live.write_check_latency(probed.latency_ms);
        before.live.clear_failures();
        before.live.write_expires(probed.expires.into_iter());
        let known = before.facts.records.checked.as_deref().cloned().unwrap_or_default();
        let checked = Checked {
            kind: probed.kind.or(known.kind),
            version: probed.version.or(known.version),
            models_left_out: match &probed.models {
                Some(_) => probed.models_left_out,
                None => known.models_left_out,
            },
            models: probed.models.map(Arc::from).or(known.models),
            down_since: None,
            last_error_at: self.error_at(&probed.note, &known.last_error, known.last_error_at),
            last_error: probed.note,
            was_reached: true,
        };
        let was_ill = matches!(before.status, ServiceStatus::Unhealthy | ServiceStatus::Down);
        let cause = was_ill.then(|| "it answers again".to_owned());
        self.tell_checked(before, status, checked, cause);
        status
    }

    /// Returns the result: a check that failed is one of an unhealthy service, whether or not it
    /// is taken for one by now.
    fn unanswered(&mut self, before: &Arc<ServiceEntry>, failure: &ProbeFailure) -> ServiceStatus {
        let rules = &self.registry.checks;
        let n_failures = before.live.count_failure();
        let status = rule::status_after(before.status, n_failures, rules);
        // Who has just added a service wants to know at once why nothing is known of it.
        let is_news = before.status == ServiceStatus::Unknown && !before.unconfirmed;
        if n_failures >= rules.failures || is_news {
            let known = before.facts.records.checked.as_deref().cloned().unwrap_or_default();
            let error = Some(failure.to_string());
            let checked = Checked {
                last_error_at: self.error_at(&error, &known.last_error, known.last_error_at),
                last_error: error,
                ..known
            };
            let checks = if n_failures == 1 { "check" } else { "checks" };
            let cause = format!("{n_failures} failed {checks}: {failure}");
            self.tell_checked(before, status, checked, Some(cause));
        }
        ServiceStatus::Unhealthy
    }

    /// Who is not asked is neither well nor ill, whatever it was.
    fn unasked(&mut self, before: &Arc<ServiceEntry>, why: String) -> ServiceStatus {
        let status = ServiceStatus::Unknown;
        before.live.clear_failures();
        let known = before.facts.records.checked.as_deref().cloned().unwrap_or_default();
        let (cause, error) = (Some(why.clone()), Some(why));
        let checked = Checked {
            last_error_at: self.error_at(&error, &known.last_error, known.last_error_at),
            last_error: error,
            down_since: None,
            ..known
        };
        self.tell_checked(before, status, checked, cause);
        status
    }

    /// An error that goes on is as old as it is; one that is over was when it was.
    fn error_at(
        &self,
        error: &Option<String>,
        known: &Option<String>,
        known_at: Option<Timestamp>,
    ) -> Option<Timestamp> {
        if error.is_some() && error != known { Some(self.moment.at) } else { known_at }
    }

    /// A service is judged, and what the collector knows of it is this from now on.
    pub(in crate::registry) fn tell_checked(
        &mut self,
        before: &Arc<ServiceEntry>,
        status: ServiceStatus,
        checked: Checked,
        cause: Option<String>,
    ) {
        let known = &before.facts;
        let is_same = known.records.checked.as_deref() == Some(&checked)
            && before.status == status
            && !before.unconfirmed;
        if is_same {
            return;
        }
        if before.status != status || before.unconfirmed {
            before.live.judged.enter(self.registry.ms_of(self.moment.now));
        }
        let records = Records { checked: Some(Arc::new(checked)), ..known.records.clone() };
        let facts = ServiceFacts::of(records, known.check, known.registered_at, Some(known));
        let facts = Arc::new(facts);
        let after = ServiceEntry { facts, status, unconfirmed: false, ..(**before).clone() };
        self.tell_service(before, after, cause);
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
