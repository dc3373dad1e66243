//! Beats: a service says by itself that it lives. A beat that changes nothing takes no lock.

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;

use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;
use crate::registry::service::record::Checked;
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};
use crate::registry::transaction::Transaction;
use crate::registry::{Registry, SERVICES_MAX};

/// What a service says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beat {
    /// How it does.
    pub health: Health,
    /// The time within which it answers 95 of 100 requests, milliseconds.
    pub p95_ms: Option<f64>,
    /// How many requests wait at it.
    pub queue_depth: Option<u64>,
    /// How much of it is in use; 1 is all.
    pub load: Option<f64>,
}

/// How a service says that it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    #[default]
    Ok,
    /// It answers, with something wrong.
    Degraded,
}

impl Health {
    fn status(self) -> ServiceStatus {
        match self {
            Self::Ok => ServiceStatus::Healthy,
            Self::Degraded => ServiceStatus::Degraded,
        }
    }
}

/// Why a beat counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeatError {
    /// It is not listed, or no longer and for too long.
    #[error("there is no service {0:?}: register again")]
    Unknown(String),
    /// Somebody else tells whether it lives.
    #[error("{id} is not judged by its beats but by {}", by(*.check))]
    NotByBeats {
        /// The service.
        id: ServiceId,
        /// How it is judged.
        check: Check,
    },
    /// It left, and there is no room to list it again.
    #[error("the register is full: it holds {SERVICES_MAX} services")]
    Full,
}

fn by(check: Check) -> &'static str {
    match check {
        Check::Agent => "the agent of its host",
        Check::Probe => "the collector, which asks it",
        Check::Heartbeat => "its beats",
    }
}

impl Registry {
    /// Takes a beat in: the service lives, and does as it says. One that was deregistered because
    /// its beats were missing is listed again.
    ///
    /// # Errors
    ///
    /// [`BeatError`].
    pub fn beat(
        &self,
        id: &str,
        beat: Beat,
        moment: Moment,
    ) -> Result<Arc<ServiceEntry>, BeatError> {
        let Some(entry) = self.resolve(id) else {
            return self.transaction(moment).bring_back(id, beat);
        };
        let check = entry.facts.check;
        if check != Check::Heartbeat {
            return Err(BeatError::NotByBeats { id: entry.id.clone(), check });
        }
        self.note_beat(&entry, &beat, moment);
        let results = entry.live.judged.note_result(beat.health.status());
        // After the beat was noted: see `Judged`.
        match self.service(entry.id.as_str()) {
            Some(now) if now.beats_as(beat.health) && !now.is_news(results) => Ok(now),
            Some(now) => {
                let mut transaction = self.transaction(moment);
                if self.service(now.id.as_str()).is_none() {
                    return transaction.bring_back(now.id.as_str(), beat);
                }
                transaction.restore_beating(&now.id, beat.health);
                transaction.follow_results(&now.id, results);
                drop(transaction);
                Ok(self.service(now.id.as_str()).unwrap_or(now))
            }
            None => self.transaction(moment).bring_back(entry.id.as_str(), beat),
        }
    }

    pub(super) fn note_beat(&self, entry: &ServiceEntry, beat: &Beat, moment: Moment) {
        entry.live.write_beat(moment.at, beat.p95_ms, beat.queue_depth, beat.load);
        entry.live.judged.write_beat(self.ms_of(moment.now), beat.health);
    }
}

impl ServiceEntry {
    /// Whether a beat of this health says nothing new.
    fn beats_as(&self, health: Health) -> bool {
        let checked = self.facts.records.checked.as_deref();
        let is_clear = checked
            .is_none_or(|checked| checked.down_since.is_none() && checked.last_error.is_none());
        self.status == health.status() && !self.unconfirmed && is_clear
    }

    /// Until when its next beat should come, after one that came at `at`.
    #[must_use]
    pub fn next_beat_due(&self, at: Timestamp) -> Option<Timestamp> {
        let interval = Duration::from_secs(self.facts.heartbeat_interval_s?);
        let ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        Some(Timestamp::from_unix_ms(at.unix_ms().saturating_add(ms)))
    }
}

impl Transaction<'_> {
    /// A service registers itself, which is a beat of its own.
    pub(crate) fn beat_by_registering(&mut self, entry: &ServiceEntry) {
        self.registry.note_beat(entry, &Beat::default(), self.moment);
        self.restore_beating(&entry.id, Health::Ok);
    }

    /// A service that beats does as it says, whatever was made of its silence.
    pub(super) fn restore_beating(&mut self, id: &ServiceId, health: Health) {
        let Some(before) = self.registry.service(id.as_str()) else { return };
        if before.facts.check != Check::Heartbeat || before.beats_as(health) {
            return;
        }
        let known = before.facts.records.checked.as_deref().cloned().unwrap_or_default();
        let was_silent = known.down_since.is_some() || before.status == ServiceStatus::Down;
        let cause = if was_silent { "it beats again" } else { "it says so" };
        let checked = Checked { down_since: None, last_error: None, ..known };
        self.tell_checked(&before, health.status(), checked, Some(cause.to_owned()));
    }

    /// Lists a service again that was deregistered because its beats were missing.
    fn bring_back(&mut self, id: &str, beat: Beat) -> Result<Arc<ServiceEntry>, BeatError> {
        if let Some(there) = self.registry.resolve(id) {
            return self.beat_of_listed(&there, &beat);
        }
        let unknown = || BeatError::Unknown(id.to_owned());
        let gone = self.ledger.departed.get(id).ok_or_else(unknown)?.clone();
        if self.registry.is_gone_for_good(&gone, self.moment) {
            return Err(unknown());
        }
        if self.registry.services.len() >= SERVICES_MAX {
            return Err(BeatError::Full);
        }
        self.registry.note_beat(&gone.entry, &beat, self.moment);
        let entry = (*gone.entry).clone();
        let id = entry.id.clone();
        let cause = Some("it beats again".to_owned());
        let entry = self.put_service(entry, ChangeKind::ServiceRegistered, cause);
        self.restore_beating(&id, beat.health);
        Ok(self.registry.service(id.as_str()).unwrap_or(entry))
    }

    /// It was listed meanwhile, by another beat or by registering again.
    fn beat_of_listed(
        &mut self,
        there: &Arc<ServiceEntry>,
        beat: &Beat,
    ) -> Result<Arc<ServiceEntry>, BeatError> {
        let (id, check) = (there.id.clone(), there.facts.check);
        if check != Check::Heartbeat {
            return Err(BeatError::NotByBeats { id, check });
        }
        self.registry.note_beat(there, beat, self.moment);
        self.restore_beating(&id, beat.health);
        Ok(self.registry.service(id.as_str()).unwrap_or_else(|| Arc::clone(there)))
    }
}

#[cfg(test)]
#[path = "beat_tests.rs"]
mod tests;
