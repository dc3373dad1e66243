//! Where a request goes best: one service of those that can be used now, the next best, and why
//! the others are not.
//!
//! Not here: the request itself, which never passes the collector, and taking what was picked,
//! which is a [`super::lease`].

mod best;
mod caller;
mod choice;
mod need;
mod rank;
mod room;
mod unfit;
mod words;

use std::fmt;
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::Registry;
use super::lease::Reserved;
use super::service::{Role, ServiceEntry, ServiceType, latest_of as latest};

use choice::Choice;

pub use caller::{Caller, UnknownCaller};
pub(super) use choice::Shortlist;
pub(super) use need::Needs;

/// How many more are told beside the one that is picked.
pub const ALTERNATIVES_MAX: usize = 3;
/// Of how many that are not usable it is told why, the first by their ids.
pub const REJECTED_MAX: usize = 20;
/// Where more services than this have a model, looking at them takes a good part of a millisecond.
pub const FEW: usize = 1_000;

/// What is wanted. A model, a type or a capability must be said; the rest narrows it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A model that it has; for Ollama, a name without a tag means `:latest`.
    pub model: Option<String>,
    /// What it is for.
    pub r#type: Option<ServiceType>,
    /// How far it is trusted.
    pub role: Option<Role>,
    /// What the model can do, or the service says that it can.
    pub cap: Option<String>,
    /// A label that it has.
    pub label: Option<Label>,
    /// How long a context it takes at least, tokens.
    pub min_ctx: Option<u64>,
    /// How much VRAM the request needs, where that is known better than by the model.
    pub vram_bytes: Option<u64>,
    /// From where it shall be called.
    pub caller: Caller,
}

/// A label, with its value or with any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    key: String,
    value: Option<String>,
}

impl Label {
    /// Reads `key` or `key=value`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        Self { key: key.to_owned(), value }
    }

    fn is_on(&self, service: &ServiceEntry) -> bool {
        let label = service.facts.labels.get(&self.key);
        label.is_some_and(|label| self.value.as_ref().is_none_or(|value| value == label))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// The best service, and what was found on the way to it.
#[derive(Clone, Debug)]
pub struct Picked {
    /// The best.
    pub service: Chosen,
    /// The next best, in order.
    pub alternatives: Vec<Chosen>,
    /// Those that cannot be used, by id.
    pub rejected: Vec<Rejected>,
    /// How many were looked at.
    pub n_considered: usize,
}

/// A service that can be used.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which.
    pub entry: Arc<ServiceEntry>,
    /// The model as this service calls it.
    pub model: Option<Arc<str>>,
    /// What speaks for it and against it.
    pub why: Vec<String>,
    /// The VRAM that the model will take once it is asked for; `None` where none has to be found.
    pub(super) to_reserve: Option<u64>,
}

/// A service that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which.
    pub id: ServiceId,
    /// Why not.
    pub why: String,
}

/// Nothing can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("no service can be used")]
pub struct NoneUsable {
    /// Those that cannot be used, by id.
    pub rejected: Vec<Rejected>,
    /// How many were looked at.
    pub n_considered: usize,
}

impl Registry {
    /// Picks the best service for what is wanted, as it is now.
    ///
    /// # Errors
    ///
    /// Where none can be used.
    pub fn pick(&self, wanted: &Wanted) -> Result<Picked, NoneUsable> {
        self.pick_beside(wanted, &self.leases.reserved())
    }

    /// Whether this choice is among so many that it takes a good part of a millisecond.
    #[must_use]
    pub fn is_wide(&self, wanted: &Wanted) -> bool {
        match &wanted.model {
            Some(model) => self.n_services_of_model(model) > FEW,
            None => self.services.len() > FEW,
        }
    }

    pub(super) fn pick_beside(
        &self,
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Result<Picked, NoneUsable> {
        self.pick_among(&self.candidates(wanted), wanted, reserved)
    }

    /// Picks the best of these.
    pub(super) fn pick_among(
        &self,
        services: &[Arc<ServiceEntry>],
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Result<Picked, NoneUsable> {
        self.choice(wanted, reserved).among(services).picked()
    }

    /// The best few of these.
    pub(super) fn shortlist<'a>(
        &self,
        services: &'a [Arc<ServiceEntry>],
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Result<Shortlist<'a>, NoneUsable> {
        self.choice(wanted, reserved).among(services).shortlist()
    }

    /// The best of those few as they are by now; `None`: it may be another one.
    pub(super) fn pick_again(
        &self,
        short: &Shortlist<'_>,
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Option<Chosen> {
        self.choice(wanted, reserved).again(short)
    }

    fn choice<'a, 'r>(&'r self, wanted: &'r Wanted, reserved: &'r Reserved) -> Choice<'a, 'r> {
        Choice::new(self, wanted, reserved, wanted.model.as_deref().and_then(latest))
    }

    /// The services that are asked about: those that have the model, else those of the type that
    /// can do what is wanted.
    pub(super) fn candidates(&self, wanted: &Wanted) -> Vec<Arc<ServiceEntry>> {
        if let Some(model) = &wanted.model {
            return self.services_of_model(model);
        }
        let is_meant = |service: &ServiceEntry| {
            wanted.r#type.is_none_or(|wanted| service.facts.r#type == wanted)
                && wanted.cap.as_deref().is_none_or(|cap| unfit::can(service, None, cap))
        };
        let all = self.services.iter();
        all.filter(|entry| is_meant(entry)).map(|entry| Arc::clone(&entry)).collect()
    }

    /// What is picked where one service is asked for by its id.
    ///
    /// # Errors
    ///
    /// Where it cannot be used, because.
    pub(super) fn pick_this(
        &self,
        entry: &Arc<ServiceEntry>,
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Result<Chosen, Rejected> {
        let choice = self.choice(wanted, reserved).among([entry]);
        choice.picked().map(|picked| picked.service).map_err(|none| {
            let unexplained = || Rejected { id: entry.id.clone(), why: String::new() };
            none.rejected.into_iter().next().unwrap_or_else(unexplained)
        })
    }
}

#[cfg(test)]
mod choice_tests;
#[cfg(test)]
pub(crate) mod fleet;
#[cfg(test)]
#[path = "pick/oracle_tests.rs"]
mod oracle_tests;
#[cfg(test)]
#[path = "pick/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "pick/usable_tests.rs"]
mod usable_tests;
