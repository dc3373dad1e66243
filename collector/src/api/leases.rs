//! Leases: take a service for one request, give it back, and see which are out.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth;
use crate::registry::encode::json as encode;
use crate::registry::lease::{Lease, Outcome, TTL_S, TTL_S_MAX, TakeError, Taken, Target};
use crate::registry::moment::Moment;
use crate::registry::pick::{Label, Wanted};
use crate::registry::service::{Role, ServiceType};
use crate::registry::snapshot::Snapshot;
use crate::serve::PeerAddr;

use super::body::Body;
use super::list::{Page, one_of};
use super::pick::{ServiceView, caller, none_usable, said};
use super::problem::{Checked, Kind, Problem};
use super::query::NoParameters;
use super::{Api, beside, json};

/// Longest time that is believed of a request, milliseconds: as long as a lease can be.
const LATENCY_MS_MAX: u64 = TTL_S_MAX * 1000;

/// What a lease is wanted for.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "LeaseForm")]
#[serde(deny_unknown_fields)]
pub struct Request {
    model: Option<String>,
    service_id: Option<String>,
    ttl_s: Option<u64>,
    vram_bytes: Option<u64>,
    from: Option<String>,
    role: Option<Role>,
    r#type: Option<ServiceType>,
    cap: Option<String>,
    /// `key` or `key=value`.
    label: Option<String>,
    min_ctx: Option<u64>,
}

/// `POST /api/v1/leases`
///
/// # Errors
///
/// Where a field has a value that is not allowed, or nothing can be taken.
pub async fn take(
    State(api): State<Api>,
    Extension(peer): Extension<PeerAddr>,
    asking: auth::Caller,
    _: NoParameters,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    let ttl = Duration::from_secs(request.ttl_s()?);
    let target = request.target()?;
    let wanted = Wanted {
        caller: caller(&api, request.from.as_deref(), asking.address.unwrap_or(peer.0.ip()))?,
        model: said("model", request.model)?,
        r#type: request.r#type,
        role: request.role,
        cap: said("cap", request.cap)?,
        label: said("label", request.label)?.as_deref().map(Label::parse),
        min_ctx: request.min_ctx,
        vram_bytes: request.vram_bytes,
    };
    if matches!(target, Target::Best) && api.registry.is_wide(&wanted) {
        return beside(move || take_now(&api, &target, &wanted, ttl)).await;
    }
    take_now(&api, &target, &wanted, ttl)
}

impl Request {
    fn ttl_s(&self) -> Result<u64, Problem> {
        let ttl_s = self.ttl_s.unwrap_or(TTL_S);
        if (1..=TTL_S_MAX).contains(&ttl_s) {
            return Ok(ttl_s);
        }
        let expected = format!("seconds, from 1 to {TTL_S_MAX}");
        Err(Problem::bad_field("ttl_s", format!("{ttl_s} is no time for a lease"), expected))
    }

    fn target(&self) -> Result<Target, Problem> {
        let expected = "a model or a service_id, not both";
        match (&self.model, &self.service_id) {
            (Some(_), None) => Ok(Target::Best),
            (None, Some(id)) => Ok(Target::Service(id.clone())),
            (Some(_), Some(_)) => {
                Err(Problem::bad_field("service_id", "both model and service_id", expected))
            }
            (None, None) => {
                Err(Problem::bad_field("model", "neither model nor service_id", expected))
            }
        }
    }
}

fn take_now(
    api: &Api,
    target: &Target,
    wanted: &Wanted,
    ttl: Duration,
) -> Result<Response, Problem> {
    match api.registry.take_lease(target, wanted, ttl, Moment::now()) {
        Ok(taken) => {
            Ok((StatusCode::CREATED, json(encode(&TakenView::of(&taken)))).into_response())
        }
        Err(TakeError::NoneUsable(none)) => Ok(none_usable(&none, wanted)),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &TakeError) -> Problem {
    let words = error.to_string();
    match error {
        TakeError::Full => Problem::new(Kind::Unavailable, words),
        TakeError::UnknownService(_) | TakeError::NoneUsable(_) => {
            Problem::not_found(words).about("service_id", "the id of a service")
        }
        TakeError::Unusable(_) => {
            Problem::new(Kind::Conflict, words).about("service_id", "a service that can be used")
        }
    }
}

/// How a request ended.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ended {
    #[schemars(with = "Option<u64>")]
    latency_ms: Option<String>,
    outcome: Option<String>,
}

