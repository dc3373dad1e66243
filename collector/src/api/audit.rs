//! The audit log: who did what, newest first, and whether it is whole.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use crate::auth::Action;
use crate::registry::encode::json as encode;
use crate::store::{AuditEntry, ReadError, Reader};

use super::guard::Routes;
use super::list::Page;
use super::problem::{Checked, Kind, Problem};
use super::{Api, beside, json};

/// Its routes.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::Administer, "/api/v1/audit", get(list)).on(
        Action::Administer,
        "/api/v1/audit/verify",
        get(verify),
    )
}

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "AuditList")]
pub struct Entries {
    audit: Vec<AuditEntry>,
    /// Ask for the next page with it as `cursor`; `null`: there is none.
    next_cursor: Option<String>,
}

/// `GET /api/v1/audit`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed, or the log cannot be read.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let (limit, before) = (page.limit()?, before(&page)?);
    let mut audit = read(&api, move |reader| reader.audit(before, limit + 1)).await?;
    let is_last = audit.len() <= limit;
    audit.truncate(limit);
    let next_cursor = audit.last().filter(|_| !is_last).map(|last| last.seq.to_string());
    Ok(json(encode(&Entries { audit, next_cursor })))
}

/// `GET /api/v1/audit/verify`
///
/// # Errors
///
/// Where the log cannot be read.
pub async fn verify(State(api): State<Api>) -> Result<Response, Problem> {
    let verdict = read(&api, Reader::verify_audit).await?;
    Ok(json(encode(&verdict)))
}

async fn read<T: Send + 'static>(
    api: &Api,
    query: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Problem> {
    let reader = Arc::clone(&api.audit);
    beside(move || {
        query(&reader).map_err(|error| {
            tracing::warn!(%error, "the audit log cannot be read");
            Problem::new(Kind::Unavailable, "the audit log cannot be read now")
        })
    })
    .await
}

fn before(page: &Page) -> Result<Option<i64>, Problem> {
    let Some(text) = page.cursor() else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Problem::bad_field("cursor", format!("{text:?} is no cursor"), "`next_cursor` of a page")
    })
}
