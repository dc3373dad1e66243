//! What every request passes before anything else sees it, upgrades and unknown paths included:
//! Host, Origin, method and Content-Type are checked, its sender is recognised, and its answer
//! gets the headers that browsers obey. What an admin changes stands in the audit log before the
//! answer is let out.
//!
//! A route exists only through [`Routes`], which takes its [`Action`](crate::auth::Action), and
//! only a [`Guarded`] application can be served: forgetting either does not compile.

mod answer;
mod audit;
mod checks;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub use answer::PAGE_POLICY;
pub use audit::Summary;
pub use routes::{Declared, Routes};

use super::problem::{self, Kind, Problem};
use crate::auth::{Access, AllowedHosts, Asking, Caller, HostKind, NotFromPage, recognise};
use crate::serve::{Channel, PeerAddr, Rarely, Standing};

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
    /// Who may get in by credentials; without it nobody.
    access: Option<Arc<Access>>,
    refusals: Rarely,
}

impl Guarded {
    /// Puts the guard around `routes`, which answer for loopback names and `hosts`.
    #[must_use]
    pub fn new(routes: Routes, hosts: AllowedHosts) -> Self {
        Self::of(routes, hosts, None)
    }

    /// The same, where people and programs may have credentials.
    #[must_use]
    pub fn with_access(routes: Routes, hosts: AllowedHosts, access: Arc<Access>) -> Self {
        Self::of(routes, hosts, Some(access))
    }

    fn of(routes: Routes, hosts: AllowedHosts, access: Option<Arc<Access>>) -> Self {
        let refusals = Rarely::every(REFUSAL_LOG_EVERY);
        let guard = Arc::new(Guard { hosts, access, refusals });
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
        let caller = self.recognise(request, host.kind)?;
        let extensions = request.extensions_mut();
        if let Some(standing) = extensions.get::<Standing>()
            && caller.principal.role().is_some()
        {
            standing.vouch_for(&caller.principal);
        }
        extensions.insert(caller.principal.clone());
        extensions.insert(caller);
        if let Some(access) = &self.access {
            extensions.insert(Arc::clone(access));
        }
        Ok(())
    }

    fn recognise(&self, request: &Request, host: HostKind) -> Result<Caller, Problem> {
        let extensions = request.extensions();
        let asking = Asking {
            channel: extensions.get::<Channel>().copied().unwrap_or(Channel::Plain),
            peer: extensions.get::<PeerAddr>().map(|peer| peer.0),
            host,
            headers: request.headers(),
            is_safe: request.method().is_safe(),
        };
        recognise(asking, self.access.as_deref()).map_err(|error| {
            let (field, expected) = match error {
                NotFromPage::Header => ("X-Herdbook", "page"),
                NotFromPage::Origin => ("Origin", "the collector's own"),
            };
            Problem::new(Kind::Forbidden, error.to_string()).about(field, expected)
        })
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
