//! One choice among services: each is looked at once, and only the first few are remembered.
//!
//! What is cheap to know of a service comes first. Its host's sample is read only where the service
//! could still be among the first, words are made only of those that are told, and what follows
//! from the model alone is kept from one service to the next.

use std::cmp::Reverse;
use std::sync::Arc;

use herdbook_shared::wire::sample::Sample;

use crate::registry::Registry;
use crate::registry::host::HostEntry;
use crate::registry::lease::Reserved;
use crate::registry::service::model::ModelFacts;
use crate::registry::service::{Model, ServiceEntry, ServiceStatus};

use super::best::First;
use super::rank::{Health, Known, Rank, Room, Standing, Warmth};
use super::unfit::{self, Unfit};
use super::{ALTERNATIVES_MAX, Chosen, NoneUsable, Picked, REJECTED_MAX, Rejected, Wanted};
use super::{room, words};

/// See the module's words.
pub(super) struct Choice<'a, 'r> {
    registry: &'r Registry,
    wanted: &'r Wanted,
    reserved: &'r Reserved,
    /// What an Ollama calls the model, where it was named without a tag.
    latest: Option<String>,
    best: First<Candidate<'a>>,
    unfit: First<(&'a Arc<ServiceEntry>, Unfit)>,
    n_considered: usize,
    /// Where the last service had the model, and what it was.
    met: Option<(usize, &'a Arc<ModelFacts>)>,
    /// What a model needs, of which this was asked last.
    need: Option<(&'a Arc<ModelFacts>, Option<u64>)>,
}

/// A usable service on its way through the choice. What people read of it is made only once it is
/// chosen.
pub(super) struct Candidate<'a> {
    pub(super) rank: Rank<'a>,
    pub(super) entry: &'a Arc<ServiceEntry>,
    pub(super) model: Option<&'a Model>,
    pub(super) need: Option<u64>,
    pub(super) free: Option<u64>,
}

/// The first of a choice that was made a moment ago.
pub(in crate::registry) struct Shortlist<'a> {
    entries: Vec<&'a Arc<ServiceEntry>>,
    /// Where the last of them stood, if there were more: none of the others stood before it.
    last: Option<Rank<'a>>,
}

impl<'a, 'r> Choice<'a, 'r> {
    pub(super) fn new(
        registry: &'r Registry,
        wanted: &'r Wanted,
        reserved: &'r Reserved,
        latest: Option<String>,
    ) -> Self {
        Self {
            registry,
            wanted,
            reserved,
            latest,
            best: First::new(1 + ALTERNATIVES_MAX),
            unfit: First::new(REJECTED_MAX),
            n_considered: 0,
            met: None,
            need: None,
        }
    }

    pub(super) fn among(
        mut self,
        services: impl IntoIterator<Item = &'a Arc<ServiceEntry>>,
    ) -> Self {
        for entry in services {
            self.n_considered += 1;
            match self.candidate(entry) {
                Ok(Some(candidate)) => self.best.offer(candidate, Candidate::is_before),
                Ok(None) => (),
                Err(why) => self.unfit.offer((entry, why), |a, b| a.0.id < b.0.id),
            }
        }
        self
    }

