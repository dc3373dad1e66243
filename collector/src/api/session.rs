//! Signing in and out, who one is, the first admin, and one's own password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::{Access, AccessError, Action, Caller, Principal, Role, SignedIn, Who};
use crate::registry::encode::json as encode;
use crate::secret::Secret;

use super::body::Body;
use super::guard::Routes;
use super::problem::{Kind, Problem};
use super::query::NoParameters;
use super::{Api, json};

/// Their routes.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new()
        .on(Action::SignIn, "/api/v1/session", get(show).post(sign_in).delete(sign_out))
        .on(Action::SignIn, "/api/v1/first-admin", post(make_first_admin))
        .on(Action::ReadFleet, "/api/v1/password", post(change_password))
}

/// A secret text in a body, which nothing prints.
pub(super) fn secret<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A name and a password.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInForm {
    name: String,
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 12, max = 256))]
    password: Secret,
}

/// What the first admin gives, with the code that the collector printed.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstAdminForm {
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String")]
    code: Secret,
    name: String,
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 12, max = 256))]
    password: Secret,
}

/// One's own password, and the next one.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordForm {
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 12, max = 256))]
    current: Secret,
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 12, max = 256))]
    new: Secret,
}

/// What sort of caller somebody is.
#[derive(Clone, Copy, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CallerKind {
    /// Nobody that the collector knows.
    Nobody,
    /// Whoever is on the collector's machine.
    Local,
    /// A person who signed in.
    Person,
    /// A program with a token.
    Token,
    /// A person whom a trusted proxy has signed in.
    Proxy,
}

/// Who asks.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CallerIdentity")]
struct Identity {
    kind: CallerKind,
    name: Option<Arc<str>>,
    role: Option<Role>,
}

/// Who asks, and how the collector lets in.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SignInState")]
pub struct Session {
    principal: Identity,
    /// Whether everybody needs credentials, those on the collector's machine too.
    credentials_demanded: bool,
    /// Whether somebody has to become the first admin, by the code that the collector printed.
    first_admin_needed: bool,
    /// Until when the right of whoever asks lasts, if it is not used again; `null`: it does not end
    /// by itself.
    expires_at: Option<Timestamp>,
}

impl Session {
    fn of(caller: &Caller, access: &Access) -> Self {
        Self {
            principal: Identity::of(&caller.principal),
            credentials_demanded: access.demands_credentials(),
            first_admin_needed: access.needs_first_admin(),
            expires_at: caller.expires_at,
        }
    }
}

impl Identity {
    fn of(principal: &Principal) -> Self {
        let Principal::Known { role, who } = principal else {
            return Self { kind: CallerKind::Nobody, name: None, role: None };
        };
        let (kind, name) = match who {
            Who::Loopback | Who::Control => (CallerKind::Local, None),
            Who::Person(name) => (CallerKind::Person, Some(name)),
            Who::Token { name, .. } => (CallerKind::Token, Some(name)),
            Who::Proxy(name) => (CallerKind::Proxy, Some(name)),
        };
        Self { kind, name: name.cloned(), role: Some(*role) }
    }
}

/// `GET /api/v1/session`
pub async fn show(State(api): State<Api>, caller: Caller) -> Response {
    json(encode(&Session::of(&caller, &api.access)))
}

/// `POST /api/v1/session`
///
/// # Errors
///
/// Where the name or the password is wrong, in the same words and time, or there were too many
/// tries.
pub async fn sign_in(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
    Body(form): Body<SignInForm>,
) -> Result<Response, Problem> {
    let signed_in = api.access.sign_in(&caller, &form.name, form.password).await?;
    Ok(let_in(StatusCode::OK, &signed_in, &api.access))
}

/// `DELETE /api/v1/session`
///
/// # Errors
///
/// Where it could not be kept.
pub async fn sign_out(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
) -> Result<Response, Problem> {
    api.access.sign_out(&caller).await?;
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &caller.no_cookie()))
}

/// `POST /api/v1/first-admin`
///
/// # Errors
///
/// Where the code is wrong or over, or there is an admin.
pub async fn make_first_admin(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
    Body(form): Body<FirstAdminForm>,
) -> Result<Response, Problem> {
    let FirstAdminForm { code, name, password } = form;
    let signed_in = api.access.make_first_admin(&caller, &code, &name, password).await?;
    Ok(let_in(StatusCode::CREATED, &signed_in, &api.access))
}

/// `POST /api/v1/password`
///
/// # Errors
///
/// Where the present one is wrong, or the next one not allowed.
pub async fn change_password(
    State(api): State<Api>,
    _: NoParameters,
    caller: Caller,
    Body(form): Body<PasswordForm>,
) -> Result<StatusCode, Problem> {
    api.access.change_password(&caller, form.current, form.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn let_in(status: StatusCode, signed_in: &SignedIn, access: &Access) -> Response {
    let session = Session::of(&signed_in.caller, access);
    let response = (status, json(encode(&session))).into_response();
    with_cookie(response, signed_in.cookie.expose())
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut cookie) = HeaderValue::from_str(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let words = error.to_string();
        match error {
            AccessError::Wrong { field, expected } => Self::bad_field(field, words, expected),
            AccessError::Exists
            | AccessError::Full
            | AccessError::LastAdmin
            | AccessError::HasAdmin
            | AccessError::NotAPerson => Self::new(Kind::Conflict, words),
            AccessError::NoPerson => Self::not_found(words),
            AccessError::Refused => Self::new(Kind::Unauthorized, words),
            AccessError::BadCode => Self::new(Kind::Forbidden, words),
            AccessError::Limited(wait) => Self::too_many(words, wait),
            AccessError::NoRandomness => Self::new(Kind::Unavailable, words),
            AccessError::Write(error) => error.into(),
        }
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
