//! Tokens of join lines. The token itself is told once, to whoever makes it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{by, enrolment, gone};
use crate::api::body::Body;
use crate::api::list::Page;
use crate::api::problem::{Checked, Kind, Problem};
use crate::api::query::NoParameters;
use crate::api::{Api, json};
use crate::auth::{Caller, Noted};
use crate::enrol::{JoinToken, PATTERN_BYTES, TokenError, TokenOrder, TokenState};
use crate::registry::encode::json as encode;

/// Most hosts that one token lets in.
const USES_MAX: u32 = 100_000;
/// The shortest and the longest life of a token, seconds: a minute and a year.
const LIFE_S: std::ops::RangeInclusive<u64> = 60..=366 * 86_400;
/// A day.
const LIFE_S_DEFAULT: u64 = 86_400;

/// What a join token shall be.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JoinTokenForm {
    /// How many hosts it lets in.
    #[schemars(range(min = 1, max = 100_000))]
    uses: u32,
    /// For how long, seconds: a minute to a year.
    #[schemars(range(min = 60, max = 31_622_400))]
    expires_in_s: u64,
    /// Which names: `*` stands for any characters, `?` for one. Any, unless told.
    #[schemars(length(min = 1, max = 256))]
    name_pattern: Option<String>,
    /// From which network, as `10.0.0.0/8`. Any, unless told.
    from: Option<String>,
}

/// A join token as it is told.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "JoinToken")]
pub struct JoinTokenView {
    /// What it is called by; no secret.
    id: Arc<str>,
    /// How many hosts it lets in.
    uses: u32,
    /// How many more.
    uses_left: u32,
    /// Which names.
    name_pattern: Option<Arc<str>>,
    /// From which network.
    #[schemars(with = "Option<String>")]
    from: Option<IpNet>,
    /// Since when there is one.
    created_at: Timestamp,
    /// Who made it.
    created_by: Arc<str>,
    /// Until when it is good.
    expires_at: Timestamp,
    /// How it does.
    state: TokenState,
}

/// A page of join tokens.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct JoinTokenList {
    join_tokens: Vec<JoinTokenView>,
    next_cursor: Option<Arc<str>>,
}

/// A join token that was made, with what is told only now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct JoinTokenMade {
    #[serde(flatten)]
    view: JoinTokenView,
    /// The token.
    token: String,
    /// Where the agent connects.
    url: Arc<str>,
    /// By which keys it knows the collector.
    pins: Vec<Fingerprint>,
    /// What to run on the new host.
    line: String,
}

impl Default for JoinTokenForm {
    fn default() -> Self {
        Self { uses: 1, expires_in_s: LIFE_S_DEFAULT, name_pattern: None, from: None }
    }
}

impl JoinTokenForm {
    fn order(self, at: Timestamp) -> Result<TokenOrder, Problem> {
        if !(1..=USES_MAX).contains(&self.uses) {
            let detail = format!("{} is no number of uses", self.uses);
            return Err(Problem::bad_field("uses", detail, "a number from 1 to 100000"));
        }
        if !LIFE_S.contains(&self.expires_in_s) {
            let detail = format!("{} is no life of a token", self.expires_in_s);
            let expected = "a number of seconds from 60 to 31622400, a year";
            return Err(Problem::bad_field("expires_in_s", detail, expected));
        }
        let pattern = self.name_pattern;
        if pattern.as_ref().is_some_and(|text| text.is_empty() || text.len() > PATTERN_BYTES) {
            let expected = "1 to 256 bytes, such as gpu-*";
            return Err(Problem::bad_field("name_pattern", "it is no pattern", expected));
        }
        let life_ms = i64::try_from(self.expires_in_s).unwrap_or(0) * 1000;
        let expires_at = Timestamp::from_unix_ms(at.unix_ms().saturating_add(life_ms));
        let from = self.from.as_deref().map(network).transpose()?;
        Ok(TokenOrder { uses: self.uses, expires_at, name_pattern: pattern.map(Into::into), from })
    }
}

fn network(text: &str) -> Result<IpNet, Problem> {
    let network = text.parse::<IpNet>();
    let network = network.or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| {
        Problem::bad_field("from", format!("{text:?} is no network"), "such as 10.0.0.0/8")
    })
}

impl JoinTokenView {
    fn of(token: &JoinToken, at: Timestamp) -> Self {
        Self {
            id: Arc::clone(&token.id),
            uses: token.uses,
            uses_left: token.uses.saturating_sub(token.used),
            name_pattern: token.name_pattern.clone(),
            from: token.from,
            created_at: token.created_at,
            created_by: Arc::clone(&token.created_by),
            expires_at: token.expires_at,
            state: token.state(at),
        }
    }
}

/// `GET /api/v1/join-tokens`, in the order of their ids.
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub(super) async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let (limit, at) = (page.limit()?, Timestamp::now());
    let all = api.enrolment.as_ref().map(|enrolment| enrolment.tokens(at));
    let mut tokens = all.unwrap_or_default();
    if let Some(cursor) = page.cursor() {
        tokens.retain(|token| &*token.id > cursor);
    }
    let is_last = tokens.len() <= limit;
    tokens.truncate(limit);
    let next_cursor = tokens.last().filter(|_| !is_last).map(|last| Arc::clone(&last.id));
    let join_tokens = tokens.iter().map(|token| JoinTokenView::of(token, at)).collect();
    Ok(json(encode(&JoinTokenList { join_tokens, next_cursor })))
}

/// `POST /api/v1/join-tokens`, answered once it is on the disk. The token is told this once.
///
/// # Errors
///
/// Where a field has a value that is not allowed, or there are too many.
pub(super) async fn make(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Body(form): Body<JoinTokenForm>,
) -> Result<Response, Problem> {
    let (enrolment, by, at) = (enrolment(&api)?, by(&caller), Timestamp::now());
    if api.join_url.is_empty() {
        return Err(no_tls());
    }
    let order = form.order(at)?;
    let making = api.tasks.spawn(async move { enrolment.make_token(order, &by).await });
    let made = making.await.map_err(|_| gone())??;
    let (url, pins) = (Arc::clone(&api.join_url), api.desk.pins());
    let told: Vec<String> = pins.iter().map(ToString::to_string).collect();
    let token = made.text.expose().to_owned();
    let line = format!("echo '{url} {token} {}' | sudo herdbook-agent join", told.join(","));
    let view = JoinTokenView::of(&made.token, at);
    let body = encode(&JoinTokenMade { view, token, url, pins, line });
    Ok((StatusCode::CREATED, Extension(Noted), json(body)).into_response())
}

/// `DELETE /api/v1/join-tokens/{id}`, answered once it is on the disk.
///
/// # Errors
///
/// Where there is none.
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    _: NoParameters,
    Checked(Path(id)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let unknown = Problem::not_found(format!("there is no join token {id:?}"));
    let (enrolment, by) = (enrolment(&api)?, by(&caller));
    let revoking = api.tasks.spawn(async move { enrolment.revoke_token(&id, &by).await });
    match revoking.await.map_err(|_| gone())?? {
        true => Ok((StatusCode::NO_CONTENT, Extension(Noted)).into_response()),
        false => Err(unknown),
    }
}

fn no_tls() -> Problem {
    Problem::new(
        Kind::Conflict,
        "no port of this collector speaks TLS, so that no agent can join: add one (--listen \
         0.0.0.0:6120)",
    )
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let words = error.to_string();
        match error {
            TokenError::Full => Self::new(Kind::Conflict, words),
            TokenError::NoRandom => Self::new(Kind::Internal, words),
            TokenError::Write(error) => error.into(),
        }
    }
}
