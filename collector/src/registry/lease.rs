//! Leases: one request in flight on a service each, taken before and given back after, so that load
//! is known without a proxy. They live in memory and expire, so that a client that dies leaks
//! nothing, and they end with this run of the collector.
//!
//! What is taken is settled under one lock: of two routers that ask at once, the second sees what
//! the first took. Among many candidates the choice is made before, and looked at again under the
//! lock. The lock is taken before nothing and inside nothing: whoever holds it only reads the
//! registry, and no transaction takes it.

mod book;
mod reserved;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::Registry;
use super::moment::Moment;
use super::pick::{Chosen, NoneUsable, Rejected, Wanted};
use super::service::ServiceLive;

use book::Book;
use reserved::Reservation;
pub(super) use reserved::Reserved;

/// Most leases at once.
pub const LEASES_MAX: usize = 100_000;
/// How long a lease lasts that does not say, seconds.
pub const TTL_S: u64 = 300;
/// Longest lease, seconds.
pub const TTL_S_MAX: u64 = 86_400;

/// Among more services than this, the best is first chosen without the lock.
const LOCKED_MAX: usize = 64;
/// How often that is tried.
const TRIES: usize = 3;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Book>);

/// One request in flight.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which lease.
    pub id: LeaseId,
    /// On which service.
    pub service_id: ServiceId,
    /// For which model, as the service calls it.
    pub model: Option<Arc<str>>,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The same by the clock that judges.
    expires: Instant,
    /// What is counted there; it outlives the service's removal, and its joining another.
    live: Arc<ServiceLive>,
    reservation: Option<Reservation>,
}

/// Names a lease, and the run of the collector that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseId {
    epoch: Arc<str>,
    number: Uuid,
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number.simple())
    }
}

impl Lease {
    /// The VRAM that was reserved for it, bytes.
    #[must_use]
    pub fn vram_bytes(&self) -> Option<u64> {
        self.reservation.as_ref().map(Reservation::bytes)
    }
}

/// What a lease is wanted on.
#[derive(Clone, Debug)]
pub enum Target {
    /// Whatever is best.
    Best,
    /// This service, by its id or another name.
    Service(String),
}

/// A lease, and what it was taken on.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The lease.
    pub lease: Lease,
    /// The service.
    pub service: Chosen,
}

/// No lease was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// No room for another one.
    #[error(
        "{LEASES_MAX} leases are out, which is as many as there can be: give some back, or take \
         them for a shorter time"
    )]
    Full,
    /// There is no such service.
    #[error("there is no service {0:?}")]
    UnknownService(String),
    /// There is, but it cannot be used.
    #[error("service {} cannot be used: {}", .0.id, .0.why)]
    Unusable(Rejected),
    /// None can be used.
    #[error(transparent)]
    NoneUsable(#[from] NoneUsable),
}

/// The lease is not out: it never was, was given back, expired, or is of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such lease: it was given back, expired, or is of an earlier run")]
pub struct UnknownLease;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, within so many milliseconds where that is told.
    Ok(Option<u64>),
    /// It failed, or took too long: how long that took says nothing of the service.
    Failed,
}

impl Registry {
    /// Picks a service and takes a lease on it, in one step.
    ///
    /// # Errors
    ///
    /// Where there is no room for another lease, or nothing to take it on.
    pub fn take_lease(
        &self,
        target: &Target,
        wanted: &Wanted,
        ttl: Duration,
        moment: Moment,
    ) -> Result<Taken, TakeError> {
        let id = LeaseId { epoch: self.cursor().0, number: Uuid::now_v7() };
        let (mut book, service) = match target {
            Target::Best => self.choose(wanted, moment)?,
            Target::Service(name) => {
                let book = self.leases.book_with_room(moment)?;
                let entry = self.resolve(name);
                let entry = entry.ok_or_else(|| TakeError::UnknownService(name.clone()))?;
                let chosen = self.pick_this(&entry, wanted, book.reserved());
                let chosen = chosen.map_err(TakeError::Unusable)?;
                (book, chosen)
            }
        };
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let lease = Lease {
            id,
            service_id: service.entry.id.clone(),
            model: service.model.clone(),
            taken_at: moment.at,
            expires_at: Timestamp::from_unix_ms(moment.at.unix_ms().saturating_add(ttl_ms)),
            expires: moment.now + ttl,
            live: Arc::clone(&service.entry.live),
            reservation: reservation(&service, wanted),
        };
        let lease = book.take(lease);
        Ok(Taken { lease, service })
    }

