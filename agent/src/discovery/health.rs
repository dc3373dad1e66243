//! What a server does, from how its layers answered and what its counters and runners told. A pure
//! state machine: time comes in.

use std::time::Duration;

use herdbook_shared::wire::inventory::ServiceState;
use tokio::time::Instant;

use super::ask::ProbeError;

/// Alive is who answered for its version; hung is who has not for this long.
const HUNG_AFTER: Duration = Duration::from_secs(30);
/// What was loaded is believed for this long after a wrong answer.
const LOADED_HOLDS: Duration = Duration::from_secs(30);
/// A busy server may keep its list locked for as long as it lets a load take.
const LOADED_HOLDS_WHILE_BUSY: Duration = Duration::from_secs(300);

/// What a failed question means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing listens.
    Refused,
    /// It did not answer in time.
    Silent,
    /// It answered, but not with what was asked.
    Wrong,
    /// It was not heard: the connection ended before an answer, or never began.
    Unheard,
}

impl From<&ProbeError> for Failure {
    fn from(error: &ProbeError) -> Self {
        match error {
            ProbeError::Refused => Self::Refused,
            ProbeError::Silent(_) => Self::Silent,
            ProbeError::Unreached(_) | ProbeError::Closed(_) => Self::Unheard,
            ProbeError::Broken(_)
            | ProbeError::Credential(_)
            | ProbeError::Turned
            | ProbeError::Redirect(_)
            | ProbeError::Status(_)
            | ProbeError::TooLarge(_)
            | ProbeError::NotTheAnswer(_) => Self::Wrong,
        }
    }
}

/// The health of one server.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// It answered once as a server of models does, or is known to be one.
    seen: bool,
    gone: bool,
    /// Since when its version was asked in vain.
    silent_since: Option<Instant>,
    /// Nobody is silent who was not heard.
    unheard: bool,
    loaded: Answered,
    work: Work,
}

/// What a server is at, where that is told beside its lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// A model is on its way into memory.
    pub(super) is_loading: bool,
    /// A request is worked on, or a model is on its way out.
    pub(super) is_busy: bool,
}

/// How the question for loaded models stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answered {
    #[default]
    Never,
    WithModels(usize),
    Failed {
        how: Failure,
        since: Instant,
        n_models_before: Option<usize>,
    },
}

impl Health {
    /// Whether nothing listens.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether it ever answered, or is known to be there.
    pub(super) fn is_seen(&self) -> bool {
        self.seen
    }

    /// Its process is known to be a server of models, whether it answers or not.
    pub(super) fn is_there(&mut self) {
        self.seen = true;
    }

    /// It told its version, or that it wants a credential: it lives.
    pub(super) fn alive(&mut self) {
        self.seen = true;
        self.gone = false;
        self.silent_since = None;
        self.unheard = false;
    }

    /// The question for its version, asked at `asked_at`, failed.
    pub(super) fn version_failed(&mut self, how: Failure, asked_at: Instant) {
        self.gone = how == Failure::Refused;
        self.unheard = how == Failure::Unheard;
        match how {
            Failure::Refused => {
                self.silent_since = None;
                self.loaded = Answered::Never;
                self.work = Work::default();
            }
            Failure::Unheard => self.silent_since = None,
            Failure::Silent | Failure::Wrong => {
                self.silent_since.get_or_insert(asked_at);
            }
        }
    }

    /// It listed its loaded models, so it lives too.
    pub(super) fn loaded_told(&mut self, n_models: usize) {
        self.alive();
        self.loaded = Answered::WithModels(n_models);
    }

    /// It did not list its loaded models.
    pub(super) fn loaded_failed(&mut self, how: Failure, asked_at: Instant) {
        let (since, n_models_before) = match self.loaded {
            Answered::Never => (asked_at, None),
            Answered::WithModels(n) => (asked_at, Some(n)),
            Answered::Failed { since, n_models_before, .. } => (since, n_models_before),
        };
        self.loaded = Answered::Failed { how, since, n_models_before };
    }

    /// What it is at, as was told just now.
    pub(super) fn works(&mut self, work: Work) {
        self.work = work;
    }

    /// It answers, but not with what is loaded.
    pub(super) fn nothing_told(&mut self) {
        self.alive();
        self.loaded = Answered::Never;
    }

    /// Whether the list of loaded models can still be believed.
    pub(super) fn loaded_holds(&self, now: Instant) -> bool {
        if self.gone || self.is_hung(now) {
            return false;
        }
        match self.loaded {
            Answered::Never => false,
            Answered::WithModels(_) => true,
            Answered::Failed { how, since, .. } => {
                let bound = match how {
                    Failure::Silent => LOADED_HOLDS_WHILE_BUSY,
                    Failure::Refused | Failure::Wrong | Failure::Unheard => LOADED_HOLDS,
                };
                now.saturating_duration_since(since) < bound
            }
        }
    }

    fn is_hung(&self, now: Instant) -> bool {
        self.silent_since.is_some_and(|since| now.saturating_duration_since(since) >= HUNG_AFTER)
    }

    /// What it does; `None` for what was never seen as a server of models.
    pub(super) fn state(&self, now: Instant) -> Option<ServiceState> {
        if !self.seen {
            return None;
        }
        if self.gone {
            return Some(ServiceState::Down);
        }
        if self.is_hung(now) {
            return Some(ServiceState::Hung);
        }
        if self.unheard {
            return Some(ServiceState::Unknown);
        }
        if self.work.is_loading {
            return Some(ServiceState::Loading);
        }
        if self.work.is_busy {
            return Some(ServiceState::Busy);
        }
        Some(match self.loaded {
            Answered::Never => ServiceState::Unknown,
            Answered::WithModels(n) => idle_or_resident(n),
            Answered::Failed { how: Failure::Silent, .. } => ServiceState::Busy,
            Answered::Failed { n_models_before: Some(n), .. } if self.loaded_holds(now) => {
                idle_or_resident(n)
            }
            Answered::Failed { .. } => ServiceState::Unknown,
        })
    }
}

fn idle_or_resident(n_models: usize) -> ServiceState {
    if n_models == 0 { ServiceState::Idle } else { ServiceState::Resident }
}

#[cfg(test)]
mod tests;
