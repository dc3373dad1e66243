//! Where a request goes best: one service of those that can be used now, the next best, and why
//! the others are not.
//!
//! Not here: the request itself, which never passes the collector, and taking what was picked,
//! which is a [`super::lease`].

mod best;
mod caller;
mod need;
mod rank;
mod room;
mod unfit;
mod words;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::Registry;
use super::host::HostEntry;
use super::lease::Reserved;
use super::service::{Model, Role, ServiceEntry, ServiceStatus, ServiceType};

use best::First;
use rank::{Health, Known, Rank, Room, Standing, Warmth};
use unfit::Unfit;

pub use caller::{Caller, UnknownCaller};
pub(super) use need::Needs;

/// How many more are told beside the one that is picked.
pub const ALTERNATIVES_MAX: usize = 3;
/// Of how many that are not usable it is told why, the first by their ids.
pub const REJECTED_MAX: usize = 20;
/// Where more services than this have a model, looking at them takes over a millisecond.
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

/// A usable service on its way through the choice. What people read of it is made only once it is
/// chosen.
struct Candidate<'a> {
    rank: Rank<'a>,
    entry: &'a Arc<ServiceEntry>,
    model: Option<&'a Model>,
    need: Option<u64>,
    free: Option<u64>,
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

    /// Whether this choice is among so many that it takes over a millisecond.
    #[must_use]
    pub fn is_wide(&self, wanted: &Wanted) -> bool {
        let among = |model: &String| self.services_of_model(model).len() > FEW;
        self.services.len() > FEW && wanted.model.as_ref().is_none_or(among)
    }

    pub(super) fn pick_beside(
        &self,
        wanted: &Wanted,
        reserved: &Reserved,
    ) -> Result<Picked, NoneUsable> {
        let services = self.candidates(wanted);
        let mut best = First::new(1 + ALTERNATIVES_MAX);
        let mut unfit = First::new(REJECTED_MAX);
        for entry in &services {
            match self.candidate(entry, wanted) {
                Ok((candidate, _)) if best.is_beyond(&candidate, Candidate::is_before) => (),
                Ok((mut candidate, host)) => {
                    self.look_at_host(&mut candidate, host.as_deref(), wanted, reserved);
                    best.offer(candidate, Candidate::is_before);
                }
                Err(why) => unfit.offer((entry, why), |a, b| a.0.id < b.0.id),
            }
        }
        let rejected = unfit.into_items().into_iter();
        let rejected = rejected.map(|(entry, why)| self.rejected(entry, why, wanted)).collect();
        let n_considered = services.len();
        let mut chosen = best.into_items().into_iter().map(Candidate::chosen);
        match chosen.next() {
            Some(service) => {
                let alternatives = chosen.collect();
                Ok(Picked { service, alternatives, rejected, n_considered })
            }
            None => Err(NoneUsable { rejected, n_considered }),
        }
    }

    /// The services that are asked about: those that have the model, else those of the type that
    /// can do what is wanted.
    fn candidates(&self, wanted: &Wanted) -> Vec<Arc<ServiceEntry>> {
        let Some(name) = &wanted.model else {
            let is_meant = |service: &ServiceEntry| {
                wanted.r#type.is_none_or(|wanted| service.facts.r#type == wanted)
                    && wanted.cap.as_deref().is_none_or(|cap| unfit::can(service, None, cap))
            };
            let all = self.services.iter();
            return all.filter(|entry| is_meant(entry)).map(|e| Arc::clone(&e)).collect();
        };
        let mut services = self.services_of_model(name);
        if let Some(latest) = latest(name) {
            let known: HashSet<ServiceId> = services.iter().map(|s| s.id.clone()).collect();
            let more = self.services_of_model(&latest).into_iter();
            services.extend(more.filter(|s| is_ollama(s) && !known.contains(&s.id)));
        }
        services
    }

    /// A service that can be used, ranked as if its host had room for the model and idle GPUs;
    /// without a word of reason, of which few are read.
    fn candidate<'a>(
        &self,
        entry: &'a Arc<ServiceEntry>,
        wanted: &Wanted,
    ) -> Result<(Candidate<'a>, Option<Arc<HostEntry>>), Unfit> {
        let model = wanted.model.as_deref().and_then(|name| model_meant(entry, name));
        let host = self.host_of(entry);
        unfit::check(self, entry, model, host.as_deref(), wanted)?;
        let rank = best_rank(entry, model, wanted);
        Ok((Candidate { rank, entry, model, need: Some(0), free: None }, host))
    }

    /// What a candidate's host has makes its rank.
    fn look_at_host(
        &self,
        candidate: &mut Candidate<'_>,
        host: Option<&HostEntry>,
        wanted: &Wanted,
        reserved: &Reserved,
    ) {
        let sample = host.and_then(HostEntry::present);
        let sample = sample.as_deref();
        candidate.rank.gpu_percent = sample.and_then(room::gpu_percent).into();
        let is_cold = candidate.rank.warmth == Warmth::Cold;
        let Some(model) = candidate.model.filter(|_| is_cold) else { return };
        let need = wanted.vram_bytes.or_else(|| self.needs.of(model));
        let free = host.zip(sample).and_then(|(host, sample)| room::free_vram(host, sample));
        let taken = reserved.bytes_beside(self, candidate.entry, &model.name);
        candidate.rank.room = room::room(host, free, taken, need);
        candidate.need = need;
        candidate.free = free.map(|free| free.saturating_sub(taken));
    }

    fn host_of(&self, service: &ServiceEntry) -> Option<Arc<HostEntry>> {
        self.host(service.host_id()?.as_str())
    }

    fn rejected(&self, entry: &ServiceEntry, why: Unfit, wanted: &Wanted) -> Rejected {
        let host = self.host_of(entry);
        Rejected { id: entry.id.clone(), why: why.words(entry, host.as_deref(), wanted) }
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
        let candidate = self.candidate(entry, wanted);
        let (mut candidate, host) = candidate.map_err(|why| self.rejected(entry, why, wanted))?;
        self.look_at_host(&mut candidate, host.as_deref(), wanted, reserved);
        Ok(candidate.chosen())
    }
}

