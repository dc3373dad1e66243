//! What a server does for its callers: they come for a while, mostly for a model that is loaded, and
//! go again.

use super::super::models::Published;
use super::super::roster::Kind;
use super::{DemoServer, Pace};

/// How often callers come for a model that is loaded, of a hundred times.
const WARM_PERCENT: u8 = 75;
/// How long callers stay once the model is loaded, seconds.
const BUSY_S: std::ops::Range<u64> = 15..110;
/// How long it takes until others come, seconds.
const REST_S: std::ops::Range<u64> = 10..70;

/// One of the things that a server works on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    /// Nothing, for so many seconds more.
    Rest { left_s: u64 },
    /// So many requests, for so many seconds more once the model is loaded.
    Busy { model: &'static Published, n_requests: u64, left_s: u64 },
}

impl DemoServer {
    /// One second of the work at this index.
    pub(super) fn work(&mut self, index: usize) {
        self.works[index] = match self.works[index].clone() {
            Work::Rest { left_s: 0 } if self.pace == Pace::Alive => {
                let (model, left_s) = (self.wanted(), self.random.u64(BUSY_S));
                self.take_up(index, model, left_s);
                return;
            }
            Work::Rest { left_s } => Work::Rest { left_s: left_s.saturating_sub(1) },
            Work::Busy { model, n_requests, left_s } => match self.loaded_one(model) {
                // It was unloaded meanwhile.
                None if self.pace == Pace::Alive => Work::Rest { left_s: 5 },
                Some(loaded) if loaded.is_whole() && left_s == 0 => {
                    Work::Rest { left_s: self.random.u64(REST_S) }
                }
                Some(loaded) if loaded.is_whole() => {
                    Work::Busy { model, n_requests, left_s: left_s - 1 }
                }
                _ => Work::Busy { model, n_requests, left_s },
            },
        };
    }

    /// Which model is asked for next.
    fn wanted(&mut self) -> &'static Published {
        if !self.loaded.is_empty() && self.random.u8(0..100) < WARM_PERCENT {
            return self.loaded[self.random.usize(0..self.loaded.len())].model;
        }
        // What stands first is asked for most.
        let n_installed = self.installed.len();
        let (one, other) = (self.random.usize(0..n_installed), self.random.usize(0..n_installed));
        self.installed[one.min(other)].model
    }

    /// Works on requests for a model, which is loaded first where it is not.
    pub(super) fn take_up(&mut self, index: usize, model: &'static Published, left_s: u64) {
        let n_requests = match self.plan.kind {
            Kind::Vllm => self.random.u64(6..60),
            Kind::Ollama | Kind::LlamaCpp => self.random.u64(1..=4),
        };
        // What it worked on before is in nobody's way.
        self.works[index] = Work::Rest { left_s: 20 };
        if self.load(model) {
            self.works[index] = Work::Busy { model, n_requests, left_s };
        }
    }

    /// Callers are gone, and come again when they notice.
    pub(super) fn rest_all(&mut self) {
        for work in &mut self.works {
            *work = Work::Rest { left_s: self.random.u64(5..20) };
        }
    }

    pub(super) fn is_in_use(&self, model: &Published) -> bool {
        self.works.iter().any(|work| work.requests_for(model) > 0)
    }

    /// How many requests it works on that are for this model, once that is loaded.
    pub(super) fn n_requests_of(&self, model: &Published) -> u64 {
        let is_whole = self.loaded_one(model).is_some_and(|loaded| loaded.is_whole());
        let n: u64 = self.works.iter().map(|work| work.requests_for(model)).sum();
        if is_whole { n } else { 0 }
    }

    /// How many requests it works on.
    pub(super) fn n_requests(&self) -> u64 {
        self.loaded.iter().map(|loaded| self.n_requests_of(loaded.model)).sum()
    }
}

impl Work {
    fn requests_for(&self, wanted: &Published) -> u64 {
        match self {
            Self::Busy { model, n_requests, .. } if *model == wanted => *n_requests,
            _ => 0,
        }
    }
}
