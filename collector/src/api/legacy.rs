//! The calls that clients made before there was `/api/v1`, in the shapes that they know. What a
//! body holds besides is ignored, and so are parameters. Everything else is as it is there: the
//! same guard (a body says that it is JSON), the same rights, the same registry, the same bounds.
//!
//! Not here: `/health` ([`super::health`]).

pub(in crate::api) mod entry;
pub(in crate::api) mod read;
pub(in crate::api) mod write;

use axum::routing::{get, post, put};

use crate::auth::Action;

use super::guard::Routes;
use super::{Api, graph};

/// All of them.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new()
        .on(Action::Register, "/register", post(write::register))
        .on(Action::Beat, "/heartbeat", put(write::heartbeat))
        .on(Action::Deregister, "/deregister", post(write::deregister))
        .on(Action::Change, "/promote", post(write::promote))
        .on(Action::ReadFleet, "/discover", get(read::discover))
        .on(Action::ReadFleet, "/services", get(read::services))
        .on(Action::ReadFleet, "/services/{id}", get(read::service))
        .on(Action::ReadFleet, "/stats", get(read::stats))
        .on(Action::ReadFleet, "/api/graph", get(graph::get))
}

#[cfg(test)]
mod tests;
