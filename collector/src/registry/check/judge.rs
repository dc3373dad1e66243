//! The clock over services: who beats no longer, who has been unhealthy for too long, and whether
//! anybody changes all the time. Looked at without the lock, told under it, and only if it still
//! holds there.

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use super::departed::Gone;
use super::flap::Results;
use super::rule::{self, Fate, Stay};
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};
use crate::registry::transaction::Transaction;
use crate::registry::unkept::Dirty;

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
        let heard = judged.heard_ms();
        let fate = self.fate(&entry, heard, now);
        let result = match (entry.facts.check, fate) {
            (Check::Agent, _) => entry.state.map(|_| entry.status),
            (Check::Heartbeat, Some(_)) => Some(ServiceStatus::Down),
            // Each beat is a result already; that it stays silent is another one.
            (Check::Heartbeat, None) => {
                Some(entry.status).filter(|status| *status == ServiceStatus::Down)
            }
            // Each of its checks is a result already.
            (Check::Probe, _) => None,
        };
        let results = result.map(|result| judged.note_result(result));
        let is_news = results.is_some_and(|results| entry.is_news(results));
        let results = results.unwrap_or_default();
        (fate.is_some() || is_news).then_some(ServiceVerdict { entry, fate, cause: None, results })
    }

    /// What is to become of a service that was heard then.
    fn fate(&self, entry: &ServiceEntry, heard: Option<u64>, now: Instant) -> Option<Fate> {
        match entry.facts.check {
            Check::Agent => None,
            Check::Probe if entry.unconfirmed => None,
            Check::Probe => {
                let had_for = self.since(entry.live.judged.entered_ms(), now);
                rule::probed(entry.status, had_for, &self.checks)
            }
            Check::Heartbeat => {
                let status = if entry.unconfirmed { ServiceStatus::Unknown } else { entry.status };
                rule::beating(status, self.n_missed(entry, heard, now)?, stay(entry))
            }
        }
    }

    /// How many beats of a service are missing that was heard then; `None`: nobody waits for them
    /// yet.
    fn n_missed(&self, entry: &ServiceEntry, heard: Option<u64>, now: Instant) -> Option<u64> {
        let silent_for = self.since(heard?, now);
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
        // Read once, before it is judged by it: what comes later came meanwhile.
        let heard = entry.live.judged.heard_ms();
        let holds = |fate: &Fate| self.fate(&entry, heard, moment.now) == Some(*fate);
        if let Some(fate) = verdict.fate.filter(holds) {
            transaction.tell_fate(&entry, heard, fate, verdict.cause.clone());
        }
        transaction.follow_results(id, verdict.results);
        if let Some(host) = entry.host_id() {
            transaction.follow_services(host, |_| ());
        }
    }

    /// Forgets services that left so long ago that no beat brings them back. `is_past`: whether
    /// this is so of a time by the wall clock, as far as that is believed.
    pub fn forget_departed(&self, moment: Moment, is_past: impl Fn(Timestamp) -> bool) {
        let mut ledger = self.ledger();
        let forgotten = ledger.departed.forget(|gone| match gone.left {
            Some(_) => self.is_gone_for_good(gone, moment),
            None => is_past(gone.at),
        });
        if !forgotten.is_empty() {
            let forgotten = forgotten.into_iter().map(Dirty::Service);
            forgotten.for_each(|service| ledger.dirty.mark(service));
            self.dirty.notify_one();
        }
    }
}

impl Registry {
    /// Services that were deregistered because their beats were missing, and that a beat may still
    /// bring back.
    #[must_use]
    pub fn departed_services(&self) -> Vec<Gone> {
        self.ledger().departed.iter().cloned().collect()
    }

    /// Whether no beat brings this one back. The wall clock may have been set since it left; what
    /// left in another run is forgotten by the sweep, which knows.
    pub(super) fn is_gone_for_good(&self, gone: &Gone, moment: Moment) -> bool {
        let gone_for = |left| moment.now.saturating_duration_since(left);
        gone.left.is_some_and(|left| gone_for(left) >= self.checks.departed_after)
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
    /// Tells what becomes of a service that was heard then, and takes it back where a beat came
    /// meanwhile: see `Judged`.
    fn tell_fate(
        &mut self,
        entry: &Arc<ServiceEntry>,
        heard: Option<u64>,
        fate: Fate,
        cause: Option<String>,
    ) {
        let why = self.why_down(entry, heard);
        self.meet(entry, fate, why, cause);
        let judged = &entry.live.judged;
        if entry.facts.check == Check::Heartbeat && judged.heard_ms() != heard {
            self.restore_beating(&entry.id, judged.beat_health());
        }
    }

    fn meet(&mut self, entry: &Arc<ServiceEntry>, fate: Fate, why: String, cause: Option<String>) {
        match fate {
            Fate::Down => {
                let (status, at) = (ServiceStatus::Down, self.moment.at);
                let known = entry.facts.records.checked.as_deref().cloned().unwrap_or_default();
                let mut checked = known;
                checked.down_since = checked.down_since.or(Some(at));
                if entry.facts.check == Check::Heartbeat {
                    (checked.last_error, checked.last_error_at) = (Some(why.clone()), Some(at));
                }
                self.tell_checked(entry, status, checked, Some(cause.unwrap_or(why)));
            }
            Fate::Deregistered => {
                self.deregister(entry, &cause.unwrap_or(why));
            }
        }
    }

    fn why_down(&self, entry: &ServiceEntry, heard: Option<u64>) -> String {
        match entry.facts.check {
            Check::Heartbeat => {
                let n_missed = self.registry.n_missed(entry, heard, self.moment.now);
                let n_missed = n_missed.unwrap_or_default();
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
        let (at, left) = (self.moment.at, Some(self.moment.now));
        let gone = Gone { entry: Arc::clone(entry), at, left };
        if let Some(forgotten) = self.ledger.departed.insert(gone) {
            self.mark_dirty(Dirty::Service(forgotten));
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
