//! The end of a right, for those who use it for longer than one answer takes.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Caller;

/// Ends when the right by which a request was let in does. By default it never does.
#[derive(Clone, Debug, Default)]
pub struct Lapse {
    ended: CancellationToken,
    until: Option<Instant>,
}

impl Lapse {
    /// One that ends by itself after so long.
    #[must_use]
    pub fn after(lasts: Duration) -> Self {
        Self { until: Some(Instant::now() + lasts), ..Self::default() }
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        let ended = self.ended.cancelled();
        match self.until {
            Some(until) => tokio::select! {
                () = ended => (),
                () = sleep_until(until) => (),
            },
            None => ended.await,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled() || self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Ends it, for all who hold it.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }
}

impl<S: Sync> FromRequestParts<S> for Lapse {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Caller>().map(|caller| caller.lapse.clone()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_word_by_time_or_never() {
        let (begin, timed) = (Instant::now(), Lapse::after(Duration::from_secs(5)));
        timed.clone().ended().await;
        assert_eq!((begin.elapsed().as_secs(), timed.is_ended()), (5, true));
        let ended = Lapse::after(Duration::from_secs(5));
        ended.end();
        ended.clone().ended().await;
        assert!(ended.is_ended() && !Lapse::default().is_ended());
    }
}
