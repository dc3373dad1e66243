//! What people say of hosts, one or many, and the end of a host.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use herdbook_shared::ids::HostId;
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::body::Body;
use crate::api::precondition::{IfMatch, stale};
use crate::api::problem::{Checked, Kind, Problem};
use crate::api::query::NoParameters;
use crate::api::{Api, beside, entity, json};
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::node::{HostEdit, PatchHostError, RemoveHostError, UnknownHost, WrongEdit};
use crate::registry::view::View;

use super::Filter;

/// Hosts that are changed before the sockets get their turn, each in one step with its services.
/// A change of many hosts is not one step: a viewer sees it go through the fleet.
const HOSTS_A_TURN: usize = 40;

/// The body of a PATCH: what is absent stays, `null` takes back what people said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostForm {
    #[serde(default, deserialize_with = "present")]
    role: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    labels: Option<Option<BTreeMap<String, Option<String>>>>,
    #[serde(default, deserialize_with = "present")]
    notes: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    drain: Option<Option<bool>>,
    #[serde(default, deserialize_with = "present")]
    expected_absent: Option<Option<bool>>,
}

/// Tells `null` from a field that is absent.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl From<HostForm> for HostEdit {
    fn from(form: HostForm) -> Self {
        let HostForm { role, labels, notes, drain, expected_absent } = form;
        Self { role, labels, notes, drain, expected_absent }
    }
}

/// `PATCH /api/v1/hosts/{id}`
///
/// # Errors
///
/// Where there is no such host, it has changed meanwhile, or the body is wrong.
pub async fn patch(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    IfMatch(revision): IfMatch,
    _: NoParameters,
    Body(form): Body<HostForm>,
) -> Result<Response, Problem> {
    api.may_write()?;
    let edit = form.into();
    let host = api.registry.patch_host(&id, &edit, revision, Moment::now());
    let host = host.map_err(|error| match error {
        PatchHostError::Unknown(unknown) => unknown.into(),
        PatchHostError::Stale { revision } => stale(revision),
        PatchHostError::Wrong(wrong) => Problem::from(wrong),
    })?;
    api.kept().await?;
    Ok(entity(host.revision, encode::host(&host, View::Full)))
}

/// `PATCH /api/v1/hosts?…`: the same change for all hosts that a selector names.
///
/// # Errors
///
/// Where there is no selector, or it or the body is wrong: nothing is changed.
pub async fn patch_many(
    State(api): State<Api>,
    Checked(Query(parameters)): Checked<Query<Vec<(String, String)>>>,
    headers: HeaderMap,
    Body(form): Body<HostForm>,
) -> Result<Response, Problem> {
    if headers.contains_key(header::IF_MATCH) {
        let detail = "If-Match is for one host: name it in the path";
        return Err(Problem::bad_field("If-Match", detail, "no such header"));
    }
    let (filter, edit) = (selector(parameters)?, HostEdit::from(form));
    api.may_write()?;
    let registry = api.registry.clone();
    let (ids, edit) = beside(move || {
        let snapshot = registry.snapshot(Moment::now());
        let hosts = filter.select(&registry, &snapshot.hosts)?;
        // All or nothing: what would be refused for one is refused before the first is changed.
        for host in &hosts {
            host.patch.edited(&edit)?;
        }
        Ok((hosts.iter().map(|host| host.id.clone()).collect::<Vec<_>>(), edit))
    })
    .await?;
    let mut hosts: Vec<HostId> = Vec::new();
    for some in ids.chunks(HOSTS_A_TURN) {
        hosts.extend(api.registry.patch_hosts(some, &edit, Moment::now()));
        tokio::task::yield_now().await;
    }
    api.kept().await?;
    Ok(json(encode::json(&ChangedHosts { changed: hosts.len(), hosts })))
}

/// The hosts that a change made another of.
#[derive(Debug, Serialize)]
struct ChangedHosts {
    changed: usize,
    hosts: Vec<HostId>,
}

const SELECTOR: &str = "status, role, label, name, model or q with a value, or all=true";

/// A parameter that is misspelt would widen the selection: it is refused, not ignored.
fn selector(parameters: Vec<(String, String)>) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    let mut is_selected = false;
    for (name, value) in parameters {
        let field = match name.as_str() {
            "all" if value == "true" => {
                is_selected = true;
                continue;
            }
            "status" => &mut filter.status,
            "role" => &mut filter.role,
            "label" => &mut filter.label,
            "name" => &mut filter.name,
            "model" => &mut filter.model,
            "q" => &mut filter.q,
            _ => {
                let detail = format!("{name:?} selects no hosts");
                return Err(Problem::bad_field(name, detail, SELECTOR));
            }
        };
        if value.is_empty() || field.is_some() {
            let detail = format!("{name:?} is empty or there twice");
            return Err(Problem::bad_field(name, detail, SELECTOR));
        }
        *field = Some(value);
        is_selected = true;
    }
    if !is_selected {
        let detail = "nothing says which hosts shall be changed";
        return Err(Problem::bad_field("query", detail, SELECTOR));
    }
    Ok(filter)
}

/// `DELETE /api/v1/hosts/{id}`
///
/// # Errors
///
/// Where there is no such host, it has changed meanwhile, or its agent is connected.
pub async fn remove(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    IfMatch(revision): IfMatch,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    api.may_write()?;
    let removed = api.registry.remove_host(&id, revision, Moment::now());
    removed.map_err(|error| match error {
        RemoveHostError::Unknown(unknown) => unknown.into(),
        RemoveHostError::Stale { revision } => stale(revision),
        RemoveHostError::Connected => Problem::new(Kind::Conflict, error.to_string()),
    })?;
    api.kept().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<UnknownHost> for Problem {
    fn from(unknown: UnknownHost) -> Self {
        Self::not_found(unknown.to_string())
    }
}

impl From<WrongEdit> for Problem {
    fn from(wrong: WrongEdit) -> Self {
        Self::bad_field(wrong.field, wrong.to_string(), wrong.expected)
    }
}
