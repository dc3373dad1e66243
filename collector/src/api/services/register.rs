//! Registering a service: a program registers itself, a person adds one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::api::body::Body;
use crate::api::owner::Owner;
use crate::api::precondition::IfNoneMatch;
use crate::api::problem::{Kind, Problem};
use crate::api::query::NoParameters;
use crate::api::{Api, entity};
use crate::registry::declare::Whole;
use crate::registry::declare::form::{CredentialForm, Form};
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::service::Source;
use crate::registry::service::record::Credential;
use crate::registry::view::View;

/// `POST /api/v1/services`
///
/// # Errors
///
/// Where a field is not as it should be, or the service is there and must not be, or is somebody
/// else's.
pub async fn register(
    State(api): State<Api>,
    Owner(owner): Owner,
    if_none_match: IfNoneMatch,
    _: NoParameters,
    Body(mut form): Body<Form>,
) -> Result<Response, Problem> {
    api.may_write()?;
    let (source, given, moment) = (form.source(), form.credential.take(), Moment::now());
    let whole = Whole::of(source, form.declared())?.owned_by(owner);
    let credential = match given {
        Some(Some(given)) => Some(Arc::new(sealed(&api, &whole, &given)?)),
        Some(None) => None,
        // What was read of a service holds none: sent back, it takes none away.
        None => known_credential(&api, &whole),
    };
    let whole = whole.with_credential(credential);
    let (entry, is_new) = match if_none_match {
        IfNoneMatch::New => (api.registry.add(whole, moment)?, true),
        IfNoneMatch::Any => {
            let upserted = api.registry.upsert(whole, moment)?;
            (upserted.entry, upserted.is_new)
        }
    };
    api.kept().await?;
    let mut response = entity(entry.revision, encode::service(&entry, View::Full));
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    if let Ok(location) = HeaderValue::from_str(&location(entry.id.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Seals a credential. The same one again stays as it was sealed, so that nothing changes.
fn sealed(api: &Api, whole: &Whole, given: &CredentialForm) -> Result<Credential, Problem> {
    let (header, value) = given.checked()?;
    let known = known_credential(api, whole);
    let sealed = api.seal.seal(&header, value, known.as_deref());
    sealed.map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Problem::new(Kind::Internal, "the credential could not be sealed")
    })
}

/// What this source gave for this very URL: it is sent to no other one.
fn known_credential(api: &Api, whole: &Whole) -> Option<Arc<Credential>> {
    let known = api.registry.declared_service(whole, Moment::now())?;
    let records = &known.facts.records;
    let record = if whole.source() == Source::Own { &records.own } else { &records.manual };
    let record = record.as_deref()?;
    let is_same = record.url.as_deref() == Some(whole.url().as_str());
    record.credential.clone().filter(|_| is_same)
}

/// Where a service is read, its id as one segment of the path.
fn location(id: &str) -> String {
    let mut path = "/api/v1/services/".to_owned();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path() {
        assert_eq!(location("[fd00::7]:8000"), "/api/v1/services/%5Bfd00%3A%3A7%5D%3A8000");
        assert_eq!(location("a.b-c~2/ü"), "/api/v1/services/a.b-c~2%2F%C3%BC");
    }
}
