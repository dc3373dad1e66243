//! Hosts and services as they are told to the outside: the full view of one, and the summary of
//! at most about 300 bytes a host that the page and the live feed use.

pub mod missing;

pub mod detail;
pub mod gpu;
pub mod host;
pub mod machine;
pub mod resources;
pub mod service;

use serde::Serialize;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, schemars::JsonSchema)]
#[schemars(rename = "ViewWord", rename_all = "snake_case")]
pub enum View {
    /// What a table of the fleet needs.
    Summary,
    /// Everything.
    Full,
}

impl View {
    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Full => "full",
        }
    }
}

impl Serialize for View {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// One decimal is all that a percentage is good for.
pub(crate) fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

/// Part of a whole, in percent; `None` where the whole is nothing.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
pub(crate) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(100.0 * part as f64 / whole as f64))
}

#[cfg(test)]
mod tests;
