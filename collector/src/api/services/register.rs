//! Registering a service: a program registers itself, a person adds one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::api::body::Body;
use crate::api::precondition::IfNoneMatch;
use crate::api::problem::{Kind, Problem};
use crate::api::{Api, entity};
use crate::registry::declare::form::{CredentialForm, Form};
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::service::record::{Credential, Declared};
use crate::registry::service::{ServiceEntry, Source};
use crate::registry::view::View;

/// `POST /api/v1/services`
///
/// # Errors
///
/// Where a field is not as it should be, or the service is there and must not be.
pub async fn register(
    State(api): State<Api>,
    if_none_match: IfNoneMatch,
    Body(mut form): Body<Form>,
) -> Result<Response, Problem> {
    let (source, given, moment) = (form.source(), form.credential.take(), Moment::now());
    let mut declared = form.declared();
    if let Some(given) = given {
        declared.credential = Some(Arc::new(sealed(&api, source, &declared, &given)?));
    }
    let (entry, is_new) = match if_none_match {
        IfNoneMatch::New => (api.registry.add_service(source, declared, moment)?, true),
        IfNoneMatch::Any => {
            let upserted = api.registry.upsert_service(source, declared, moment)?;
            (upserted.entry, upserted.is_new)
        }
    };
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
fn sealed(
    api: &Api,
    source: Source,
    declared: &Declared,
    given: &CredentialForm,
) -> Result<Credential, Problem> {
    let (header, value) = given.checked()?;
    let known = api.registry.declared_service(source, declared, Moment::now());
    let known = known.as_deref().and_then(|entry| credential_of(entry, source));
    let sealed = api.seal.seal(&header, value, known);
    sealed.map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Problem::new(Kind::Internal, "the credential could not be sealed")
    })
}

fn credential_of(entry: &ServiceEntry, source: Source) -> Option<&Credential> {
    let records = &entry.facts.records;
    let record = if source == Source::Own { &records.own } else { &records.manual };
    record.as_deref()?.credential.as_deref()
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
