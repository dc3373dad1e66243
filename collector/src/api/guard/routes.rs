//! Routes that say what they let their caller do.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::super::problem::{Kind, Problem};
use super::audit::Deed;
use super::{BODY_BYTES, BODY_TIMEOUT, checks};
use crate::auth::{Access, Action, Caller, Denied, Lapse, Unknown, authorize};

/// A router to which a route can only be added together with its action.
#[derive(Clone, Debug)]
pub struct Routes<S = ()> {
    router: Router<S>,
    declared: Vec<Declared>,
}

/// One path and what it lets its caller do; tests walk through all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The path as it was declared, with `{…}` for what varies.
    pub path: String,
    /// What whoever asks there must be allowed to do.
    pub action: Action,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), declared: Vec::new() }
    }

    /// Adds `handlers` at `path`, for whoever is allowed to do `action`. The same path may come
    /// again with other methods and another action.
    #[must_use]
    pub fn on(mut self, action: Action, path: &str, handlers: MethodRouter<S>) -> Self {
        let declared = Declared { path: path.to_owned(), action };
        // Not `route_layer`: that would leave out what answers every method, and fallbacks.
        let handlers = handlers.layer(from_fn_with_state(Arc::new(declared.clone()), require));
        self.router = self.router.route(path, handlers);
        self.declared.push(declared);
        self
    }

    /// Adds all routes of `other`.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Gives the handlers their state, so that routes of different states can be merged.
    #[must_use]
    pub fn with_state<T: Clone + Send + Sync + 'static>(self, state: S) -> Routes<T> {
        Routes { router: self.router.with_state(state), declared: self.declared }
    }

    /// Every route that was declared.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    pub(super) fn into_router(self) -> Router<S> {
        self.router
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Stands in front of each handler. Without a caller (no guard around) nobody gets through.
async fn require(State(route): State<Arc<Declared>>, mut request: Request, next: Next) -> Response {
    let action = route.action;
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.unwrap_or_else(|| Caller::nobody(Unknown::Unseen));
    if let Err(denied) = authorize(&caller.principal, action) {
        return denied.into_response();
    }
    let access = request.extensions().get::<Arc<Access>>().cloned();
    if let Some(access) = access.as_deref()
        && let Err(wait) = within_rate(access, &caller, action)
    {
        return Problem::too_many("too many requests of this caller", wait).into_response();
    }
    let deed = match &access {
        Some(_) if action.is_audited(&caller.principal) => {
            Some(Deed::of(&route.path, &mut request).await)
        }
        _ => None,
    };
    let (request, body) = match with_whole_body(request).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let is_safe = request.method().is_safe();
    let goes_on = deed.is_some() || goes_on(action);
    let Some(access) = access.filter(|_| !is_safe && goes_on) else {
        return while_it_lasts(caller.lapse, is_safe, next.run(request)).await;
    };
    // Whoever asked may hang up: what is done is told all the same.
    let doing = Arc::clone(&access);
    let done = access.to_its_end(async move {
        let response = next.run(request).await;
        match deed {
            Some(deed) => deed.told(&doing, &caller, &body, response).await,
            None => response,
        }
    });
    let broke = || Problem::new(Kind::Internal, "the request could not be answered");
    done.await.unwrap_or_else(|| broke().into_response())
}

/// What is not for others: beats come by the thousand, and a lease that nobody hears of helps
/// nobody.
fn goes_on(action: Action) -> bool {
    !matches!(action, Action::Register | Action::Beat | Action::Lease)
}

fn within_rate(access: &Access, caller: &Caller, action: Action) -> Result<(), Duration> {
    match action {
        Action::Register => access.may_register(caller),
        Action::Beat => access.may_beat(caller),
        _ => Ok(()),
    }
}

/// An answer that takes long, or never ends, ends with the right to it.
async fn while_it_lasts(
    lapse: Lapse,
    is_safe: bool,
    answer: impl Future<Output = Response>,
) -> Response {
    if !is_safe {
        return answer.await;
    }
    let response = tokio::select! {
        response = answer => response,
        () = lapse.ended() => return Denied::Nobody(Unknown::SignedOut).into_response(),
    };
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        let lasts = body.into_data_stream().take_until(async move { lapse.ended().await });
        Body::from_stream(lasts)
    })
}

/// Reads the body before the handler starts, so that size and time are bounded for all of them.
async fn with_whole_body(request: Request) -> Result<(Request, Bytes), Problem> {
    let headers = request.headers();
    if !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
    {
        return Ok((request, Bytes::new()));
    }
    let (head, body) = request.into_parts();
    match timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok((Request::from_parts(head, Body::from(bytes.clone())), bytes)),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(_) => Err(Problem::new(Kind::Timeout, "the body did not arrive within 10 s")),
    }
}

fn unreadable(error: &axum::Error) -> Problem {
    use std::error::Error as _;
    match error.source() {
        Some(source) if source.is::<http_body_util::LengthLimitError>() => checks::too_large(),
        _ => Problem::new(Kind::BadRequest, "the body broke off"),
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let kind = match self {
            Self::Nobody(why) if why.wants_credentials() => Kind::Unauthorized,
            Self::Nobody(_) | Self::Role => Kind::Forbidden,
        };
        Problem::new(kind, self.to_string()).into_response()
    }
}
