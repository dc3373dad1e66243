//! Why a value is `null`. Beside every value that can be missing stands a map from field name to
//! one of these words; a missing value is never 0 and never the last one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Field name to the reason why that field is `null`, as `{"power_watts":"not_supported"}`.
pub type Missing = BTreeMap<String, MissingReason>;

/// Why one value is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// The hardware, driver or kernel does not have it.
    NotSupported,
    /// The agent may not read it.
    NoPermission,
    /// Driver and library versions differ, usually after an upgrade without a reboot.
    DriverMismatch,
    /// The device fell off the bus.
    Lost,
    /// The device sleeps, and asking would wake it.
    Asleep,
    /// The source did not answer in time.
    Timeout,
    /// The host has not been heard for too long for its last value to mean anything.
    Stale,
    /// It cannot be told; also what a reader makes of a reason that it does not know.
    #[serde(other)]
    CannotTell,
}
