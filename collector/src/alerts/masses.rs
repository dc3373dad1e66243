//! The two sorts of mass event: hosts going offline together, and services going down together.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::alert::SubjectKind;
use crate::sweep::mass::Member;

use super::kept::{Kept, Stored};
use super::mass::Mass;

/// How much later than the sweep judged it is looked here who went with an event.
const LOOKED_LATER: Duration = Duration::from_secs(2);

/// What went together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Hosts,
    Services,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Masses {
    window: Duration,
    pub(super) hosts: Mass,
    pub(super) services: Mass,
    /// The alerts with which it is kept who went.
    alerts: [Option<Arc<str>>; 2],
}

impl Sort {
    pub(super) const ALL: [Self; 2] = [Self::Hosts, Self::Services];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Services => "services",
        }
    }

    /// What each that went is.
    pub(super) fn kind(self) -> SubjectKind {
        match self {
            Self::Hosts => SubjectKind::Host,
            Self::Services => SubjectKind::Service,
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.word() == word)
    }

    /// What the data of a change of the fleet is about.
    pub(super) fn of_data(data: &Value) -> Option<Self> {
        let has = |sort: &Self| data.get(format!("n_{}", sort.word())).is_some();
        Self::ALL.into_iter().find(has)
    }
}

impl Masses {
    pub(super) fn new(rules: &Liveness) -> Self {
        let window = rules.mass_window + LOOKED_LATER;
        let (hosts, services) = (Mass::new(rules), Mass::new(rules));
        Self { window, hosts, services, alerts: [None, None] }
    }

    pub(super) fn of(&mut self, sort: Sort) -> &mut Mass {
        match sort {
            Sort::Hosts => &mut self.hosts,
            Sort::Services => &mut self.services,
        }
    }

    /// An event that was told in an earlier run.
    pub(super) fn restore(&mut self, stored: &Stored, now: Instant) {
        let sort = stored.alert.part.as_deref().and_then(Sort::of_word);
        let Some(sort) = sort else { return };
        let held = stored.alert.resolved_at.is_none().then_some(now);
        self.of(sort).restore(stored.members.clone(), held);
        self.alerts[sort as usize] = Some(Arc::clone(&stored.alert.id));
    }

    /// An event began. Returns who went with it so far.
    pub(super) fn begin(&mut self, sort: Sort, registry: &Registry, now: Instant) -> Vec<Arc<str>> {
        let gone = match sort {
            Sort::Hosts => {
                gone(registry.hosts(), |host| host.id.as_str(), registry, self.window, now)
            }
            Sort::Services => {
                gone(registry.services(), |service| service.id.as_str(), registry, self.window, now)
            }
        };
        self.of(sort).begin(&gone, now);
        gone
    }

    /// The alert of an event was raised: it keeps who went.
    pub(super) fn raised(&mut self, sort: Sort, alert: Arc<str>, kept: &Kept) {
        if let Some(before) = self.alerts[sort as usize].replace(alert) {
            kept.put_members(&before, Vec::new());
        }
        self.of(sort).tell_again();
    }

    /// Has it kept who is away, where that changed.
    pub(super) fn keep(&mut self, kept: &Kept) {
        for sort in Sort::ALL {
            let members = self.of(sort).news();
            if let (Some(alert), Some(members)) = (&self.alerts[sort as usize], members) {
                kept.put_members(alert, members);
            }
        }
    }

    /// Those that hold and are over by what is known here.
    pub(super) fn over(&self, now: Instant) -> Vec<Sort> {
        let sorts = [(Sort::Hosts, &self.hosts), (Sort::Services, &self.services)];
        let over = sorts.into_iter().filter(|(_, mass)| mass.is_over(now));
        over.map(|(sort, _)| sort).collect()
    }
}

fn gone<W: Member>(
    all: Vec<Arc<W>>,
    id: impl Fn(&W) -> &str,
    registry: &Registry,
    window: Duration,
    now: Instant,
) -> Vec<Arc<str>> {
    let is_recent = |went| now.saturating_duration_since(went) <= window;
    let has_gone =
        |one: &&Arc<W>| one.counts() && one.is_gone() && one.went(registry).is_some_and(is_recent);
    all.iter().filter(has_gone).map(|one| id(one).into()).collect()
}
