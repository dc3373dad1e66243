//! Histories: the sessions of a host, and how a host or service did and why. Newest first, in
//! pages whose cursor is the number of their last row.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::history::session_row;
use crate::registry::encode;
use crate::registry::node::UnknownHost;
use crate::store::{Numbered, ReadError, Whose};

use super::list::{Page, one_of};
use super::problem::{Checked, Kind, Problem};
use super::{Api, json};

/// Which sessions.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Wanted {
    #[schemars(with = "Option<bool>")]
    active: Option<String>,
}

/// `GET /api/v1/hosts/{id}/sessions`: the open one, as it is now, and those that ended.
///
/// # Errors
///
/// Where there is no such host, or a parameter has a value that is not allowed.
pub async fn sessions(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let active = one_of("active", wanted.active.as_deref(), &[("true", true), ("false", false)])?;
    let (before, limit) = (before(&page)?, page.limit()?);
    let host = api.registry.host(&id).ok_or(UnknownHost(id))?;
    // The open one has no number yet: it stands before the first page.
    let is_first = before.is_none() && active != Some(false);
    let open = host.session.as_deref().filter(|_| is_first);
    let open = open.map(|session| session_row(&host.id, session, None));
    let n_ended = if active == Some(true) { 0 } else { limit - usize::from(open.is_some()) };
    let mut ended = Vec::new();
    if active != Some(true) {
        ended = api.history.sessions(host.id.to_string(), before, n_ended + 1).await?;
        ended.retain(|(_, row)| open.as_ref().is_none_or(|open| open.id != row.id));
    }
    let next_cursor = cut(&mut ended, n_ended, before.or(Some(i64::MAX)));
    let sessions = open.into_iter().chain(ended.into_iter().map(|(_, row)| row)).collect();
    Ok(json(encode::json(&Sessions { sessions, next_cursor })))
}

/// A page of sessions, newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SessionList")]
pub(super) struct Sessions<T> {
    sessions: Vec<T>,
    next_cursor: Option<String>,
}

/// `GET /api/v1/hosts/{id}/history`
///
/// # Errors
///
/// Where there is no such host, or a parameter has a value that is not allowed.
pub async fn of_host(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let host = api.registry.host(&id).ok_or(UnknownHost(id))?;
    history(&api, Whose::Host(host.id.to_string()), &page).await
}

/// `GET /api/v1/services/{id}/history`
///
/// # Errors
///
/// Where there is no such service, or a parameter has a value that is not allowed.
pub async fn of_service(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let service = api.registry.resolve(&id);
    let service =
        service.ok_or_else(|| Problem::not_found(format!("there is no service {id:?}")))?;
    history(&api, Whose::Service(service.id.to_string()), &page).await
}

/// A page of a history, newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "History")]
pub(super) struct Statuses<T> {
    history: Vec<T>,
    next_cursor: Option<String>,
}

async fn history(api: &Api, whose: Whose, page: &Page) -> Result<Response, Problem> {
    let (before, limit) = (before(page)?, page.limit()?);
    let mut rows = api.history.statuses(whose, before, limit + 1).await?;
    let next_cursor = cut(&mut rows, limit, None);
    let history = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json(encode::json(&Statuses { history, next_cursor })))
}

/// The number in a cursor.
fn before(page: &Page) -> Result<Option<i64>, Problem> {
    let Some(text) = page.cursor() else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number >= 0);
    let wrong = || {
        let detail = format!("{text:?} is no cursor of this list");
        Problem::bad_field("cursor", detail, "the next_cursor of the page before")
    };
    number.map(Some).ok_or_else(wrong)
}

/// Cuts rows, of which one more was read, to a page, and says where the next one begins: after its
/// last row, or after `otherwise` where it has none.
fn cut<T>(rows: &mut Vec<Numbered<T>>, limit: usize, otherwise: Option<i64>) -> Option<String> {
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    let last = rows.last().map(|(number, _)| *number).or(otherwise);
    last.map(|number| number.to_string())
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "a history could not be told");
        Self::new(Kind::Internal, "the history cannot be read now")
    }
}
