//! Silences: of which alerts nobody wants to be told, and until when.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alerts::{Matcher, Silence, SilenceError};
use crate::auth::Action;
use crate::registry::encode::json as encode;

use super::body::Body;
use super::guard::Routes;
use super::list::Page;
use super::problem::{Checked, Kind, Problem};
use super::query::NoParameters;
use super::{Api, json};

/// The routes of silences.
pub fn routes() -> Routes<Api> {
    Routes::new()
        .on(Action::ReadFleet, "/api/v1/silences", get(list))
        .on(Action::Change, "/api/v1/silences", post(add))
        .on(Action::Change, "/api/v1/silences/{id}", delete(remove))
}

/// A silence as it is asked for.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "SilenceForm")]
#[serde(deny_unknown_fields)]
pub struct Request {
    matcher: Matcher,
    /// Until when: a time to come, within a year.
    until: Timestamp,
    /// Why, for people.
    #[schemars(length(max = 4096))]
    #[serde(default)]
    comment: String,
}

/// A page of silences.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SilenceList")]
pub struct Silences {
    silences: Vec<Arc<Silence>>,
    next_cursor: Option<Arc<str>>,
}

/// `GET /api/v1/silences`: those that hold now.
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let mut silences = api.silences.list(Timestamp::now());
    if let Some(cursor) = page.cursor() {
        silences.retain(|silence| &*silence.id > cursor);
    }
    let is_last = silences.len() <= limit;
    silences.truncate(limit);
    let next_cursor = silences.last().filter(|_| !is_last).map(|last| Arc::clone(&last.id));
    Ok(json(encode(&Silences { silences, next_cursor })))
}

/// `POST /api/v1/silences`, answered once it is on the disk.
///
/// # Errors
///
/// Where a field has a value that is not allowed, or there are too many.
pub async fn add(
    State(api): State<Api>,
    _: NoParameters,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    let Request { matcher, until, comment } = request;
    let tasks = api.tasks.clone();
    // In a task of its own: whoever asked may go while it is written.
    let adding = tasks.spawn(async move {
        api.silences.add(&api.store, matcher, until, comment, Timestamp::now()).await
    });
    let silence = adding.await.map_err(|_| gone())??;
    Ok((StatusCode::CREATED, json(encode(&silence))).into_response())
}

/// `DELETE /api/v1/silences/{id}`, answered once that is on the disk.
///
/// # Errors
///
/// Where there is none.
pub async fn remove(
    State(api): State<Api>,
    _: NoParameters,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<StatusCode, Problem> {
    let unknown = Problem::not_found(format!("there is no silence {id:?}"));
    let tasks = api.tasks.clone();
    let removing = tasks.spawn(async move { api.silences.remove(&api.store, &id).await });
    match removing.await.map_err(|_| gone())?? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown),
    }
}

fn gone() -> Problem {
    Problem::new(Kind::Internal, "the silence could not be changed")
}

impl From<SilenceError> for Problem {
    fn from(error: SilenceError) -> Self {
        let words = error.to_string();
        match error {
            SilenceError::Wrong { field, expected } => Self::bad_field(field, words, expected),
            SilenceError::Full => Self::new(Kind::Conflict, words),
            SilenceError::Write(error) => error.into(),
        }
    }
}

#[cfg(test)]
#[path = "silences/tests.rs"]
mod tests;