impl Candidate<'_> {
    fn is_before(&self, other: &Self) -> bool {
        self.rank < other.rank
    }

    fn chosen(self) -> Chosen {
        let is_cold = self.rank.warmth == Warmth::Cold;
        Chosen {
            entry: Arc::clone(self.entry),
            model: self.model.map(|model| Arc::clone(&model.facts.name)),
            why: words::of(&self),
            to_reserve: self.need.filter(|need| is_cold && *need > 0),
        }
    }
}

/// Where a service stands if its host has room for the model and idle GPUs.
fn best_rank<'a>(entry: &'a ServiceEntry, model: Option<&Model>, wanted: &Wanted) -> Rank<'a> {
    let live = &entry.live;
    Rank {
        standing: if entry.unconfirmed { Standing::Unconfirmed } else { Standing::Confirmed },
        health: match entry.status {
            ServiceStatus::Healthy => Health::Healthy,
            _ => Health::Degraded,
        },
        warmth: model.map_or(Warmth::Warm, |model| warmth(entry, model, wanted.min_ctx)),
        room: Room::Fits,
        priority: Reverse(entry.facts.priority),
        n_waiting: live.pending().saturating_add(entry.queue_depth().unwrap_or(0)),
        latency_ms: live.latency_ms_avg(),
        check_latency_ms: live.check_latency_ms_avg().into(),
        gpu_percent: Known::Is(0),
        id: entry.id.as_str(),
    }
}

/// The model of a service that a name means.
fn model_meant<'a>(service: &'a ServiceEntry, name: &str) -> Option<&'a Model> {
    let latest = || service.model(&latest(name).filter(|_| is_ollama(service))?);
    service.model(name).or_else(latest)
}

/// The name with the tag that it implies, where it has none. A registry's port is no tag.
fn latest(name: &str) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    (!last.contains(':')).then(|| format!("{name}:latest"))
}

fn is_ollama(service: &ServiceEntry) -> bool {
    *service.facts.kind == *"ollama"
}

/// A model that is loaded with a shorter context than is wanted has to be loaded again; one that
/// runs elsewhere has not.
fn warmth(service: &ServiceEntry, model: &Model, min_ctx: Option<u64>) -> Warmth {
    let is_long_enough =
        model.loaded_context_length.zip(min_ctx).is_none_or(|(has, min)| has >= min);
    match service.tells_warmth() {
        _ if model.remote => Warmth::Warm,
        true if model.warm && !model.loading && is_long_enough => Warmth::Warm,
        true if model.loading => Warmth::Loading,
        _ => Warmth::Cold,
    }
}

#[cfg(test)]
mod figure_tests;
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
