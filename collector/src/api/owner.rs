//! Whose a service is that a request registers, or may change.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::{Kind, Problem};
use crate::auth::Principal;
use crate::registry::vouch::NotYours;

/// Who asks, as an owner of services; `None` is an admin, who may change those of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(pub Option<Arc<str>>);

impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        #[cfg(test)]
        if let Some(client) = parts.extensions.get::<Self>() {
            return Ok(client.clone());
        }
        let principal = parts.extensions.get::<Principal>();
        // Nobody is an admin for want of having been looked at.
        let unseen = || Problem::new(Kind::Forbidden, "nothing told who sends the request");
        principal.map(|principal| Self(principal.owner())).ok_or_else(unseen)
    }
}

impl From<NotYours> for Problem {
    fn from(error: NotYours) -> Self {
        Self::new(Kind::Forbidden, error.to_string())
    }
}
