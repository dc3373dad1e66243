//! Which services can be used at all, and why the others cannot, in words that say what to do.

use crate::registry::Registry;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::service::{
    Check, Model, Reachable, ServiceEntry, ServiceStatus, Source, Word,
};

use super::Wanted;

/// Why a service is not picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It does not answer, or nobody knows.
    Status,
    /// Its host is silent, and nobody else judges it.
    HostSilent(HostStatus),
    /// It shall get nothing new.
    Drains,
    /// Its host shall get nothing new.
    HostDrains,
    /// It cannot be reached from where the caller is.
    LoopbackOnly,
    /// It is for something else.
    Type,
    /// It is trusted less, or more, than was asked.
    Role,
    /// It cannot do what was asked.
    Cap,
    /// It does not have the label.
    Label,
    /// It takes no context as long; `None`: nobody knows.
    Context(Option<u64>),
}

/// Whether `service` can be used for what is wanted, and `model` is the one of it.
pub(super) fn check(
    registry: &Registry,
    service: &ServiceEntry,
    model: Option<&Model>,
    host: Option<&HostEntry>,
    wanted: &Wanted,
) -> Result<(), Unfit> {
    answers(service)?;
    is_heard(service, host)?;
    is_for(service, model, wanted)?;
    let is_far = service.facts.reachable == Reachable::Loopback
        && !registry.is_beside(&wanted.caller, service, host);
    if is_far { Err(Unfit::LoopbackOnly) } else { Ok(()) }
}

/// The same of a service of which its host has nothing to say that it does not show itself.
pub(super) fn check_alone(
    service: &ServiceEntry,
    model: Option<&Model>,
    wanted: &Wanted,
) -> Result<(), Unfit> {
    answers(service)?;
    is_for(service, model, wanted)
}

/// Whether a service shows by itself that its host does not stand against it: its agent tells what
/// it does, which ends when the host falls silent, and it is not on loopback.
pub(super) fn is_told(service: &ServiceEntry) -> bool {
    service.facts.reachable != Reachable::Loopback
        && (service.facts.check != Check::Agent || service.state.is_some())
}

fn answers(service: &ServiceEntry) -> Result<(), Unfit> {
    match service.status {
        ServiceStatus::Healthy | ServiceStatus::Degraded => Ok(()),
        _ => Err(Unfit::Status),
    }
}

fn is_heard(service: &ServiceEntry, host: Option<&HostEntry>) -> Result<(), Unfit> {
    if service.facts.check != Check::Agent {
        return Ok(());
    }
    match host {
        Some(host) if host.status.is_heard() => Ok(()),
        Some(host) => Err(Unfit::HostSilent(host.status)),
        None => Err(Unfit::HostSilent(HostStatus::Unknown)),
    }
}

fn is_for(service: &ServiceEntry, model: Option<&Model>, wanted: &Wanted) -> Result<(), Unfit> {
    if service.facts.drain {
        return Err(Unfit::Drains);
    }
    if service.drains() {
        return Err(Unfit::HostDrains);
    }
    passes(service, model, wanted)
}

/// Whether it is what the caller asks for besides the model.
fn passes(service: &ServiceEntry, model: Option<&Model>, wanted: &Wanted) -> Result<(), Unfit> {
    let facts = &service.facts;
    if wanted.r#type.is_some_and(|wanted| facts.r#type != wanted) {
        return Err(Unfit::Type);
    }
    if wanted.role.is_some_and(|wanted| facts.role != wanted) {
        return Err(Unfit::Role);
    }
    if wanted.cap.as_deref().is_some_and(|cap| !can(service, model, cap)) {
        return Err(Unfit::Cap);
    }
    if wanted.label.as_ref().is_some_and(|label| !label.is_on(service)) {
        return Err(Unfit::Label);
    }
    match (wanted.min_ctx, context_length(service, model)) {
        (Some(wanted), Some(longest)) if longest >= wanted => Ok(()),
        (Some(_), longest) => Err(Unfit::Context(longest)),
        (None, _) => Ok(()),
    }
}

/// Whether the service says that it can do this, or the model can; without a model, any of its
/// models.
pub(super) fn can(service: &ServiceEntry, model: Option<&Model>, cap: &str) -> bool {
    let does = |model: &Model| model.capabilities.iter().any(|known| **known == *cap);
    service.facts.caps.iter().any(|known| known == cap)
        || model.map_or_else(|| service.facts.models.iter().any(does), does)
}

/// The longest context that both the service and the model take.
fn context_length(service: &ServiceEntry, model: Option<&Model>) -> Option<u64> {
    let limits = [service.facts.ctx_limit, model.and_then(|model| model.context_length)];
    limits.into_iter().flatten().min()
}

impl Unfit {
    /// Whether its host has a part in the words.
    pub(super) fn is_of_host(self) -> bool {
        matches!(self, Self::Status | Self::LoopbackOnly)
    }

    /// Why, for a person.
    pub(super) fn words(
        self,
        service: &ServiceEntry,
        host: Option<&HostEntry>,
        wanted: &Wanted,
    ) -> String {
        let facts = &service.facts;
        match self {
            Self::Status => status_in_words(service, host),
            Self::HostSilent(status) => silence_in_words(status),
            Self::Drains => "draining: end its drain to have it picked again".to_owned(),
            Self::HostDrains => "its host drains: end that to have it picked again".to_owned(),
            Self::LoopbackOnly => loopback_in_words(service, host),
            Self::Type => format!("its type is {}", facts.r#type.word()),
            Self::Role => format!("its role is {}: promote it, or ask for that", facts.role.word()),
            Self::Cap => {
                format!("it does not say that it can do {:?}", wanted.cap.as_deref().unwrap_or(""))
            }
            Self::Label => match &wanted.label {
                Some(label) => format!("it does not have the label {label}"),
                None => "it does not have the label".to_owned(),
            },
            Self::Context(Some(longest)) => format!("it takes no more than {longest} tokens"),
            Self::Context(None) => "nobody knows how many tokens it takes".to_owned(),
        }
    }
}

fn status_in_words(service: &ServiceEntry, host: Option<&HostEntry>) -> String {
    let facts = &service.facts;
    let mut words = service.status.word().to_owned();
    if let Some(host) = host.filter(|host| !host.status.is_heard()) {
        words.push_str(&format!(": {}", silence_in_words(host.status)));
    }
    let since = match service.status {
        ServiceStatus::Down => facts.down_since,
        ServiceStatus::Unhealthy => facts.last_error_at,
        _ => None,
    };
    if let Some(since) = since {
        words.push_str(&format!(" since {since}"));
    }
    if let Some(error) = &facts.last_error {
        words.push_str(&format!(": {error}"));
    }
    words
}

fn silence_in_words(status: HostStatus) -> String {
    match status {
        HostStatus::Unknown => "its host was not heard since the collector's start".to_owned(),
        status => format!("its host is {}: see whether its agent runs", status.word()),
    }
}

fn loopback_in_words(service: &ServiceEntry, host: Option<&HostEntry>) -> String {
    let remedy = if *service.facts.kind == *"ollama" { " (OLLAMA_HOST=0.0.0.0)" } else { "" };
    let from = match host {
        Some(host) => format!("or ask from its host with from={}", host.id),
        None => "or ask from its own machine".to_owned(),
    };
    let is_found = service.facts.records.sources().contains(&Source::Agent);
    let first = if is_found {
        format!("let it listen on the network{remedy}")
    } else {
        "give it a URL that can be reached".to_owned()
    };
    format!("listens on loopback only: {first}, {from}")
}
