//! Sends the messages of one outbox, one after the other: tries again what failed, gives up what
//! is refused or too old, and says so in the log once, not each time. A target that is slow holds
//! up nobody else, as each has its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use hyper::StatusCode;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Manner;
use super::backoff::Backoff;
use super::client::{Outcome, Post};
use super::outbox::{NotifyCounts, Outbox, Parcel};

/// How long a message is tried.
const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// See the module's words.
#[derive(Debug)]
pub(super) struct Sender<P> {
    pub(super) name: Arc<str>,
    pub(super) manner: Manner,
    pub(super) post: P,
    pub(super) outbox: Arc<Outbox>,
    pub(super) counts: Arc<NotifyCounts>,
    pub(super) backoff: Backoff,
    /// What was told of it in the log, and still holds.
    pub(super) trouble: Option<Trouble>,
}

/// Why messages are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Unreached,
    Refused(StatusCode),
}

impl<P: Post> Sender<P> {
    /// Sends until `ending`; from then on each message that waits is tried once.
    pub(super) async fn run(mut self, ending: CancellationToken) {
        while let Some(parcel) = ending.run_until_cancelled(self.outbox.next()).await {
            self.deliver(parcel, &ending).await;
        }
        while let Some(parcel) = self.outbox.take() {
            self.deliver(parcel, &ending).await;
        }
    }

    async fn deliver(&mut self, parcel: Parcel, ending: &CancellationToken) {
        loop {
            let body = self.manner.body(&parcel.message, Timestamp::now());
            match self.post.post(body).await {
                Outcome::Sent(_) => return self.sent(),
                Outcome::Refused(status, _) => return self.refused(status),
                Outcome::Failed { why, wait } => {
                    self.warn(&why);
                    let pause = self.backoff.failed(wait, fastrand::f64());
                    if Instant::now().saturating_duration_since(parcel.since) >= GIVE_UP_AFTER {
                        return count(&self.counts.n_failed);
                    }
                    if ending.run_until_cancelled(sleep(pause)).await.is_none() {
                        return count(&self.counts.n_dropped);
                    }
                }
            }
        }
    }

    fn sent(&mut self) {
        count(&self.counts.n_sent);
        self.backoff.succeeded();
        if self.trouble.take().is_some() {
            tracing::info!(to = %self.name, "the target of alerts takes them again");
        }
    }

    fn refused(&mut self, status: StatusCode) {
        count(&self.counts.n_failed);
        self.backoff.succeeded();
        if self.trouble.replace(Trouble::Refused(status)) != Some(Trouble::Refused(status)) {
            tracing::error!(
                to = %self.name, status = status.as_u16(),
                "the target of alerts refuses them (herdbook-collector notify-test says why)"
            );
        }
    }

    fn warn(&mut self, why: &str) {
        if self.trouble.replace(Trouble::Unreached) != Some(Trouble::Unreached) {
            tracing::warn!(to = %self.name, why, "alerts cannot be sent, and wait");
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
