//! Of what a person is alerted, and from which threshold on.

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};

/// The rules of `[alerts.<rule>]` in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {}

impl Table for Alerts {
    const NAME: &'static str = "alerts";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        Err(unknown::<Self>(given, &[]))
    }
}
