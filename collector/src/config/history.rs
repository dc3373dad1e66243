//! How much of what samples said is kept, and for how long.

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};

/// The figures of `[history]` in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryRules {}

impl Table for HistoryRules {
    const NAME: &'static str = "history";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        Err(unknown::<Self>(given, &[]))
    }
}
