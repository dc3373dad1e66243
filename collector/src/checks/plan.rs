//! Who is asked when: a pure value over instants. It knows services by id, and nobody's answer but
//! whether there was one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::ServiceId;
use tokio::time::Instant;

use crate::config::Checks;
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};

/// By how much an interval may differ from the one that is configured.
const JITTER: f64 = 0.1;

/// Whether a service answered last. Each sort has its own bound, see the module above. One that is
/// new is believed to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Answers,
    Doubtful,
}

impl Lane {
    fn of(service: &ServiceEntry) -> Self {
        match service.status {
            ServiceStatus::Unhealthy | ServiceStatus::Down => Self::Doubtful,
            _ => Self::Answers,
        }
    }
}

#[derive(Debug)]
struct Slot {
    url: Arc<str>,
    due: Instant,
    lane: Lane,
    /// The check under way, of which lane it is counted in, and since when.
    flight: Option<(Lane, Instant)>,
    /// The service is gone or judged by somebody else; kept until the check under way is over.
    is_gone: bool,
    /// The check under way asks where the service no longer is, or was slept through.
    is_stale: bool,
    is_seen: bool,
}

/// A check that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: ServiceId,
    pub(super) began: Instant,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Plan {
    interval: Duration,
    at_once: usize,
    slots: HashMap<ServiceId, Slot>,
    answering: BTreeSet<(Instant, ServiceId)>,
    doubtful: BTreeSet<(Instant, ServiceId)>,
    n_answering: usize,
    n_doubtful: usize,
}

impl Plan {
    pub(super) fn new(rules: &Checks) -> Self {
        Self {
            interval: rules.interval,
            at_once: usize::try_from(rules.at_once).unwrap_or(usize::MAX),
            slots: HashMap::new(),
            answering: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            n_answering: 0,
            n_doubtful: 0,
        }
    }

    /// Whoever is not followed until [`Plan::end_anew`] is gone.
    pub(super) fn begin_anew(&mut self) {
        self.slots.values_mut().for_each(|slot| slot.is_seen = false);
    }

    pub(super) fn end_anew(&mut self) {
        let unseen = self.slots.iter().filter(|(_, slot)| !slot.is_seen);
        let unseen: Vec<ServiceId> = unseen.map(|(id, _)| id.clone()).collect();
        unseen.iter().for_each(|id| self.forget(id));
    }

    /// Takes in a service as it is now. One that is new, or called elsewhere, is due at once.
    pub(super) fn follow(&mut self, service: &ServiceEntry, now: Instant) {
        if service.facts.check != Check::Probe {
            self.forget(&service.id);
            return;
        }
        let url = Arc::clone(&service.facts.url);
        match self.slots.get_mut(&service.id) {
            Some(slot) if !slot.is_gone && slot.url == url => slot.is_seen = true,
            Some(slot) => {
                slot.is_stale = slot.flight.is_some();
                (slot.url, slot.is_gone, slot.is_seen) = (url, false, true);
                self.put_off(&service.id, now);
            }
            None => {
                let (lane, flight) = (Lane::of(service), None);
                let (is_gone, is_stale, is_seen) = (false, false, true);
                let slot = Slot { url, due: now, lane, flight, is_gone, is_stale, is_seen };
                self.slots.insert(service.id.clone(), slot);
                self.put_off(&service.id, now);
            }
        }
    }

    /// Nobody is to ask this service any longer.
    pub(super) fn forget(&mut self, id: &ServiceId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.is_gone = true;
        let key = (slot.due, id.clone());
        let is_over = slot.flight.is_none();
        self.answering.remove(&key);
        self.doubtful.remove(&key);
        if is_over {
            self.slots.remove(id);
        }
    }

    /// When the next check can begin, of a sort that is not at its bound.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let open = |due: &BTreeSet<(Instant, ServiceId)>, n: usize| {
            due.first().filter(|_| n < self.at_once).map(|(due, _)| *due)
        };
        let (answering, doubtful) =
            (open(&self.answering, self.n_answering), open(&self.doubtful, self.n_doubtful));
        answering.into_iter().chain(doubtful).min()
    }

    /// Begins the check of whoever has been due for longest, if anybody is.
    pub(super) fn begin_next(&mut self, now: Instant) -> Option<Next> {
        let id = self.pop(Lane::Answers, now).or_else(|| self.pop(Lane::Doubtful, now))?;
        let pause = self.interval.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0));
        let slot = self.slots.get_mut(&id)?;
        slot.due = now + pause;
        slot.flight = Some((slot.lane, now));
        match slot.lane {
            Lane::Answers => self.n_answering += 1,
            Lane::Doubtful => self.n_doubtful += 1,
        }
        Some(Next { id, began: now })
    }

    fn pop(&mut self, lane: Lane, now: Instant) -> Option<ServiceId> {
        let (due, n) = match lane {
            Lane::Answers => (&mut self.answering, self.n_answering),
            Lane::Doubtful => (&mut self.doubtful, self.n_doubtful),
        };
        let is_due = n < self.at_once && due.first().is_some_and(|(due, _)| *due <= now);
        if is_due { due.pop_first().map(|(_, id)| id) } else { None }
    }

    /// Whether what the check that began then found is still of interest.
    pub(super) fn is_wanted(&self, id: &ServiceId, began: Instant) -> bool {
        let slot = self.slots.get(id).filter(|slot| !slot.is_gone && !slot.is_stale);
        slot.is_some_and(|slot| slot.flight.is_some_and(|(_, since)| since == began))
    }

    /// Notes whether a service answered.
    pub(super) fn note(&mut self, id: &ServiceId, answered: bool) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.lane = if answered { Lane::Answers } else { Lane::Doubtful };
        }
    }

    /// A check has to be made once more, at once.
    pub(super) fn retry(&mut self, id: &ServiceId, now: Instant) {
        self.put_off(id, now);
    }

    /// A check is over; the next one of the same service may begin once it is due.
    pub(super) fn end(&mut self, id: &ServiceId, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        match slot.flight.take() {
            Some((Lane::Answers, _)) => self.n_answering -= 1,
            Some((Lane::Doubtful, _)) => self.n_doubtful -= 1,
            None => (),
        }
        slot.is_stale = false;
        if slot.is_gone {
            self.slots.remove(id);
        } else {
            let due = slot.due.max(now);
            self.put_off(id, due);
        }
    }

    /// Sets when a service is due. One that is being asked stands in no queue.
    fn put_off(&mut self, id: &ServiceId, due: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let before = (slot.due, id.clone());
        self.answering.remove(&before);
        self.doubtful.remove(&before);
        slot.due = due;
        if slot.flight.is_none() {
            match slot.lane {
                Lane::Answers => self.answering.insert((due, id.clone())),
                Lane::Doubtful => self.doubtful.insert((due, id.clone())),
            };
        }
    }

    /// How many services are asked at all.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
