//! The kinds of model servers: one file each, and one line in the table. A kind says which
//! questions it is asked and reads the answers; when to ask, what follows from it and what stands
//! on the list is the same for all.
//!
//! What every kind keeps: no question loads a model, keeps one awake, makes one token, leaves the
//! host or reads a word of a prompt.

mod llamacpp;
mod lmstudio;
pub(super) mod ollama;
mod openai;
mod sglang;
mod vllm;

use std::fmt;

use futures_util::future::BoxFuture;

use super::answer::{Alive, Shown, Told};
use super::ask::{Ask, Unanswered};
use super::lead::Kind;

pub(super) use self::llamacpp::processing as slots_processing;
use self::ollama::Ollama;

/// An answer on its way.
pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, Unanswered>>;

/// Whether a server was asked for its models since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    First,
    Again,
}

/// How one kind of server is asked.
pub(super) trait Dialect: fmt::Debug + Send + Sync {
    fn kind(&self) -> Kind;

    /// Is it alive, and which version? `known` is what it told before. An answer in other words
    /// means that it is no server of this kind.
    fn alive<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Alive>;

    /// What is loaded, and how much does it work?
    fn doing<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Told>;

    /// What can it serve? Nothing to ask where `doing` tells that too.
    fn installed<'a>(
        &'a self,
        server: &'a dyn Ask,
        known: &'a Alive,
        asked: Asked,
    ) -> Answer<'a, Told>;

    /// What does no list tell of this model? `None` where nothing more can be asked.
    fn show<'a>(&'a self, _: &'a dyn Ask, _model: &'a str) -> Option<Answer<'a, Shown>> {
        None
    }
}

/// All kinds. The first that recognises an unknown server has it.
static TABLE: [&dyn Dialect; 6] = [
    &Ollama,
    &llamacpp::LlamaCpp,
    &vllm::Vllm,
    &sglang::Sglang,
    &lmstudio::LmStudio,
    &openai::OpenAi,
];

/// How servers of this kind are asked.
pub(super) fn dialect(kind: Kind) -> &'static dyn Dialect {
    let found = TABLE.iter().find(|dialect| dialect.kind() == kind);
    *found.unwrap_or(&TABLE[TABLE.len() - 1])
}

#[cfg(test)]
mod tests;
