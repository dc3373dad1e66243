//! The mass event: so many hosts or services going together that it is one event, a switch or the
//! collector's own network, and not many. It ends by itself.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use herdbook_shared::ids::{HostId, ServiceId};
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};

/// How long before the start of the collector a host may have been heard last, to have been there
/// when the earlier run ended.
const HEARD_UNTIL: Duration = Duration::from_secs(600);

/// What goes and comes back.
pub trait Member {
    /// What it is told from others by.
    type Id: Clone + Eq + Hash;

    /// What this one is told from others by.
    fn id(&self) -> &Self::Id;

    /// Whether it is news when it goes.
    fn counts(&self) -> bool;

    /// Whether it is gone.
    fn is_gone(&self) -> bool;

    /// Whether it is there, for sure.
    fn is_back(&self) -> bool;

    /// When it went, if that was in this run of the collector.
    fn went(&self, registry: &Registry) -> Option<Instant>;
}

impl Member for HostEntry {
    type Id = HostId;

    fn id(&self) -> &HostId {
        &self.id
    }

    fn counts(&self) -> bool {
        !self.patch.expected_absent
    }

    fn is_gone(&self) -> bool {
        self.status == HostStatus::Offline
    }

    fn is_back(&self) -> bool {
        self.status.is_heard()
    }

    /// A host that was heard neither in this run of the collector nor shortly before it was lost
    /// earlier.
    fn went(&self, registry: &Registry) -> Option<Instant> {
        was_there(self, registry).then_some(self.status_entered)
    }
}

/// Whether a host was heard in this run of the collector, or until shortly before its start.
pub(super) fn was_there(host: &HostEntry, registry: &Registry) -> bool {
    if host.live.heard_ms() > 0 {
        return true;
    }
    // By the wall clock, since nothing else is known of an earlier run.
    let Some(last_seen) = host.live.last_seen() else { return false };
    let run_ms = i64::try_from(registry.ms_of(host.status_entered)).unwrap_or(i64::MAX);
    let silent_ms = host.status_since.ms_since(last_seen).saturating_sub(run_ms);
    u128::from(silent_ms.max(0).unsigned_abs()) <= HEARD_UNTIL.as_millis()
}

impl Member for ServiceEntry {
    type Id = ServiceId;

    fn id(&self) -> &ServiceId {
        &self.id
    }

    /// What an agent tells of the servers on its own host is no matter of the network between.
    fn counts(&self) -> bool {
        self.facts.check != Check::Agent
    }

    fn is_gone(&self) -> bool {
        self.status == ServiceStatus::Down
    }

    fn is_back(&self) -> bool {
        self.status.is_up()
    }

    fn went(&self, registry: &Registry) -> Option<Instant> {
        registry.instant_of(self.live.judged.entered_ms())
    }
}

/// Whether a mass event holds, and over whom.
#[derive(Debug)]
pub struct Mass<Id> {
    n_min: usize,
    share_min: f64,
    back_share: f64,
    window: Duration,
    ends_after: Duration,
    holding: Option<Holding<Id>>,
}

#[derive(Debug)]
struct Holding<Id> {
    since: Instant,
    members: HashSet<Id>,
}

/// A mass event began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassEvent {
    /// Of `n_all`, `n_gone` went together.
    Began {
        /// All of them.
        n_all: usize,
        /// Those that went.
        n_gone: usize,
    },
    /// Of the `n_gone` that went, `n_back` are back.
    Ended {
        /// Those that went.
        n_gone: usize,
        /// Those that came back.
        n_back: usize,
    },
}

impl<Id: Clone + Eq + Hash> Mass<Id> {
    /// None holds.
    #[must_use]
    pub fn new(rules: &Liveness) -> Self {
        Self {
            n_min: usize::try_from(rules.mass_hosts).unwrap_or(usize::MAX),
            share_min: rules.mass_share,
            back_share: rules.mass_back,
            window: rules.mass_window,
            ends_after: rules.mass_end,
            holding: None,
        }
    }

