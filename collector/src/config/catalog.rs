//! Which catalogs there are, and which folders hold their entries.

use super::error::ConfigError;
use super::given::Given;
use super::table::{Table, unknown};

/// The catalogs of `[catalog.<name>]` in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogs {}

impl Table for Catalogs {
    const NAME: &'static str = "catalog";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        Err(unknown::<Self>(given, &[]))
    }
}
