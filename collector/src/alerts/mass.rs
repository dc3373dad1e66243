//! Who went with a mass event. They raise no alert of their own until they have been back, however
//! long the event itself holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Liveness;

/// How much later than the sweep an event ends by what is known here: the sweep's word is lost
/// where the collector was started anew meanwhile.
const ENDS_LATER: Duration = Duration::from_secs(60);

/// The hosts, or the services, of one mass event.
#[derive(Debug)]
pub(super) struct Mass {
    ends_after: Duration,
    back_share: f64,
    holding: Option<Holding>,
    members: HashSet<Arc<str>>,
    is_told: bool,
}

#[derive(Debug)]
struct Holding {
    since: Instant,
    n_gone: usize,
}

impl Mass {
    pub(super) fn new(rules: &Liveness) -> Self {
        Self {
            ends_after: rules.mass_end + ENDS_LATER,
            back_share: rules.mass_back,
            holding: None,
            members: HashSet::new(),
            is_told: true,
        }
    }

    /// Those that went in an earlier run and were not back yet; whether the event held.
    pub(super) fn restore(&mut self, members: Vec<Arc<str>>, held: Option<Instant>) {
        self.members = members.into_iter().collect();
        let n_gone = self.members.len();
        self.holding = held.map(|since| Holding { since, n_gone });
    }

    /// An event began, in which these went.
    pub(super) fn begin(&mut self, members: &[Arc<str>], now: Instant) {
        self.holding = Some(Holding { since: now, n_gone: 0 });
        members.iter().for_each(|id| self.went(id));
    }

    /// One went. It belongs to the event where one holds.
    pub(super) fn went(&mut self, id: &str) {
        let Some(holding) = &mut self.holding else { return };
        if self.members.insert(id.into()) {
            holding.n_gone += 1;
            self.is_told = false;
        }
    }

    /// One is back, or no longer listed.
    pub(super) fn is_back(&mut self, id: &str) {
        self.is_told &= !self.members.remove(id);
    }

    pub(super) fn end(&mut self) {
        self.holding = None;
    }

    pub(super) fn holds(&self) -> bool {
        self.holding.is_some()
    }

    /// Whether this one went with an event and was not back since.
    pub(super) fn has(&self, id: &str) -> bool {
        self.members.contains(id)
    }

    /// Whether the event that holds is over by what is known here.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.holding.as_ref().is_some_and(|holding| {
            let is_late = now.saturating_duration_since(holding.since) >= self.ends_after;
            let n_back = holding.n_gone.saturating_sub(self.members.len());
            is_late || (holding.n_gone > 0 && share(n_back, holding.n_gone) >= self.back_share)
        })
    }

    /// Who is away is news again.
    pub(super) fn tell_again(&mut self) {
        self.is_told = false;
    }

    /// Who is away, where that changed since this was asked.
    pub(super) fn news(&mut self) -> Option<Vec<Arc<str>>> {
        let is_told = std::mem::replace(&mut self.is_told, true);
        (!is_told).then(|| self.members.iter().cloned().collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of a fleet needs no more than 52 bits")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u32>) -> Vec<Arc<str>> {
        range.map(|n| n.to_string().into()).collect()
    }

    #[test]
    fn who_went_stays_a_member_until_it_was_back_though_the_event_is_over() {
        let now = Instant::now();
        let mut mass = Mass::new(&Liveness::default());
        mass.went("9");
        assert!(!mass.has("9"), "no event held");
        mass.begin(&ids(0..10), now);
        mass.end();
        assert!(mass.has("3"));
        mass.is_back("3");
        assert!(!mass.has("3"));
        mass.went("3");
        assert!(!mass.has("3"), "no event holds any more");
        assert_eq!(mass.news().unwrap().len(), 9);
        assert_eq!(mass.news(), None);
    }

    #[test]
    fn an_event_that_nobody_ends_ends_by_itself() {
        let now = Instant::now();
        let mut mass = Mass::new(&Liveness::default());
        mass.restore(ids(0..10), Some(now));
        assert!(!mass.is_over(now));
        assert!(mass.is_over(now + Duration::from_secs(660)));
        (0..8).for_each(|n| mass.is_back(&n.to_string()));
        assert!(!mass.is_over(now));
        mass.is_back("8");
        assert!(mass.is_over(now), "nine of ten are back");
    }
}
