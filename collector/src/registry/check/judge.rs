//! The clock over services: who beats no longer, who has been unhealthy for too long, and whether
//! anybody changes all the time. Looked at without the lock, told under it, and only if it still
//! holds there.

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use super::beat::Health;
use super::departed::Gone;
use super::flap::Results;
use super::rule::{self, Fate, Stay};
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::ledger::Dirty;
use crate::registry::moment::Moment;
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};
use crate::registry::transaction::Transaction;

/// What is to be told of a service.
#[derive(Clone, Debug)]
pub struct ServiceVerdict {
    /// Which, as it was looked at.
    pub entry: Arc<ServiceEntry>,
    /// What becomes of it.
    pub fate: Option<Fate>,
    /// Why, where that is not in the silence itself.
    pub cause: Option<String>,
    results: Results,
}

impl Registry {
    /// From now on all clocks over services run anew: nothing is held against them that the
    /// collector slept through.
    pub fn start_clocks_anew(&self, now: Instant) {
        self.believed_ms.store(self.ms_of(now), std::sync::atomic::Ordering::Relaxed);
    }

    /// Looks at all services, and says of whom there is something to tell.
    #[must_use]
    pub fn look_at_services(&self, moment: Moment) -> Vec<ServiceVerdict> {
        let services = self.services();
        services.into_iter().filter_map(|entry| self.look_at(entry, moment.now)).collect()
    }

    fn look_at(&self, entry: Arc<ServiceEntry>, now: Instant) -> Option<ServiceVerdict> {
        let judged = &entry.live.judged;
        match entry.facts.check {
            Check::Heartbeat => judged.await_beats(self.ms_of(now)),
            _ => judged.await_no_beats(),
        }
        let fate = self.fate(&entry, now);
        let result = match (entry.facts.check, fate) {
            (Check::Agent, _) => entry.state.map(|_| entry.status),
            (Check::Heartbeat, Some(_)) => Some(ServiceStatus::Down),
            (Check::Heartbeat, None) => {
                Some(entry.status).filter(|status| *status != ServiceStatus::Unknown)
            }
            // Each of its checks is a result already.
            (Check::Probe, _) => None,
        };
        let results = result.map(|result| judged.note_result(result));
        let is_news = results.is_some_and(|results| entry.is_news(results));
        let results = results.unwrap_or_default();
        (fate.is_some() || is_news).then_some(ServiceVerdict { entry, fate, cause: None, results })
    }

    /// What is to become of a service.
    fn fate(&self, entry: &ServiceEntry, now: Instant) -> Option<Fate> {
        match entry.facts.check {
            Check::Agent => None,
            Check::Probe if entry.unconfirmed => None,
            Check::Probe => {
                let had_for = self.since(entry.live.judged.entered_ms(), now);
                rule::probed(entry.status, had_for, &self.checks)
            }
            Check::Heartbeat => {
                let status = if entry.unconfirmed { ServiceStatus::Unknown } else { entry.status };
                rule::beating(status, self.n_missed(entry, now)?, stay(entry))
            }
        }
    }

    /// How many beats of a service are missing; `None`: nobody waits for them yet.
    fn n_missed(&self, entry: &ServiceEntry, now: Instant) -> Option<u64> {
        let silent_for = self.since(entry.live.judged.heard_ms()?, now);
        let interval = Duration::from_secs(entry.facts.heartbeat_interval_s?);
        let ttl = Duration::from_secs(entry.facts.ttl_s?);
        Some(rule::missed(silent_for, interval, ttl))
    }

    /// How long ago that was, of which the collector slept through nothing.
    fn since(&self, ms: u64, now: Instant) -> Duration {
        let believed = self.believed_ms.load(std::sync::atomic::Ordering::Relaxed);
        Duration::from_millis(self.ms_of(now).saturating_sub(ms.max(believed)))
    }

    /// Tells a verdict, unless it no longer holds.
    pub fn judge_service(&self, verdict: &ServiceVerdict, moment: Moment) {
        let mut transaction = self.transaction(moment);
        let id = &verdict.entry.id;
        let Some(entry) = self.service(id.as_str()) else { return };
        if let Some(fate) = verdict.fate.filter(|fate| self.fate(&entry, moment.now) == Some(*fate))
        {
            let heard = entry.live.judged.heard_ms();
            transaction.meet(&entry, fate, verdict.cause.clone());
            if entry.facts.check == Check::Heartbeat && entry.live.judged.heard_ms() != heard {
                // A beat came meanwhile: see `Judged`.
                transaction.restore_beating(id, Health::Ok);
            }
        }
        transaction.follow_results(id, verdict.results);
        if let Some(host) = entry.host_id() {
            transaction.follow_services(host, |_| ());
        }
    }

    /// Forgets services that left so long ago that no beat brings them back.
    pub fn forget_departed(&self, moment: Moment) {
        let after_ms = i64::try_from(self.checks.departed_after.as_millis()).unwrap_or(i64::MAX);
        let until = moment.at.unix_ms().saturating_sub(after_ms);
        let mut ledger = self.ledger();
        let forgotten = ledger.departed.forget(Timestamp::from_unix_ms(until));
        if !forgotten.is_empty() {
            ledger.dirty.extend(forgotten.into_iter().map(Dirty::Service));
            self.dirty.notify_one();
        }
    }
}

/// Who may take it off the list.
fn stay(entry: &ServiceEntry) -> Stay {
    let records = &entry.facts.records;
    if records.file.is_some() || records.manual.is_some() {
        Stay::Declared
    } else {
        Stay::WhileItBeats
    }
}

impl Transaction<'_> {
    fn meet(&mut self, entry: &Arc<ServiceEntry>, fate: Fate, cause: Option<String>) {
        match fate {
            Fate::Down => {
                let (status, at) = (ServiceStatus::Down, self.moment.at);
                let known = entry.facts.records.checked.as_deref().cloned().unwrap_or_default();
                let why = self.why_down(entry);
                let mut checked = known;
                checked.down_since = checked.down_since.or(Some(at));
                if entry.facts.check == Check::Heartbeat {
                    (checked.last_error, checked.last_error_at) = (Some(why.clone()), Some(at));
                }
                self.tell_checked(entry, status, checked, Some(cause.unwrap_or(why)));
            }
            Fate::Deregistered => {
                let why = cause.unwrap_or_else(|| self.why_down(entry));
                self.deregister(entry, &why);
            }
        }
    }

    fn why_down(&self, entry: &ServiceEntry) -> String {
        match entry.facts.check {
            Check::Heartbeat => {
                let n_missed = self.registry.n_missed(entry, self.moment.now).unwrap_or_default();
                format!("{n_missed} missed beats")
            }
            _ => {
                let error = entry.facts.last_error.as_deref().unwrap_or("no answer");
                format!("unhealthy for too long: {error}")
            }
        }
    }

    /// Takes a silent service off the list, and remembers it for a while.
    fn deregister(&mut self, entry: &Arc<ServiceEntry>, cause: &str) {
        self.unlist_service(&entry.id, ChangeKind::ServiceDeregistered, cause);
        let gone = Gone { entry: Arc::clone(entry), at: self.moment.at };
        if let Some(forgotten) = self.ledger.departed.insert(gone) {
            self.ledger.dirty.insert(Dirty::Service(forgotten));
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
