//! The end of a right, for those who use it for longer than one answer takes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::Caller;

/// Ends when the right by which a request was let in does. By default it never does.
#[derive(Clone, Debug, Default)]
pub struct Lapse(CancellationToken);

impl Lapse {
    /// Waits for the end.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends it, for all who hold it.
    pub(crate) fn end(&self) {
        self.0.cancel();
    }
}

impl<S: Sync> FromRequestParts<S> for Lapse {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Caller>().map(|caller| caller.lapse.clone()).unwrap_or_default())
    }
}
