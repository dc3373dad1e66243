//! What moves too often for the ledger: written without a lock, shared by all successors of an
//! entry. Outside `revision` and outside the law of the feed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::ServiceSample;

use crate::serve::Rarely;

use super::judged::Judged;
use super::words::Check;

/// How often it is logged, over all services, that requests end which never began.
pub(in crate::registry) const UNBEGUN_EVERY: Duration = Duration::from_secs(10);

static UNBEGUN: Rarely = Rarely::every(UNBEGUN_EVERY);

/// Of how many entries that joined one the requests are counted apart; those of more, the oldest,
/// are moved.
const JOINED_MAX: usize = 32;

type Expires = BTreeMap<Arc<str>, Timestamp>;

/// What moves of a service. Numbers that may be missing stand as themselves plus one; 0 is none.
#[derive(Debug, Default)]
pub struct ServiceLive {
    checked_at_ms: AtomicI64,
    beat_at_ms: AtomicI64,
    check_latency_ms_avg: AtomicU64,
    latency_ms_avg: AtomicU64,
    requests_running: AtomicU64,
    queue_depth: AtomicU64,
    p95_us: AtomicU64,
    load_thousandths: AtomicU64,
    pending: AtomicU64,
    total: AtomicU64,
    consecutive_failures: AtomicU32,
    expires: ArcSwapOption<Expires>,
    /// Those of entries that joined this one: requests that began there end there.
    joined: ArcSwapOption<Vec<Arc<ServiceLive>>>,
    /// What judging it needs to remember.
    pub judged: Judged,
}

impl ServiceLive {
    /// Takes in what an agent's sample tells.
    pub(in crate::registry) fn write(&self, sample: &ServiceSample) {
        if let Some(at) = sample.checked_at {
            self.write_checked_at(at);
        }
        if let Some(ms) = sample.latency_ms {
            self.write_check_latency(ms);
        }
        write_some(&self.requests_running, sample.requests_running);
        write_some(&self.queue_depth, sample.requests_waiting);
        let expires = sample.expires.iter();
        self.write_expires(expires.map(|expiry| (expiry.model.as_str().into(), expiry.at)));
    }

    /// Takes in when which model expires.
    pub(in crate::registry) fn write_expires(
        &self,
        expires: impl Iterator<Item = (Arc<str>, Timestamp)>,
    ) {
        let expires: Expires = expires.collect();
        self.expires.store((!expires.is_empty()).then(|| Arc::new(expires)));
    }

    /// Takes in when it was checked last.
    pub(in crate::registry) fn write_checked_at(&self, at: Timestamp) {
        self.checked_at_ms.store(at.unix_ms(), Ordering::Relaxed);
    }

    /// Takes in how long its answer to a check took.
    pub(in crate::registry) fn write_check_latency(&self, ms: u64) {
        average_into(&self.check_latency_ms_avg, ms);
    }

    /// Takes in what it says of itself; what it does not say is not known.
    pub(in crate::registry) fn write_beat(
        &self,
        at: Timestamp,
        p95_ms: Option<f64>,
        queue_depth: Option<u64>,
        load: Option<f64>,
    ) {
        self.beat_at_ms.store(at.unix_ms(), Ordering::Relaxed);
        write_some(&self.p95_us, p95_ms.map(thousandths));
        write_some(&self.queue_depth, queue_depth);
        write_some(&self.load_thousandths, load.map(thousandths));
    }

    /// A check failed. Returns how many did since the last success.
    pub(in crate::registry) fn count_failure(&self) -> u32 {
        let more = |n: u32| Some(n.saturating_add(1));
        let before =
            self.consecutive_failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        before.unwrap_or_default().saturating_add(1)
    }

    /// A check did not fail.
    pub(in crate::registry) fn clear_failures(&self) {
        self.consecutive_failures.store(0, Ordering::Relaxed);
    }

    /// Who judged it no longer does: nobody tells these numbers any more.
    pub(in crate::registry) fn clear_told_by(&self, check: Check) {
        let told: &[&AtomicU64] = match check {
            Check::Agent => &[&self.requests_running, &self.queue_depth],
            Check::Heartbeat => &[&self.queue_depth, &self.p95_us, &self.load_thousandths],
            Check::Probe => &[],
        };
        told.iter().for_each(|cell| write_some(cell, None));
    }

