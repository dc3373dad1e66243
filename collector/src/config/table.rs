//! A table of the TOML file: it takes its keys one by one, and is looked at as a whole at the end.

use super::error::ConfigError;
use super::given::Given;

/// See the module's words.
pub(super) trait Table: Default {
    /// Its name in the file.
    const NAME: &'static str;

    /// Takes one key in.
    ///
    /// # Errors
    ///
    /// Where there is no such key, or the value is not allowed.
    fn set(&mut self, given: &Given) -> Result<(), ConfigError>;

    /// A value as `check-config` shows it: never a secret.
    fn shown(given: &Given) -> String {
        given.value.to_string()
    }

    /// Whether the values agree with each other.
    ///
    /// # Errors
    ///
    /// Where two contradict each other.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// The refusal of a key that the table `T` does not have.
pub(super) fn unknown<T: Table>(given: &Given, keys: &[&str]) -> ConfigError {
    ConfigError::UnknownKey {
        key: format!("{}.{}", T::NAME, given.key),
        origin: given.source.clone(),
        expected: keys.join(", "),
    }
}
