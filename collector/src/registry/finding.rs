//! Conditions that hold on a host or service: what they are called and how bad they are. How they
//! are told stands in `condition` and `derive`.

use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How bad a finding is, the mildest first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Degrades the host on which it holds.
    Warning,
    /// Degrades the host on which it holds, and somebody should look now.
    Critical,
}

impl Severity {
    /// The word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What was found.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[schemars(rename = "FindingCode")]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Another machine uses this identity.
    DuplicateIdentity,
    /// Its agent sends what is not used, or too much of it.
    BreaksLimits,
    /// A GPU fell off the bus.
    GpuLost,
    /// The driver and its library differ in version.
    DriverMismatch,
    /// The GPUs do not answer.
    GpuTimeout,
    /// A model server lives but does not answer.
    ServerHung,
    /// A disk is nearly full.
    DiskNearlyFull,
    /// Tasks stall for want of memory.
    MemoryPressure,
    /// A model server wants a credential before it tells anything.
    NeedsCredential,
    /// A model server serves whoever reaches it.
    ExposedWithoutCredential,
    /// A model server's version has a hole that is known; strangers do not reach it.
    KnownVulnerable,
    /// A model server serves whoever reaches it, and its version has a hole that is known.
    ExposedAndVulnerable,
}

impl Code {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::DuplicateIdentity | Self::GpuLost | Self::ExposedAndVulnerable => {
                Severity::Critical
            }
            // Within a fleet's own network this is how servers are reached: as a warning on each
            // of them it would hide the warnings that matter.
            Self::ExposedWithoutCredential => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// What, for programs.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What, for a person.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

impl Finding {
    /// A condition that holds from `since` on.
    #[must_use]
    pub fn new(code: Code, message: String, since: Timestamp) -> Self {
        Self { code, severity: code.severity(), message, since }
    }

    /// What holds now, given what held before: a condition that goes on keeps its `since`.
    #[must_use]
    pub fn renewed(found: Vec<(Code, String)>, before: &[Self], at: Timestamp) -> Vec<Self> {
        let since = |code| before.iter().find(|f| f.code == code).map_or(at, |f| f.since);
        let found = found.into_iter();
        found.map(|(code, message)| Self::new(code, message, since(code))).collect()
    }
}
