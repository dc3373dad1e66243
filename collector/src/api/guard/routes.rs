//! Routes that say what they let their caller do.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use tokio::time::timeout;

use super::super::problem::{Kind, Problem};
use super::{BODY_BYTES, BODY_TIMEOUT, checks};
use crate::auth::{Action, Denied, Principal, Unknown, authorize};

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
        // Not `route_layer`: that would leave out what answers every method, and fallbacks.
        let handlers = handlers.layer(from_fn_with_state(action, require));
        self.router = self.router.route(path, handlers);
        self.declared.push(Declared { path: path.to_owned(), action });
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

/// Stands in front of each handler. Without a principal (no guard around) nobody gets through.
async fn require(State(action): State<Action>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Principal>().copied();
    let principal = principal.unwrap_or(Principal::Anonymous(Unknown::Unseen));
    if let Err(denied) = authorize(principal, action) {
        return denied.into_response();
    }
    match with_whole_body(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Reads the body before the handler starts, so that size and time are bounded for all of them.
async fn with_whole_body(request: Request) -> Result<Request, Problem> {
    let headers = request.headers();
    if !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
    {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    match timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
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
        Problem::new(Kind::Forbidden, self.to_string()).into_response()
    }
}
