//! A person removes a service that files declared once and that no file known here declares now:
//! those of an earlier run, while a catalog that may declare them cannot be read.

use crate::config::CatalogKind;
use crate::registry::declare::remove::{Removal, RemoveError, Removed};
use crate::registry::moment::Moment;
use crate::registry::service::Source;

use super::catalogs::Catalogs;

impl Catalogs {
    /// Removes a service, or what one source says of it. That a file declares it stands in the way
    /// only where one that was read does. A catalog that is read later may list it again.
    ///
    /// # Errors
    ///
    /// See [`RemoveError`].
    pub fn withdraw_service(
        &self,
        id: &str,
        removal: Removal,
        moment: Moment,
    ) -> Result<Removed, RemoveError> {
        match self.registry.withdraw_service(id, removal.clone(), moment) {
            Err(RemoveError::Declared) if !self.declares(id) => {
                let of_file = Removal { source: Some(Source::File), ..removal };
                match self.registry.withdraw_service(id, of_file, moment)? {
                    Removed::Stays(_) => {
                        self.registry.withdraw_service(id, Removal::default(), moment)
                    }
                    gone @ Removed::Gone(_) => Ok(gone),
                }
            }
            removed => removed,
        }
    }

    /// Whether a file that was read declares this service. While none was, any may.
    fn declares(&self, id: &str) -> bool {
        if !self.all().any(|named| {
            named.held.kind() == CatalogKind::Services && named.status().loaded_at.is_some()
        }) {
            return true;
        }
        let service = self.registry.resolve(id);
        let record = service.as_ref().and_then(|service| service.facts.records.file.as_deref());
        let url = record.and_then(|record| record.url.as_deref());
        self.file_services(|_| true).iter().any(|entry| Some(entry.value.url.as_str()) == url)
    }
}

#[cfg(test)]
#[path = "orphan_tests.rs"]
mod tests;
