//! Tokens of programs that use the API.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use serde::{Deserialize, Serialize};

use crate::auth::{Action, Caller, Noted, Role, TokenView};
use crate::registry::encode::json as encode;

use super::body::Body;
use super::guard::Routes;
use super::problem::{Checked, Problem};
use super::query::NoParameters;
use super::{Api, json};

/// Their routes.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::Administer, "/api/v1/tokens", get(list).post(make)).on(
        Action::Administer,
        "/api/v1/tokens/{id}",
        delete(revoke),
    )
}

/// All tokens, in the order of their ids; those that no longer hold for 30 days.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ApiTokenList")]
pub struct Tokens {
    tokens: Vec<TokenView>,
    /// Always `null`: they are all here.
    next_cursor: Option<String>,
}

/// A token as it is asked for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenForm {
    /// What it is for.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    role: Role,
    /// For how long it holds, seconds; without it until it is revoked.
    #[serde(default)]
    #[schemars(range(min = 1, max = 315_360_000))]
    expires_in_s: Option<u64>,
}

/// A token that was just made.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "MadeApiToken")]
pub struct Made {
    #[serde(flatten)]
    view: TokenView,
    /// What a program sends: `Authorization: Bearer hbt_…`. It is told this once.
    token: String,
}

/// `GET /api/v1/tokens`
pub async fn list(State(api): State<Api>) -> Response {
    json(encode(&Tokens { tokens: api.access.tokens(), next_cursor: None }))
}

/// `POST /api/v1/tokens`
///
/// # Errors
///
/// Where a field has a value that is not allowed, or there are too many.
pub async fn make(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
    Body(form): Body<ApiTokenForm>,
) -> Result<Response, Problem> {
    let ApiTokenForm { name, role, expires_in_s } = form;
    let (view, text) = api.access.make_token(&caller, &name, role, expires_in_s).await?;
    let made = Made { view, token: text.expose().to_owned() };
    Ok((StatusCode::CREATED, Extension(Noted), json(encode(&made))).into_response())
}

/// `DELETE /api/v1/tokens/{id}`
///
/// # Errors
///
/// Where there is none that holds.
pub async fn revoke(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    _: NoParameters,
    caller: Caller,
) -> Result<Response, Problem> {
    if !api.access.revoke_token(&caller, &id).await? {
        return Err(Problem::not_found(format!("there is no token {id:?} to revoke")));
    }
    Ok((StatusCode::NO_CONTENT, Extension(Noted)).into_response())
}
