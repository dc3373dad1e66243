//! Who is notified of alerts, and how.

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};

/// The targets of `[notify.<name>]` in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notify {}

impl Table for Notify {
    const NAME: &'static str = "notify";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        Err(unknown::<Self>(given, &[]))
    }
}