/// `DELETE /api/v1/leases/{id}`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed, or the lease is not out.
pub async fn give_back(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(ended)): Checked<Query<Ended>>,
) -> Result<StatusCode, Problem> {
    let outcome = ended.outcome()?;
    let given = api.registry.give_back(&id, outcome, Moment::now());
    given.map_err(|error| Problem::not_found(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

impl Ended {
    fn outcome(&self) -> Result<Outcome, Problem> {
        let latency_ms = self.latency_ms.as_deref().map(latency_ms).transpose()?;
        let words = [
            ("ok", Outcome::Ok(latency_ms)),
            ("error", Outcome::Failed),
            ("timeout", Outcome::Failed),
        ];
        let outcome = one_of("outcome", self.outcome.as_deref(), &words)?;
        Ok(outcome.unwrap_or(Outcome::Ok(latency_ms)))
    }
}

fn latency_ms(text: &str) -> Result<u64, Problem> {
    let ms = text.parse().ok().filter(|ms| *ms <= LATENCY_MS_MAX);
    ms.ok_or_else(|| {
        let expected = format!("whole milliseconds, up to {LATENCY_MS_MAX}");
        Problem::bad_field("latency_ms", format!("{text:?} is no latency"), expected)
    })
}

/// Which leases.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Listed {
    /// On this service alone, by its id or another name of it.
    service: Option<String>,
}

/// `GET /api/v1/leases`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
    Checked(Query(listed)): Checked<Query<Listed>>,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let text = beside(move || {
        let moment = Moment::now();
        let (epoch, seq) = api.registry.cursor();
        let (hosts, services, alerts) = (Vec::new(), Vec::new(), Vec::new());
        let (at, notice) = (moment.at, None);
        let snapshot = Snapshot { epoch, seq, at, notice, hosts, services, alerts };
        // One more than the page holds tells that there is another page.
        let (cursor, max) = (page.cursor(), limit + 1);
        let leases = match &listed.service {
            Some(service) => api.registry.leases_of(service, cursor, max, moment),
            None => api.registry.leases_after(cursor, max, moment),
        };
        let leases: Vec<LeaseView> = leases.iter().map(LeaseView::of).collect();
        page.of(&snapshot, "leases", &leases, |lease| &lease.id, encode)
    });
    text.await.map(json)
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "TakenLease")]
pub(in crate::api) struct TakenView<'a> {
    lease_id: String,
    model: Option<&'a str>,
    service: ServiceView<'a>,
    why: &'a [String],
    expires_at: Timestamp,
    vram_bytes: Option<u64>,
}

impl<'a> TakenView<'a> {
    fn of(taken: &'a Taken) -> Self {
        Self {
            lease_id: taken.lease.id.to_string(),
            model: taken.lease.model.as_deref(),
            service: ServiceView::of(&taken.service),
            why: &taken.service.why,
            expires_at: taken.lease.expires_at,
            vram_bytes: taken.lease.vram_bytes(),
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Lease")]
pub(in crate::api) struct LeaseView<'a> {
    id: String,
    service_id: &'a str,
    model: Option<&'a str>,
    taken_at: Timestamp,
    expires_at: Timestamp,
    /// Reserved on the service's host until the model is in memory there.
    vram_bytes: Option<u64>,
}

impl<'a> LeaseView<'a> {
    fn of(lease: &'a Lease) -> Self {
        Self {
            id: lease.id.to_string(),
            service_id: lease.service_id.as_str(),
            model: lease.model.as_deref(),
            taken_at: lease.taken_at,
            expires_at: lease.expires_at,
            vram_bytes: lease.vram_bytes(),
        }
    }
}