    /// Chooses the best, and leaves the lock to its caller, who takes it before anybody else does.
    ///
    /// Among many, it is chosen without the lock, and held against what others took meanwhile with
    /// it; after a few times that this was too much, it is chosen with the lock.
    fn choose(
        &self,
        wanted: &Wanted,
        moment: Moment,
    ) -> Result<(MutexGuard<'_, Book>, Chosen), TakeError> {
        let services = self.candidates(wanted);
        let n_tries = if services.len() > LOCKED_MAX { TRIES } else { 0 };
        for _ in 0..n_tries {
            let reserved = Arc::clone(self.leases.book_with_room(moment)?.reserved());
            let short = self.shortlist(&services, wanted, &reserved)?;
            drop(reserved);
            let book = self.leases.book_with_room(moment)?;
            if let Some(chosen) = self.pick_again(&short, wanted, book.reserved()) {
                return Ok((book, chosen));
            }
        }
        let book = self.leases.book_with_room(moment)?;
        let chosen = self.pick_among(&services, wanted, book.reserved())?.service;
        Ok((book, chosen))
    }

    /// Gives a lease back.
    ///
    /// # Errors
    ///
    /// Where it is not out: then nothing is counted.
    pub fn give_back(
        &self,
        id: &str,
        outcome: Outcome,
        moment: Moment,
    ) -> Result<(), UnknownLease> {
        let (epoch, number) = id.split_once('-').ok_or(UnknownLease)?;
        let number = Uuid::try_parse(number).map_err(|_| UnknownLease)?;
        if *self.cursor().0 != *epoch {
            return Err(UnknownLease);
        }
        let mut book = self.leases.book();
        book.expire(moment.now);
        let lease = book.end(number).ok_or(UnknownLease)?;
        if let Outcome::Ok(Some(ms)) = outcome {
            self.live_now(&lease).write_latency(ms);
        }
        Ok(())
    }

    /// What is counted of a lease's service now, which another one may have joined since.
    fn live_now(&self, lease: &Lease) -> Arc<ServiceLive> {
        let now = self.resolve(lease.service_id.as_str()).map(|entry| Arc::clone(&entry.live));
        let same = now.filter(|live| live.is_or_took_over(&lease.live));
        same.unwrap_or_else(|| Arc::clone(&lease.live))
    }

    /// Ends the leases whose time is over, and the reservations of models that are in memory by
    /// now, where samples show them. Returns how many leases ended.
    pub fn expire_leases(&self, moment: Moment) -> usize {
        let mut book = self.leases.book();
        book.settle(self);
        book.expire(moment.now)
    }

    /// How many leases are out.
    #[must_use]
    pub fn n_leases(&self) -> usize {
        self.leases.book().len()
    }

    /// The leases that are out, the oldest first.
    #[must_use]
    pub fn leases(&self, moment: Moment) -> Vec<Lease> {
        self.leases_after(None, LEASES_MAX, moment)
    }

    /// Up to `max` leases that are out, the oldest first, from behind the place of this id, whether
    /// it is out or not.
    #[must_use]
    pub fn leases_after(&self, id: Option<&str>, max: usize, moment: Moment) -> Vec<Lease> {
        self.leases_where(id, max, moment, |_| true)
    }

    /// The same, of one service alone, by its id or another name of it.
    #[must_use]
    pub fn leases_of(
        &self,
        service: &str,
        id: Option<&str>,
        max: usize,
        moment: Moment,
    ) -> Vec<Lease> {
        let known = self.resolve(service);
        let own = known.as_ref().map_or(service, |entry| entry.id.as_str());
        // One that joined another keeps its leases, which count there.
        let is_of = |lease: &Lease| {
            let joined =
                known.as_ref().is_some_and(|entry| entry.live.is_or_took_over(&lease.live));
            lease.service_id.as_str() == own || joined
        };
        self.leases_where(id, max, moment, is_of)
    }

    fn leases_where(
        &self,
        id: Option<&str>,
        max: usize,
        moment: Moment,
        is_wanted: impl Fn(&Lease) -> bool,
    ) -> Vec<Lease> {
        let of_this_run = format!("{}-", self.epoch);
        let number = match id.map(|id| id.strip_prefix(&of_this_run).ok_or(id)) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(other)) if other < of_this_run.as_str() => None,
            Some(Err(_)) => return Vec::new(),
        };
        let mut book = self.leases.book();
        book.expire(moment.now);
        book.after(number, max, is_wanted)
    }
}

impl Leases {
    /// What is reserved now; a copy that stays as it is.
    pub(super) fn reserved(&self) -> Arc<Reserved> {
        Arc::clone(self.book().reserved())
    }

    /// The leases that are out, of which there may be one more.
    fn book_with_room(&self, moment: Moment) -> Result<MutexGuard<'_, Book>, TakeError> {
        let mut book = self.book();
        book.expire(moment.now);
        if book.is_full() { Err(TakeError::Full) } else { Ok(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lease keeps free on a host until its model is in memory there. A lease on a service that
/// was named keeps what its taker says.
fn reservation(service: &Chosen, wanted: &Wanted) -> Option<Reservation> {
    let host: &HostId = service.entry.host_id()?;
    let bytes = match service.model {
        Some(_) => service.to_reserve?,
        None => wanted.vram_bytes.filter(|bytes| *bytes > 0)?,
    };
    let (id, model) = (service.entry.id.clone(), service.model.clone());
    Some(Reservation::new(host.clone(), id, model, bytes))
}

#[cfg(test)]
#[path = "lease/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "lease/wide_tests.rs"]
mod wide_tests;
