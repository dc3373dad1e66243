//! Who joins: the keys of agents, and the tokens of join lines. Where no credentials are demanded
//! there are none of both.

mod agents;
mod join_tokens;

use std::sync::Arc;

use axum::routing::{delete, get, post};

use super::Api;
use super::guard::Routes;
use super::problem::{Kind, Problem};
use crate::auth::{Action, Caller};
use crate::enrol::{By, Enrolment};

pub use agents::{AgentList, AgentSearch};
pub use join_tokens::{JoinTokenForm, JoinTokenList, JoinTokenMade, JoinTokenView};

/// The routes of both.
pub fn routes() -> Routes<Api> {
    const ALL: &str = "/api/v1/agents";
    const TOKENS: &str = "/api/v1/join-tokens";
    Routes::new()
        .on(Action::Administer, ALL, get(agents::list))
        .on(Action::Administer, "/api/v1/agents/{fingerprint}", delete(agents::forget))
        .on(Action::Administer, "/api/v1/agents/{fingerprint}/approve", post(agents::approve))
        .on(Action::Administer, "/api/v1/agents/{fingerprint}/revoke", post(agents::revoke))
        .on(Action::Administer, "/api/v1/agents/{fingerprint}/rotate", post(agents::rotate))
        .on(Action::Administer, TOKENS, get(join_tokens::list).post(join_tokens::make))
        .on(Action::Administer, "/api/v1/join-tokens/{id}", delete(join_tokens::revoke))
}

/// Who does it, for the log.
fn by(caller: &Caller) -> By {
    By { actor: caller.principal.to_string().into(), from: caller.address }
}

fn enrolment(api: &Api) -> Result<Arc<Enrolment>, Problem> {
    api.enrolment.clone().ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "this collector listens on loopback alone and demands no credentials, so agents need \
             none: listen elsewhere (--listen 0.0.0.0:6121), or set auth = \"required\"",
        )
    })
}

fn gone() -> Problem {
    Problem::new(Kind::Internal, "it could not be done")
}
