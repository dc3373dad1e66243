//! What judging a service needs to remember from one time to the next. Written without a lock, of
//! this run of the collector alone; instants are those of the registry's clock, 0 is never.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::registry::check::beat::Health;
use crate::registry::check::flap::Results;

use super::words::ServiceStatus;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Judged {
    beat_ms: AtomicU64,
    beat_degraded: AtomicBool,
    awaited_ms: AtomicU64,
    entered_ms: AtomicU64,
    results: AtomicU32,
}

impl Judged {
    /// It beats.
    ///
    /// Beats take no lock. Whoever judges looks for a later beat after it told the verdict, and
    /// who beats looks at the status after noting the beat: in one order of all of these, one of
    /// the two sees the other.
    pub(in crate::registry) fn write_beat(&self, ms: u64, health: Health) {
        self.beat_degraded.store(health == Health::Degraded, Ordering::SeqCst);
        self.beat_ms.store(ms, Ordering::SeqCst);
    }

    /// How it said that it does, when it beat last.
    pub(in crate::registry) fn beat_health(&self) -> Health {
        if self.beat_degraded.load(Ordering::SeqCst) { Health::Degraded } else { Health::Ok }
    }

    /// Its beats are waited for from now on, unless they were before.
    pub(in crate::registry) fn await_beats(&self, ms: u64) {
        if self.heard_ms().is_some() {
            return;
        }
        let _ = self.awaited_ms.compare_exchange(0, ms, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Nobody waits for its beats.
    pub(in crate::registry) fn await_no_beats(&self) {
        if self.heard_ms().is_some() {
            self.awaited_ms.store(0, Ordering::SeqCst);
            self.beat_ms.store(0, Ordering::SeqCst);
        }
    }

    /// When it beat last, or since when that is waited for; `None`: it is not.
    pub(in crate::registry) fn heard_ms(&self) -> Option<u64> {
        let (beat, awaited) =
            (self.beat_ms.load(Ordering::SeqCst), self.awaited_ms.load(Ordering::SeqCst));
        Some(beat.max(awaited)).filter(|ms| *ms != 0)
    }

    /// It is judged by what was known of another entry, which turned out to be the same service.
    pub(in crate::registry) fn take_over(&self, other: &Self) {
        let times = [
            (&self.beat_ms, &other.beat_ms),
            (&self.awaited_ms, &other.awaited_ms),
            (&self.entered_ms, &other.entered_ms),
        ];
        for (mine, others) in times {
            mine.store(others.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        self.results.store(other.results.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// It has its status from now on.
    pub(in crate::registry) fn enter(&self, ms: u64) {
        self.entered_ms.store(ms, Ordering::Relaxed);
    }

    /// Since when it has its status, where a check of this run gave it.
    #[must_use]
    pub fn entered_ms(&self) -> u64 {
        self.entered_ms.load(Ordering::Relaxed)
    }

    /// Takes in how it did, and returns the last results.
    pub(in crate::registry) fn note_result(&self, result: ServiceStatus) -> Results {
        let with = |packed: u32| Some(Results::of_packed(packed).with(result).packed());
        let before = self.results.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with);
        Results::of_packed(before.unwrap_or_default()).with(result)
    }
}
