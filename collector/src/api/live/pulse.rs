//! What moves of the whole fleet, every two seconds, encoded once for all viewers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;
use crate::registry::moment::Moment;

/// How often.
pub const EVERY: Duration = Duration::from_secs(2);

/// A frame, and the number of the last change that it knows.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// All changes up to it must be sent before the frame.
    pub seq: u64,
    /// JSON.
    pub text: Utf8Bytes,
}

/// What viewers subscribe to.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<watch::Sender<Frame>>);

impl Pulse {
    /// One that has not beaten yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Frame::default())))
    }

    /// The frames from now on.
    #[must_use]
    pub fn frames(&self) -> watch::Receiver<Frame> {
        let mut frames = self.0.subscribe();
        frames.mark_unchanged();
        frames
    }

    /// Beats until `stop`, while anybody listens.
    pub async fn run(self, registry: Arc<Registry>, stop: CancellationToken) {
        let mut beats = interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = beats.tick() => self.beat(&registry).await,
            }
        }
    }

    async fn beat(&self, registry: &Arc<Registry>) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let registry = Arc::clone(registry);
        let encoded = tokio::task::spawn_blocking(move || {
            let snapshot = registry.snapshot(Moment::now());
            (snapshot.seq, snapshot.fleet_frame())
        });
        match encoded.await {
            Ok((seq, text)) => {
                self.0.send_replace(Frame { seq, text: text.into() });
            }
            Err(error) => tracing::error!(%error, "the fleet frame could not be encoded"),
        }
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}