    /// A request is on its way. Returns how many are now.
    pub fn begin_request(&self) -> u64 {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.pending()
    }

    /// A request came back. Returns how many are still on their way; one that never began is
    /// logged and changes nothing.
    pub fn end_request(&self) -> u64 {
        self.try_end_request().unwrap_or_else(|| {
            if let Some(held_back) = UNBEGUN.allow() {
                tracing::warn!(held_back, "a request ended that never began");
            }
            0
        })
    }

    /// Takes over the requests of an entry that turned out to be the same service. Those on their
    /// way stay counted where they began, since they may end there at this moment.
    pub(in crate::registry) fn take_over_requests(&self, other: &Arc<Self>) {
        let joined = self.all_joined().into_iter().chain(other.all_joined());
        let (mut under_way, over): (Vec<_>, Vec<_>) = joined
            .chain([Arc::clone(other)])
            .partition(|live| Arc::ptr_eq(live, other) || live.own_pending() > 0);
        let n_too_many = under_way.len().saturating_sub(JOINED_MAX);
        for live in under_way.drain(..n_too_many).chain(over) {
            self.pending.fetch_add(live.pending.swap(0, Ordering::Relaxed), Ordering::Relaxed);
            self.total.fetch_add(live.total.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
        self.joined.store(Some(Arc::new(under_way)));
        if let (None, Some(ms)) = (self.latency_ms_avg(), other.latency_ms_avg()) {
            self.write_latency(ms);
        }
    }

    /// Takes over what checks found of an entry that turned out to be the same service.
    pub(in crate::registry) fn take_over_checks(&self, other: &Self) {
        let times =
            [(&self.checked_at_ms, &other.checked_at_ms), (&self.beat_at_ms, &other.beat_at_ms)];
        for (mine, others) in times {
            mine.store(others.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let numbers = [
            (&self.check_latency_ms_avg, &other.check_latency_ms_avg),
            (&self.requests_running, &other.requests_running),
            (&self.queue_depth, &other.queue_depth),
            (&self.p95_us, &other.p95_us),
            (&self.load_thousandths, &other.load_thousandths),
        ];
        for (mine, others) in numbers {
            mine.store(others.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.consecutive_failures.store(other.consecutive_failures(), Ordering::Relaxed);
        self.judged.take_over(&other.judged);
    }

    /// Whether requests that are counted there are this one's.
    pub(in crate::registry) fn is_or_took_over(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.all_joined().iter().any(|l| std::ptr::eq(&**l, other))
    }

    fn all_joined(&self) -> Vec<Arc<Self>> {
        self.joined.load().as_deref().cloned().unwrap_or_default()
    }

    fn own_pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Over this one and those that joined it.
    fn sum(&self, number: impl Fn(&Self) -> &AtomicU64) -> u64 {
        let joined = self.joined.load();
        let joined = joined.iter().flat_map(|joined| joined.iter());
        let of_joined: u64 = joined.map(|live| number(live).load(Ordering::Relaxed)).sum();
        number(self).load(Ordering::Relaxed) + of_joined
    }

    /// A request came back. `None`: none had begun, and nothing changes.
    pub(in crate::registry) fn try_end_request(&self) -> Option<u64> {
        let less = |pending: u64| pending.checked_sub(1);
        let end = |live: &Self| {
            live.pending.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
        };
        let is_ended = end(self) || self.all_joined().iter().any(|live| end(live));
        is_ended.then(|| self.pending())
    }

    /// Takes in how long a request took. Returns the average that this makes.
    pub fn write_latency(&self, ms: u64) -> u64 {
        average_into(&self.latency_ms_avg, ms)
    }

    /// When it was checked last, by whoever does that.
    #[must_use]
    pub fn checked_at(&self) -> Option<Timestamp> {
        some_time(&self.checked_at_ms)
    }

    /// When it beat last, by the collector's wall clock.
    #[must_use]
    pub fn beat_at(&self) -> Option<Timestamp> {
        some_time(&self.beat_at_ms)
    }

    /// How long its answers to checks take, milliseconds.
    #[must_use]
    pub fn check_latency_ms_avg(&self) -> Option<u64> {
        some(&self.check_latency_ms_avg)
    }

    /// How long its answers to requests take, milliseconds, as those tell who sent them.
    #[must_use]
    pub fn latency_ms_avg(&self) -> Option<u64> {
        some(&self.latency_ms_avg)
    }

    /// How many requests it worked on when it was asked last.
    #[must_use]
    pub fn requests_running(&self) -> Option<u64> {
        some(&self.requests_running)
    }

    /// How many requests waited at it when it was asked last, or told last.
    #[must_use]
    pub fn queue_depth(&self) -> Option<u64> {
        some(&self.queue_depth)
    }

    /// The time within which it answers 95 of 100 requests, milliseconds, as it says.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "microseconds below 2^53")]
    pub fn p95_ms(&self) -> Option<f64> {
        some(&self.p95_us).map(|us| us as f64 / 1000.0)
    }

    /// How much of it is in use, as it says; 1 is all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "thousandths below 2^53")]
    pub fn load(&self) -> Option<f64> {
        some(&self.load_thousandths).map(|thousandths| thousandths as f64 / 1000.0)
    }

    /// Requests in flight, as leases and counters tell.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.sum(|live| &live.pending)
    }

    /// Requests since the collector's start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sum(|live| &live.total)
    }

    /// Checks that failed since the last success.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures.load(Ordering::Relaxed)
    }

    /// When a model expires.
    #[must_use]
    pub fn expires_at(&self, model: &str) -> Option<Timestamp> {
        self.expires.load().as_ref()?.get(model).copied()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stays within bounds, and less than 0 is 0"
)]
fn thousandths(number: f64) -> u64 {
    (number * 1000.0).round() as u64
}

fn some(cell: &AtomicU64) -> Option<u64> {
    cell.load(Ordering::Relaxed).checked_sub(1)
}

fn some_time(cell: &AtomicI64) -> Option<Timestamp> {
    let ms = cell.load(Ordering::Relaxed);
    (ms != 0).then(|| Timestamp::from_unix_ms(ms))
}

fn write_some(cell: &AtomicU64, number: Option<u64>) {
    cell.store(number.map_or(0, |n| n.saturating_add(1)), Ordering::Relaxed);
}

/// The longest latency that is told; what takes longer took this long.
pub const LATENCY_MS_MAX: u64 = 1 << 53;

/// Takes a sample into an average; the first one sets it. Returns the new average.
fn average_into(cell: &AtomicU64, sample: u64) -> u64 {
    let sample = sample.min(LATENCY_MS_MAX);
    let mut stored = cell.load(Ordering::Relaxed);
    loop {
        let average = stored.checked_sub(1).map_or(sample, |old| average(old, sample));
        let next = average + 1;
        match cell.compare_exchange_weak(stored, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return average,
            Err(other) => stored = other,
        }
    }
}

/// The moving average of all latencies here: one part new, four parts old.
fn average(old: u64, sample: u64) -> u64 {
    (sample + 4 * old) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_while_they_are_told() {
        let live = ServiceLive::default();
        let told = |running, waiting| ServiceSample {
            requests_running: running,
            requests_waiting: waiting,
            ..ServiceSample::default()
        };
        assert_eq!(live.requests_running(), None);
        live.write(&told(Some(0), Some(7)));
        assert_eq!((live.requests_running(), live.queue_depth()), (Some(0), Some(7)));
        live.write(&told(Some(1), None));
        assert_eq!((live.requests_running(), live.queue_depth()), (Some(1), None));
    }

    #[test]
    fn the_first_latency_sets_the_average_and_zero_counts() {
        let live = ServiceLive::default();
        assert_eq!(live.check_latency_ms_avg(), None);
        live.write_check_latency(0);
        assert_eq!(live.check_latency_ms_avg(), Some(0));
        live.write_check_latency(50);
        assert_eq!(live.check_latency_ms_avg(), Some(10));
    }
}
