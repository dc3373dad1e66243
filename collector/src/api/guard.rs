//! What every request passes before anything else sees it, upgrades and unknown paths included:
//! Host, Origin, method and Content-Type are checked, its sender is recognised, and its answer
//! gets the headers that browsers obey.
//!
//! A route exists only through [`Routes`], which takes its [`Action`](crate::auth::Action), and
//! only a [`Guarded`] application can be served: forgetting either does not compile.

mod answer;
mod checks;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub use answer::PAGE_POLICY;
pub use routes::{Declared, Routes};

use super::problem::{self, Problem};
use crate::auth::{AllowedHosts, recognise};
use crate::serve::{Channel, PeerAddr, Rarely};

/// Largest body of a request, bytes.
pub const BODY_BYTES: usize = 256 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Refused requests are logged at most this often.
const REFUSAL_LOG_EVERY: Duration = Duration::from_secs(10);

/// An application whose every route is guarded. Nothing else can be served.
#[derive(Clone, Debug)]
pub struct Guarded(Router);

struct Guard {
    hosts: AllowedHosts,
    refusals: Rarely,
}

impl Guarded {
    /// Puts the guard around `routes`, which answer for loopback names and `hosts`.
    #[must_use]
    pub fn new(routes: Routes, hosts: AllowedHosts) -> Self {
        let guard = Arc::new(Guard { hosts, refusals: Rarely::every(REFUSAL_LOG_EVERY) });
        let router = routes
            .into_router()
            .method_not_allowed_fallback(problem::wrong_method)
            .fallback(problem::unknown_route)
            .layer(from_fn_with_state(guard, admit));
        Self(router)
    }

    /// What answers requests. Whatever is added to it is not guarded and not served.
    pub fn router(&self) -> Router {
        self.0.clone()
    }
}

async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let mut response = match guard.check(&mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            guard.log(&request, &problem);
            problem.into_response()
        }
    };
    answer::harden(response.headers_mut());
    response
}

impl Guard {
    /// Refuses the request, or notes in it who sends it.
    fn check(&self, request: &mut Request) -> Result<(), Problem> {
        checks::method(request.method())?;
        // Without a connection around nothing is known to be secret.
        let channel = request.extensions().get::<Channel>().copied().unwrap_or(Channel::Plain);
        let host = checks::host(request, &self.hosts, channel)?;
        checks::origin(request.headers(), &host)?;
        checks::content(request.headers())?;
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0);
        let principal = recognise(peer, host.kind, request.headers());
        request.extensions_mut().insert(principal);
        Ok(())
    }

    fn log(&self, request: &Request, problem: &Problem) {
        if let Some(unlogged) = self.refusals.allow() {
            let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0);
            tracing::info!(
                ?peer, method = ?request.method(), path = ?request.uri().path(),
                status = problem.status().as_u16(), detail = problem.detail(), unlogged,
                "request refused"
            );
        }
    }
}

#[cfg(test)]
mod tests;
