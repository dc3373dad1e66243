//! People who may sign in.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::{Deserialize, Serialize};

use crate::auth::{Action, Caller, Noted, PersonView, Role};
use crate::registry::encode::json as encode;
use crate::secret::Secret;

use super::body::Body;
use super::guard::Routes;
use super::problem::{Checked, Problem};
use super::query::NoParameters;
use super::session::secret;
use super::{Api, json};

/// Their routes.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::Administer, "/api/v1/people", get(list).post(add)).on(
        Action::Administer,
        "/api/v1/people/{name}",
        patch(change).delete(remove),
    )
}

/// All people, in the order of their names.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PersonList")]
pub struct People {
    people: Vec<PersonView>,
    /// Always `null`: they are all here.
    next_cursor: Option<String>,
}

/// Somebody who shall sign in.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonForm {
    name: String,
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 12, max = 256))]
    password: Secret,
    role: Role,
}

/// What shall be other than it is.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonPatch {
    #[serde(default)]
    role: Option<Role>,
    #[serde(default, deserialize_with = "some_secret")]
    #[schemars(with = "Option<String>", length(min = 12, max = 256))]
    password: Option<Secret>,
}

fn some_secret<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// `GET /api/v1/people`
pub async fn list(State(api): State<Api>) -> Response {
    json(encode(&People { people: api.access.people(), next_cursor: None }))
}

/// `POST /api/v1/people`
///
/// # Errors
///
/// Where a field has a value that is not allowed, or there is such a person.
pub async fn add(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
    Body(form): Body<PersonForm>,
) -> Result<Response, Problem> {
    let PersonForm { name, password, role } = form;
    let person = api.access.add_person(&caller, &name, password, role).await?;
    Ok((StatusCode::CREATED, Extension(Noted), json(encode(&person))).into_response())
}

/// `PATCH /api/v1/people/{name}`
///
/// # Errors
///
/// Where there is no such person, or nobody would be admin.
pub async fn change(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    _: NoParameters,
    caller: Caller,
    Body(patch): Body<PersonPatch>,
) -> Result<Response, Problem> {
    let PersonPatch { role, password } = patch;
    let person = api.access.change_person(&caller, &name, role, password).await?;
    Ok((Extension(Noted), json(encode(&person))).into_response())
}

/// `DELETE /api/v1/people/{name}`
///
/// # Errors
///
/// Where there is no such person, or nobody would be admin.
pub async fn remove(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    _: NoParameters,
    caller: Caller,
) -> Result<Response, Problem> {
    api.access.remove_person(&caller, &name).await?;
    Ok((StatusCode::NO_CONTENT, Extension(Noted)).into_response())
}
