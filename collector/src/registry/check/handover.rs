//! Who judges a service changes: its host went offline and the collector asks it from now on, its
//! agent is back, a source came or took back what it said. What one of them told is not held
//! against, or for, a service that another one judges.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use crate::registry::host::HostStatus;
use crate::registry::service::record::{Checked, Records};
use crate::registry::service::{Check, ServiceEntry, ServiceFacts, ServiceStatus};
use crate::registry::transaction::Transaction;

impl Transaction<'_> {
    /// A service with these records, judged by whoever can by them: its agent, unless its host is
    /// offline. Nothing is put.
    pub(in crate::registry) fn judged_by(
        &self,
        known: &ServiceEntry,
        records: Records,
    ) -> ServiceEntry {
        let host = records.agent.as_ref().and_then(|found| self.host(&found.host_id));
        let check = records.check(host.is_some_and(|host| host.status == HostStatus::Offline));
        known.judged_by(check, records, self.moment.at)
    }
}

impl ServiceEntry {
    /// The same with these records, judged so. Where that is new, nothing is known of how it does.
    fn judged_by(&self, check: Check, records: Records, at: Timestamp) -> Self {
        let (known, is_new) = (&self.facts, check != self.facts.check);
        let records = if is_new { without_old_errors(records) } else { records };
        let facts = if !is_new && records == known.records {
            Arc::clone(known)
        } else {
            Arc::new(ServiceFacts::of(records, check, known.registered_at, Some(known)))
        };
        let same = Self { facts, ..self.clone() };
        if !is_new {
            return same;
        }
        self.live.clear_failures();
        self.live.clear_told_by(self.facts.check);
        let (status, state) = (ServiceStatus::Unknown, None);
        let after = Self { status, state, unconfirmed: false, ..same };
        let findings = after.derive_findings(at);
        Self { findings, ..after }
    }
}

/// What was wrong when the collector judged before is over, or will be seen again.
fn without_old_errors(records: Records) -> Records {
    let Some(checked) = records.checked.as_deref() else { return records };
    let checked = Checked { last_error: None, down_since: None, ..checked.clone() };
    Records { checked: Some(Arc::new(checked)), ..records }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
