//! `pick`: where a request goes best now. Reads only; `leases` takes what it finds.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::auth;
use crate::registry::encode::json as encode;
use crate::registry::pick::{
    Caller, Chosen, Label, NoneUsable, Picked, Rejected, UnknownCaller, Wanted,
};
use crate::registry::service::{Role, ServiceType, Word};
use crate::serve::PeerAddr;

use super::list::one_of;
use super::problem::{Checked, Kind, Problem};
use super::{Api, beside, json};

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    model: Option<String>,
    /// From where it shall be called: a host's id or name.
    from: Option<String>,
    #[schemars(with = "Option<Role>")]
    role: Option<String>,
    #[schemars(with = "Option<ServiceType>")]
    r#type: Option<String>,
    cap: Option<String>,
    /// `key` or `key=value`.
    label: Option<String>,
    /// Tokens.
    #[schemars(with = "Option<u64>")]
    min_ctx: Option<String>,
}

/// `GET /api/v1/pick`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed, or nothing is asked for.
pub async fn get(
    State(api): State<Api>,
    Extension(peer): Extension<PeerAddr>,
    asking: auth::Caller,
    Checked(Query(asked)): Checked<Query<Asked>>,
) -> Result<Response, Problem> {
    let wanted = asked.wanted(&api, asking.address.unwrap_or(peer.0.ip()))?;
    if api.registry.is_wide(&wanted) {
        return beside(move || Ok(answer(&api, &wanted))).await;
    }
    Ok(answer(&api, &wanted))
}

fn answer(api: &Api, wanted: &Wanted) -> Response {
    match api.registry.pick(wanted) {
        Ok(picked) => json(encode(&PickedView::of(&picked, wanted))),
        Err(none) => none_usable(&none, wanted),
    }
}

impl Asked {
    fn wanted(self, api: &Api, peer: IpAddr) -> Result<Wanted, Problem> {
        if self.model.is_none() && self.r#type.is_none() && self.cap.is_none() {
            let detail = "nothing is asked for: name a model, a type or a capability";
            return Err(Problem::bad_field("model", detail, "model=…, type=… or cap=…"));
        }
        let min_ctx = |text: String| {
            let wrong = |_| Problem::bad_field("min_ctx", format!("{text:?} is no number"), TOKENS);
            text.parse::<u64>().map_err(wrong)
        };
        Ok(Wanted {
            r#type: one_of("type", self.r#type.as_deref(), &words::<ServiceType>())?,
            role: one_of("role", self.role.as_deref(), &words::<Role>())?,
            cap: said("cap", self.cap)?,
            label: said("label", self.label)?.as_deref().map(Label::parse),
            min_ctx: self.min_ctx.map(min_ctx).transpose()?,
            vram_bytes: None,
            caller: caller(api, self.from.as_deref(), peer)?,
            model: said("model", self.model)?,
        })
    }
}

const TOKENS: &str = "a number of tokens";

fn words<T: Word>() -> Vec<(&'static str, T)> {
    T::ALL.iter().map(|value| (value.word(), *value)).collect()
}

/// A word that is empty asks for nothing, which nobody means.
pub(super) fn said(field: &'static str, text: Option<String>) -> Result<Option<String>, Problem> {
    if text.as_deref() == Some("") {
        return Err(Problem::bad_field(field, format!("{field} is empty"), "a word, or no field"));
    }
    Ok(text)
}

/// From where the service shall be called.
pub(super) fn caller(api: &Api, from: Option<&str>, peer: IpAddr) -> Result<Caller, Problem> {
    let caller = api.registry.caller(from, Some(peer));
    caller.map_err(|error| {
        let expected = match &error {
            UnknownCaller::NoHost(_) => "the id of a host, or its name",
            UnknownCaller::Ambiguous { .. } => "the id of a host",
        };
        Problem::bad_field("from", error.to_string(), expected)
    })
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Picked")]
pub(super) struct PickedView<'a> {
    model: Option<&'a str>,
    service: ServiceView<'a>,
    why: &'a [String],
    alternatives: Vec<AlternativeView<'a>>,
    rejected: Vec<RejectedView<'a>>,
    considered: usize,
}

/// A service that can be used, with the model as it calls it.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "PickedService")]
pub(super) struct ServiceView<'a> {
    id: &'a str,
    url: &'a str,
    host_id: Option<&'a str>,
    model: Option<&'a str>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "PickedAlternative")]
struct AlternativeView<'a> {
    #[serde(flatten)]
    service: ServiceView<'a>,
    why: &'a [String],
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RejectedService")]
struct RejectedView<'a> {
    id: &'a str,
    why: &'a str,
}

impl<'a> PickedView<'a> {
    fn of(picked: &'a Picked, wanted: &'a Wanted) -> Self {
        let alternative = |chosen: &'a Chosen| {
            let service = ServiceView::of(chosen);
            AlternativeView { service, why: &chosen.why }
        };
        Self {
            model: wanted.model.as_deref(),
            service: ServiceView::of(&picked.service),
            why: &picked.service.why,
            alternatives: picked.alternatives.iter().map(alternative).collect(),
            rejected: RejectedView::all(&picked.rejected),
            considered: picked.n_considered,
        }
    }
}

impl<'a> ServiceView<'a> {
    pub(super) fn of(chosen: &'a Chosen) -> Self {
        Self {
            id: chosen.entry.id.as_str(),
            url: &chosen.entry.facts.url,
            host_id: chosen.entry.host_id().map(|id| id.as_str()),
            model: chosen.model.as_deref(),
        }
    }
}

impl<'a> RejectedView<'a> {
    fn all(rejected: &'a [Rejected]) -> Vec<Self> {
        let view = |one: &'a Rejected| Self { id: one.id.as_str(), why: &one.why };
        rejected.iter().map(view).collect()
    }
}

/// A problem that says of each service why it cannot be used.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "NoneUsable")]
pub(super) struct NoneUsableView<'a> {
    #[serde(flatten)]
    problem: Problem,
    model: Option<&'a str>,
    rejected: Vec<RejectedView<'a>>,
    considered: usize,
}

/// The answer where nothing can be used: a problem that says of each why, and what to do.
pub(super) fn none_usable(none: &NoneUsable, wanted: &Wanted) -> Response {
    let problem = Problem::new(Kind::NotFound, none_in_words(none.n_considered, wanted));
    let status = problem.status();
    let view = NoneUsableView {
        problem,
        model: wanted.model.as_deref(),
        rejected: RejectedView::all(&none.rejected),
        considered: none.n_considered,
    };
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, kind)], encode(&view)).into_response()
}

fn none_in_words(n_considered: usize, wanted: &Wanted) -> String {
    match (&wanted.model, n_considered) {
        (Some(model), 0) => format!(
            "nothing has model {model:?}: install it on a host, or choose one of GET /api/v1/models"
        ),
        (None, 0) => "no service is of this type and can do this: register one with POST \
                      /api/v1/services, or look at GET /api/v1/services"
            .to_owned(),
        (Some(model), n) => format!(
            "none of {n} services with model {model:?} can be used now: `rejected` says why, and \
             what to do"
        ),
        (None, n) => format!(
            "none of {n} services that were asked for can be used now: `rejected` says why, and \
             what to do"
        ),
    }
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
