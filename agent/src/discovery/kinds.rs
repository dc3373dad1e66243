//! The kinds of model servers: one file each, and one line in the table. A kind says by what it is
//! told from others, which questions it is asked, and reads the answers; when to ask, what follows
//! from it and what stands on the list is the same for all.
//!
//! A new kind is a file here, its line in `TABLE`, its word in `lead::Kind`, and, for its process to
//! be known, its names and its usual port in `search::guise`.
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

/// What tells a kind from others, where its process does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Whose the models are that it lists.
    pub(super) owner: Option<&'static str>,
    /// What the names of its gauges begin with.
    pub(super) gauges: Option<&'static str>,
    /// Its `Server` header.
    pub(super) header: Option<&'static str>,
    /// A port at which hardly anybody else is found.
    pub(super) port: Option<u16>,
}

/// How one kind of server is asked.
pub(super) trait Dialect: fmt::Debug + Send + Sync {
    fn kind(&self) -> Kind;

    fn marks(&self) -> Marks;

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

/// The kind that has such a mark.
pub(super) fn marked(has: impl Fn(Marks) -> bool) -> Option<Kind> {
    TABLE.iter().find(|dialect| has(dialect.marks())).map(|dialect| dialect.kind())
}

/// How servers of this kind are asked.
pub(super) fn dialect(kind: Kind) -> &'static dyn Dialect {
    let found = TABLE.iter().find(|dialect| dialect.kind() == kind);
    *found.unwrap_or(&TABLE[TABLE.len() - 1])
}

#[cfg(test)]
mod tests;
