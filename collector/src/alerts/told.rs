//! What a look at a subject tells of one rule: which parts of it the rule holds for.

use std::sync::Arc;

/// What is told of a subject by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing: what was raised stays, and what waits begins anew once more is known.
    Nothing,
    /// All that holds. What is not named here is over, because.
    All(Vec<Held>, String),
}

/// A part of a subject, and how the rule does there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Which GPU or disk; `None`: the subject as a whole.
    pub(super) part: Option<Arc<str>>,
    /// How the rule does there.
    pub(super) level: Level,
}

/// How a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It holds.
    Holds(Words),
    /// It is neither so that an alert is raised, nor so that one is over.
    Between,
}

/// What a person is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) message: String,
    pub(super) cause: Option<String>,
}

impl Told {
    /// It holds for the subject as a whole.
    pub(super) fn holds(message: String, cause: Option<String>) -> Self {
        let level = Level::Holds(Words { message, cause });
        Self::All(vec![Held { part: None, level }], String::new())
    }

    /// It holds for nothing of the subject.
    pub(super) fn over(because: impl Into<String>) -> Self {
        Self::All(Vec::new(), because.into())
    }
}
