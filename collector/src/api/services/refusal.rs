//! Why a service is not registered, changed or removed, in words for whoever asked.

use crate::api::precondition::stale;
use crate::api::problem::{Kind, Problem};
use crate::registry::declare::bounds::OutOfBounds;
use crate::registry::declare::patch::PatchError;
use crate::registry::declare::remove::RemoveError;
use crate::registry::declare::{AddError, UnknownService, UpsertError};

impl From<OutOfBounds> for Problem {
    fn from(refused: OutOfBounds) -> Self {
        Self::bad_field(refused.field, refused.why, refused.expected)
    }
}

impl From<UnknownService> for Problem {
    fn from(unknown: UnknownService) -> Self {
        Self::not_found(unknown.to_string())
    }
}

impl From<UpsertError> for Problem {
    fn from(error: UpsertError) -> Self {
        match error {
            UpsertError::OutOfBounds(refused) => refused.into(),
            UpsertError::OtherType(known) => {
                Self::new(Kind::Conflict, error.to_string()).about("type", known)
            }
            UpsertError::NotYours(not_yours) => not_yours.into(),
            UpsertError::Full => full(error.to_string()),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::OutOfBounds(refused) => refused.into(),
            AddError::NotYours(not_yours) => not_yours.into(),
            AddError::Full => full(error.to_string()),
            AddError::Exists(_) => Self::new(Kind::Conflict, error.to_string())
                .about("If-None-Match", "a service that is not there yet"),
        }
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Unknown(unknown) => unknown.into(),
            PatchError::Stale { revision } => stale(revision),
            PatchError::HostDrains => Self::new(Kind::Conflict, error.to_string())
                .about("drain", "false once its host no longer drains"),
            PatchError::OutOfBounds(refused) => refused.into(),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Unknown(unknown) => unknown.into(),
            RemoveError::NotYours(not_yours) => not_yours.into(),
            RemoveError::Stale { revision } => stale(revision),
            RemoveError::Reported => Self::new(
                Kind::Conflict,
                "its host's agent still reports it, and would list it again at once: stop the \
                 server, or drain it so that it gets nothing new; with ?source=manual only what \
                 was added by hand is removed",
            ),
            RemoveError::Declared => Self::new(
                Kind::Conflict,
                "a file declares it, and would list it again at the next reload: take it out of \
                 that file; with ?source=manual only what was added by hand is removed",
            ),
            RemoveError::NoSource(_) => {
                let detail = error.to_string();
                Self::new(Kind::Conflict, detail).about("source", "one of its sources")
            }
        }
    }
}

fn full(detail: String) -> Problem {
    Problem::new(Kind::Unavailable, format!("{detail}; remove some that are no longer needed"))
}
