//! The keys of agents: those that wait, that count, and that no longer do.

use std::future::Future;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{by, enrolment, gone};
use crate::api::list::{LIMIT_DEFAULT, LIMIT_MAX, one_of};
use crate::api::problem::{Checked, Kind, Problem};
use crate::api::query::{NoParameters, given};
use crate::api::{Api, json};
use crate::auth::{Caller, Noted};
use crate::enrol::{AgentError, AgentView, By, Enrolment, KeyState};
use crate::registry::encode::json as encode;
use crate::store::WriteError;

/// Which agents.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct AgentSearch {
    /// In this state.
    #[schemars(with = "Option<KeyState>")]
    state: Option<String>,
    /// At most so many, 1,000 unless told.
    #[schemars(with = "Option<u64>")]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of agents.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct AgentList {
    agents: Vec<AgentView>,
    #[schemars(with = "Option<String>")]
    next_cursor: Option<Fingerprint>,
}

const STATES: [(&str, KeyState); 3] = [
    ("pending", KeyState::Pending),
    ("approved", KeyState::Approved),
    ("revoked", KeyState::Revoked),
];

/// `GET /api/v1/agents`, in the order of their fingerprints.
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub(super) async fn list(
    State(api): State<Api>,
    Checked(Query(search)): Checked<Query<AgentSearch>>,
) -> Result<Response, Problem> {
    let state = one_of("state", given(&search.state), &STATES)?;
    let limit = match given(&search.limit) {
        None => LIMIT_DEFAULT,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            let expected = format!("a number from 1 to {LIMIT_MAX}");
            let refused = || Problem::bad_field("limit", format!("{text:?} is no limit"), expected);
            limit.ok_or_else(refused)?
        }
    };
    let after = given(&search.cursor).map(|text| fingerprint("cursor", text)).transpose()?;
    let all = api.enrolment.as_ref().map(|enrolment| enrolment.agents(Timestamp::now()));
    let mut agents = all.unwrap_or_default();
    agents.retain(|agent| state.is_none_or(|state| agent.state == state));
    agents.retain(|agent| after.is_none_or(|after| agent.fingerprint > after));
    let is_last = agents.len() <= limit;
    agents.truncate(limit);
    let next_cursor = agents.last().filter(|_| !is_last).map(|last| last.fingerprint);
    Ok(json(encode(&AgentList { agents, next_cursor })))
}

/// `POST /api/v1/agents/{fingerprint}/approve`, answered once it is on the disk.
///
/// # Errors
///
/// Where nobody with this key waits.
pub(super) async fn approve(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    acted(&api, &caller, &key, async |enrolment, key, by| enrolment.approve(key, &by).await).await
}

/// `POST /api/v1/agents/{fingerprint}/revoke`, answered once it is on the disk.
///
/// # Errors
///
/// Where there is no such key, or it was revoked.
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    acted(&api, &caller, &key, async |enrolment, key, by| enrolment.revoke(key, &by).await).await
}

/// `POST /api/v1/agents/{fingerprint}/rotate`, answered once it is on the disk.
///
/// # Errors
///
/// Where there is no such key, or it was revoked.
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    acted(&api, &caller, &key, async |enrolment, key, by| enrolment.rotate(key, &by).await).await
}

/// `DELETE /api/v1/agents/{fingerprint}`, answered once it is on the disk.
///
/// # Errors
///
/// Where there is no such key, or it counts.
pub(super) async fn forget(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Checked(Path(key)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let (enrolment, key, by) = (enrolment(&api)?, fingerprint("fingerprint", &key)?, by(&caller));
    let forgetting = api.tasks.spawn(async move { enrolment.forget(key, &by).await });
    forgetting.await.map_err(|_| gone())??;
    Ok((StatusCode::NO_CONTENT, Extension(Noted)).into_response())
}

/// In a task of its own: whoever asked may go while it is written.
async fn acted<F>(
    api: &Api,
    caller: &Caller,
    key: &str,
    act: impl FnOnce(Arc<Enrolment>, Fingerprint, By) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<AgentView, AgentError>> + Send + 'static,
{
    let (enrolment, key) = (enrolment(api)?, fingerprint("fingerprint", key)?);
    let acting = api.tasks.spawn(act(enrolment, key, by(caller)));
    let view = acting.await.map_err(|_| gone())??;
    Ok((Extension(Noted), json(encode(&view))).into_response())
}

fn fingerprint(field: &'static str, text: &str) -> Result<Fingerprint, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("{text:?} is no fingerprint");
        Problem::bad_field(field, detail, "sha256: and 43 characters of base64url")
    })
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        let words = error.to_string();
        match error {
            AgentError::Unknown(_) => Self::not_found(words),
            AgentError::State(_) => Self::new(Kind::Conflict, words),
            AgentError::Unlogged(WriteError::DiskFull) => Self::new(Kind::StorageFull, words),
            AgentError::Unlogged(_) => Self::new(Kind::Unavailable, words),
            AgentError::Write(error) => error.into(),
        }
    }
}
