//! What was refused or dropped, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Why something that an agent said was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// No JSON, or no message.
    BadFrame,
    /// Over the limit of a frame.
    TooLarge,
    /// A type of a later version.
    UnknownType,
    /// A field of the wrong shape.
    BadField,
    /// A value out of its bounds.
    OutOfBounds,
    /// More than the budget of a connection.
    OverBudget,
    /// Not what this point of the conversation allows.
    Unexpected,
    /// A hello that was refused.
    Refused,
    /// From a session that another one took over.
    Superseded,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::BadFrame,
        Self::TooLarge,
        Self::UnknownType,
        Self::BadField,
        Self::OutOfBounds,
        Self::OverBudget,
        Self::Unexpected,
        Self::Refused,
        Self::Superseded,
    ];

    /// The word in logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::UnknownType => "unknown_type",
            Self::BadField => "bad_field",
            Self::OutOfBounds => "out_of_bounds",
            Self::OverBudget => "over_budget",
            Self::Unexpected => "unexpected",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }
}

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Dropped([AtomicU64; DropReason::ALL.len()]);

impl Dropped {
    /// One more.
    pub fn count(&self, reason: DropReason) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were, by reason; only reasons that there were.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        self.each().into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// The same, each reason there is.
    #[must_use]
    pub fn each(&self) -> Vec<(&'static str, u64)> {
        let counts = DropReason::ALL.iter().zip(&self.0);
        counts.map(|(reason, n)| (reason.word(), n.load(Ordering::Relaxed))).collect()
    }
}
