//! What a source other than an agent declares, within its bounds and in the form in which it is
//! kept: the URL in its one spelling, models by name, and the id of who registers itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;
use uuid::Uuid;

use crate::registry::service::record::{Credential, Declared};
use crate::registry::service::{Check, Model, Source, Word};
use crate::registry::url::ServiceUrl;

use super::bounds::{self, OutOfBounds};

/// See the module's words. Made once of what somebody said, and then looked up, sealed into and
/// listed as often as it takes.
#[derive(Clone, Debug)]
pub struct Whole {
    pub(super) source: Source,
    pub(super) declared: Declared,
    pub(super) url: ServiceUrl,
    /// Only of who registers itself, and is known by it alone.
    pub(in crate::registry) own_id: Option<ServiceId>,
}

impl Whole {
    /// Holds the bounds of a declaration and brings it into the form in which it is kept.
    ///
    /// # Errors
    ///
    /// Where it breaks a bound.
    pub fn of(source: Source, declared: Declared) -> Result<Self, OutOfBounds> {
        let url = bounds::whole(&declared)?;
        let check = match source {
            Source::Agent => {
                return bounds::refuse("source", "agents report what they find", "manual or file");
            }
            Source::Own => Some(Check::Heartbeat),
            Source::Manual | Source::File => declared.check,
        };
        let own_id = (source == Source::Own).then(|| own_id(&declared, &url));
        let models = declared.models.map(|models| by_name(&models));
        let declared = Declared { url: Some(url.as_str().to_owned()), check, models, ..declared };
        Ok(Self { source, declared, url, own_id })
    }

    /// Whose declaration it is.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The record that it makes.
    #[must_use]
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Where its service is called.
    #[must_use]
    pub fn url(&self) -> &ServiceUrl {
        &self.url
    }

    /// The same, as somebody's own; `None`: an admin's.
    #[must_use]
    pub fn owned_by(mut self, owner: Option<Arc<str>>) -> Self {
        self.declared.owner = owner;
        self
    }

    /// The same, with what its checks send.
    #[must_use]
    pub fn with_credential(mut self, credential: Option<Arc<Credential>>) -> Self {
        self.declared.credential = credential;
        self
    }
}

/// Of two models with one name the last stays.
pub(super) fn by_name(models: &[Model]) -> Arc<[Model]> {
    let models: BTreeMap<_, _> = models.iter().map(|model| (&*model.name, model)).collect();
    models.into_values().cloned().collect()
}

/// The id of who registers itself: a UUID made of name, type and URL, so that the same program is
/// the same service after any restart of either side.
fn own_id(declared: &Declared, url: &ServiceUrl) -> ServiceId {
    let name = declared.name.as_deref().unwrap_or_default();
    let r#type = declared.r#type.map_or("", Word::word);
    let text = format!("{type}\n{}\n{name}", url.as_str());
    ServiceId::from_text(&Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string())
}