    /// Whether one holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holding.is_some()
    }

    /// Whether one holds that may be over. Stops looking as soon as too many are known to be away.
    #[must_use]
    pub fn may_end(&self, is_back: impl Fn(&Id) -> bool, now: Instant) -> bool {
        let Some(holding) = &self.holding else { return false };
        if now.saturating_duration_since(holding.since) >= self.ends_after {
            return true;
        }
        let n_gone = holding.members.len();
        let mut n_back = n_gone;
        for _ in holding.members.iter().filter(|id| !is_back(id)) {
            n_back -= 1;
            if !reaches(n_back, n_gone, self.back_share) {
                return false;
            }
        }
        true
    }

    /// Looks at all of them, given those that are about to go.
    pub fn tick<'a, W: Member<Id = Id> + 'a>(
        &mut self,
        registry: &Registry,
        all: impl Iterator<Item = &'a W> + Clone,
        going: &[Id],
        now: Instant,
    ) -> Option<MassEvent> {
        match &mut self.holding {
            Some(holding) => {
                holding.members.extend(going.iter().cloned());
                self.end(all, now)
            }
            None if going.is_empty() => None,
            None => self.begin(registry, all.filter(|one| one.counts()), going, now),
        }
    }

    fn begin<'a, W: Member<Id = Id> + 'a>(
        &mut self,
        registry: &Registry,
        all: impl Iterator<Item = &'a W> + Clone,
        going: &[Id],
        now: Instant,
    ) -> Option<MassEvent> {
        let is_recent = |one: &&W| {
            let since = |went| now.saturating_duration_since(went);
            one.is_gone() && one.went(registry).is_some_and(|went| since(went) <= self.window)
        };
        let recent = all.clone().filter(is_recent).map(|one| one.id().clone());
        let members: HashSet<Id> = recent.chain(going.iter().cloned()).collect();
        // Those that were gone before do not count as the fleet that was lost a part of.
        let is_of_fleet = |one: &&W| !one.is_gone() || members.contains(one.id());
        let n_all = all.filter(is_of_fleet).count();
        let n_gone = members.len();
        if n_gone < self.n_min || !reaches(n_gone, n_all, self.share_min) {
            return None;
        }
        self.holding = Some(Holding { since: now, members });
        Some(MassEvent::Began { n_all, n_gone })
    }

    fn end<'a, W: Member<Id = Id> + 'a>(
        &mut self,
        all: impl Iterator<Item = &'a W>,
        now: Instant,
    ) -> Option<MassEvent> {
        let holding = self.holding.as_ref()?;
        let is_back = |one: &&W| one.is_back() && holding.members.contains(one.id());
        let n_back = all.filter(is_back).count();
        let n_gone = holding.members.len();
        let is_over = now.saturating_duration_since(holding.since) >= self.ends_after;
        if !is_over && !reaches(n_back, n_gone, self.back_share) {
            return None;
        }
        self.holding = None;
        Some(MassEvent::Ended { n_gone, n_back })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of a fleet needs no more than 52 bits")]
fn reaches(part: usize, whole: usize, share: f64) -> bool {
    part as f64 >= share * whole as f64
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn whether_it_may_be_over_is_told_by_a_look_at_few() {
        let now = Instant::now();
        let members: HashSet<u32> = (0..1000).collect();
        let rules = Liveness::default();
        let holding = Some(Holding { since: now, members });
        let mass = Mass { holding, ..Mass::new(&rules) };
        let looks = Cell::new(0);
        let may_end = |n_back: u32, now: Instant| {
            looks.set(0);
            let is_back = |id: &u32| {
                looks.set(looks.get() + 1);
                *id < n_back
            };
            mass.may_end(is_back, now)
        };
        assert!(!may_end(0, now));
        assert!(looks.get() <= 101, "{}", looks.get());
        assert!(!may_end(899, now));
        assert!(may_end(900, now));
        assert!(may_end(0, now + rules.mass_end));
        assert_eq!(looks.get(), 0);
    }
}
