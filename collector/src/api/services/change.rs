//! Changing one service by hand: its declared fields, its role, whether it drains, its end.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::body::{self, Body};
use crate::api::list::one_of;
use crate::api::owner::Owner;
use crate::api::precondition::IfMatch;
use crate::api::problem::{Checked, Problem};
use crate::api::query::NoParameters;
use crate::api::{Api, entity, json};
use crate::registry::declare::patch::ServicePatch;
use crate::registry::declare::remove::{Removal, RemoveError, Removed};
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::service::{Role, ServiceEntry, Source, Word};
use crate::registry::view::View;

/// `PATCH /api/v1/services/{id}`
///
/// # Errors
///
/// Where there is no such service, it changed since, or a field is not as it should be.
pub async fn patch(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    IfMatch(if_revision): IfMatch,
    _: NoParameters,
    Checked(body): Checked<Bytes>,
) -> Result<Response, Problem> {
    keeps_identity(&body)?;
    patched(&api, &id, body::read::<ServicePatch>(&body)?, if_revision).await
}

/// Which part of a service to remove.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Part {
    #[schemars(with = "Option<Source>")]
    source: Option<String>,
}

/// `DELETE /api/v1/services/{id}`, answered with the service as it was, or as it stays.
///
/// # Errors
///
/// Where there is no such service, it changed since, it is somebody else's, or it would come back by
/// itself.
pub async fn remove(
    State(api): State<Api>,
    Owner(caller): Owner,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(part)): Checked<Query<Part>>,
    IfMatch(if_revision): IfMatch,
) -> Result<Response, Problem> {
    let words: Vec<_> = Source::ALL.iter().map(|source| (source.word(), *source)).collect();
    let source = one_of("source", part.source.as_deref(), &words)?;
    if source == Some(Source::File) {
        return Err(RemoveError::Declared.into());
    }
    let removal = Removal { source, if_revision, caller };
    api.may_write()?;
    let removed = api.catalogs.withdraw_service(&id, removal, Moment::now())?;
    api.kept().await?;
    Ok(match removed {
        Removed::Gone(entry) => json(encode::service(&entry, View::Full)),
        Removed::Stays(entry) => told(&entry),
    })
}

/// The role that a service shall have.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    role: Role,
}

/// `POST /api/v1/services/{id}/promote`
///
/// # Errors
///
/// Where there is no such service or role, or it changed since.
pub async fn promote(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    IfMatch(if_revision): IfMatch,
    _: NoParameters,
    Body(promotion): Body<Promotion>,
) -> Result<Response, Problem> {
    let patch = ServicePatch { role: Some(Some(promotion.role)), ..ServicePatch::default() };
    patched(&api, &id, patch, if_revision).await
}

/// Whether a service shall drain; without a word it shall.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Drain")]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Draining {
    #[serde(default = "yes")]
    drain: bool,
}

/// `POST /api/v1/services/{id}/drain`
///
/// # Errors
///
/// Where there is no such service, it changed since, its host drains, or the body is not as it
/// should be.
pub async fn drain(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    IfMatch(if_revision): IfMatch,
    _: NoParameters,
    Checked(body): Checked<Bytes>,
) -> Result<Response, Problem> {
    let drain = body.is_empty() || body::read::<Draining>(&body)?.drain;
    let patch = ServicePatch { drain: Some(Some(drain)), ..ServicePatch::default() };
    patched(&api, &id, patch, if_revision).await
}

async fn patched(
    api: &Api,
    id: &str,
    patch: ServicePatch,
    if_revision: Option<u64>,
) -> Result<Response, Problem> {
    api.may_write()?;
    let entry = api.registry.patch_service(id, patch, if_revision, Moment::now())?;
    api.kept().await?;
    Ok(told(&entry))
}

fn yes() -> bool {
    true
}

fn told(entry: &ServiceEntry) -> Response {
    entity(entry.revision, encode::service(entry, View::Full))
}

/// What a service is known by cannot be changed, and is worth more words than an unknown field.
fn keeps_identity(body: &[u8]) -> Result<(), Problem> {
    let fields: HashMap<String, IgnoredAny> = serde_json::from_slice(body).unwrap_or_default();
    match ["url", "type", "id"].into_iter().find(|field| fields.contains_key(*field)) {
        Some(field) => Err(Problem::bad_field(
            field,
            "a service is told from others by it, so that it cannot be changed",
            "a registration under the new one, and the removal of the old one",
        )),
        None => Ok(()),
    }
}