    /// What a service is as a candidate; `None` where enough stand before it.
    fn candidate(&mut self, entry: &'a Arc<ServiceEntry>) -> Result<Option<Candidate<'a>>, Unfit> {
        let model = self.model_of(entry);
        let registry = self.registry;
        let host = || registry.host(entry.host_id()?.as_str());
        let check =
            |host: Option<&HostEntry>| unfit::check(registry, entry, model, host, self.wanted);
        let mut looked_up = None;
        if unfit::is_told(entry) {
            unfit::check_alone(entry, model, self.wanted)?;
        } else {
            looked_up = Some(host());
            check(looked_up.as_ref().and_then(Option::as_deref))?;
        }
        let rank = best_rank(entry, model, self.wanted);
        let mut candidate = Candidate { rank, entry, model, need: Some(0), free: None };
        if self.best.is_beyond(&candidate, Candidate::is_before) {
            return Ok(None);
        }
        let host = match looked_up {
            Some(host) => host,
            None => host(),
        };
        // It may have fallen silent just now.
        check(host.as_deref())?;
        self.look_at_host(&mut candidate, host.as_deref());
        Ok(Some(candidate))
    }

    /// The model of a service that is meant. The same is at the same place on most services.
    fn model_of(&mut self, entry: &'a ServiceEntry) -> Option<&'a Model> {
        let name = self.wanted.model.as_deref()?;
        if let Some((at, facts)) = self.met
            && let Some(model) = entry.facts.models.get(at)
            && Arc::ptr_eq(&model.facts, facts)
        {
            return Some(model);
        }
        if let Some(at) = entry.model_at(name) {
            let model = &entry.facts.models[at];
            self.met = Some((at, &model.facts));
            return Some(model);
        }
        entry.model(self.latest.as_deref().filter(|_| entry.implies_latest())?)
    }

    /// What a candidate's host has makes its rank.
    fn look_at_host(&mut self, candidate: &mut Candidate<'a>, host: Option<&HostEntry>) {
        let is_cold = candidate.rank.warmth == Warmth::Cold;
        let model = candidate.model.filter(|_| is_cold);
        let look = |sample: Option<&Sample>| {
            let percent = sample.and_then(room::gpu_percent);
            let free = || room::free_vram(host?, sample?);
            (percent, model.and_then(|_| free()))
        };
        let (percent, free) = host.map_or((None, None), |host| host.with_present(look));
        candidate.rank.gpu_percent = percent.into();
        let Some(model) = model else { return };
        let need = self.need_of(model);
        let taken = self.reserved.bytes_beside(self.registry, candidate.entry, &model.name);
        candidate.rank.room = room::room(host, free, taken, need);
        candidate.need = need;
        candidate.free = free.map(|free| free.saturating_sub(taken));
    }

    fn need_of(&mut self, model: &'a Model) -> Option<u64> {
        if self.wanted.vram_bytes.is_some() {
            return self.wanted.vram_bytes;
        }
        if let Some((facts, need)) = self.need
            && Arc::ptr_eq(facts, &model.facts)
        {
            return need;
        }
        let need = self.registry.needs.of(model);
        self.need = Some((&model.facts, need));
        need
    }

    pub(super) fn picked(self) -> Result<Picked, NoneUsable> {
        let (registry, wanted, n_considered) = (self.registry, self.wanted, self.n_considered);
        let rejected = self.unfit.into_items().into_iter();
        let rejected = rejected.map(|(entry, why)| registry.rejected(entry, why, wanted)).collect();
        let mut chosen = self.best.into_items().into_iter().map(Candidate::chosen);
        match chosen.next() {
            Some(service) => {
                let alternatives = chosen.collect();
                Ok(Picked { service, alternatives, rejected, n_considered })
            }
            None => Err(NoneUsable { rejected, n_considered }),
        }
    }

    pub(super) fn shortlist(self) -> Result<Shortlist<'a>, NoneUsable> {
        let first = self.best.items();
        if first.is_empty() {
            return Err(self.picked().err().unwrap_or_default());
        }
        let last = first.last().filter(|_| first.len() > ALTERNATIVES_MAX);
        let last = last.map(|last| last.rank.clone());
        Ok(Shortlist { entries: first.iter().map(|candidate| candidate.entry).collect(), last })
    }

    /// The best of a shortlist as it is by now. `None` where one that is not on it may be better:
    /// those only became worse since, as far as leases go.
    pub(super) fn again(self, short: &Shortlist<'a>) -> Option<Chosen> {
        let choice = self.among(short.entries.iter().copied());
        let best = choice.best.into_items().into_iter().next()?;
        let is_sure = short.last.as_ref().is_none_or(|last| best.rank <= *last);
        is_sure.then(|| best.chosen())
    }
}

impl Candidate<'_> {
    fn is_before(&self, other: &Self) -> bool {
        self.rank < other.rank
    }

    pub(super) fn chosen(self) -> Chosen {
        let is_cold = self.rank.warmth == Warmth::Cold;
        Chosen {
            entry: Arc::clone(self.entry),
            model: self.model.map(|model| Arc::clone(&model.facts.name)),
            why: words::of(&self),
            to_reserve: self.need.filter(|need| is_cold && *need > 0),
        }
    }
}

impl Registry {
    pub(super) fn rejected(&self, entry: &ServiceEntry, why: Unfit, wanted: &Wanted) -> Rejected {
        let host = entry.host_id().filter(|_| why.is_of_host());
        let host = host.and_then(|id| self.host(id.as_str()));
        Rejected { id: entry.id.clone(), why: why.words(entry, host.as_deref(), wanted) }
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
