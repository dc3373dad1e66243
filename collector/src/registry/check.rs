//! How services are judged, but for what their agents tell: by the collector's own checks, by
//! their beats, and by the clock. The rules are pure values; nothing here asks anybody.

pub mod flap;
pub mod rule;

pub mod beat;
pub mod departed;
mod handover;
pub mod judge;
pub mod probe;

use herdbook_shared::ids::ServiceId;

use super::change::ChangeKind;
use super::service::{Check, ServiceEntry, ServiceStatus};
use super::transaction::Transaction;
use flap::Results;

impl Transaction<'_> {
    /// An agent told how a service does: one more result of it.
    pub(super) fn count_told(&mut self, id: &ServiceId) {
        let Some(entry) = self.registry.service(id.as_str()) else { return };
        if entry.facts.check == Check::Agent && entry.state.is_some() {
            self.count_result(id, entry.status);
        }
    }

    /// Takes in one more result of a service, and tells where it begins or stops to flap.
    pub(super) fn count_result(&mut self, id: &ServiceId, result: ServiceStatus) {
        if let Some(entry) = self.registry.service(id.as_str()) {
            let results = entry.live.judged.note_result(result);
            self.follow_results(id, results);
        }
    }

    /// Tells whether a service flaps, where that is news.
    pub(super) fn follow_results(&mut self, id: &ServiceId, results: Results) {
        let Some(entry) = self.registry.service(id.as_str()) else { return };
        if !entry.is_news(results) {
            return;
        }
        let cause = if entry.flapping { "it keeps its status again" } else { "it keeps changing" };
        let flapping = !entry.flapping;
        let after = ServiceEntry { flapping, ..(*entry).clone() };
        self.put_service(after, ChangeKind::ServiceFlapping, Some(cause.to_owned()));
    }
}

impl ServiceEntry {
    /// Whether these results say another thing than what was told.
    fn is_news(&self, results: Results) -> bool {
        if self.flapping { results.ends() } else { results.begins() }
    }
}
