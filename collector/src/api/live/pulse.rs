//! What moves of the whole fleet, every two seconds, encoded once for all viewers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;
use crate::registry::moment::Moment;

use super::beside;

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
        let encoded = beside("a fleet frame", move || {
            let snapshot = registry.snapshot(Moment::now());
            Frame { seq: snapshot.seq, text: snapshot.fleet_frame().into() }
        });
        if let Some(frame) = encoded.await {
            self.publish(frame);
        }
    }

    pub(super) fn publish(&self, frame: Frame) {
        self.0.send_replace(frame);
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Liveness;

    use super::*;

    /// The page takes a line without any frame for dead.
    #[tokio::test(start_paused = true)]
    async fn it_beats_without_hosts_too() {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let pulse = Pulse::new();
        let mut frames = pulse.frames();
        let stop = CancellationToken::new();
        let beating = pulse.run(registry, stop.clone());
        let listening = async {
            for _ in 0..10 {
                let next = tokio::time::timeout(2 * EVERY, frames.changed()).await;
                next.expect("a frame in time").unwrap();
                assert!(frames.borrow_and_update().text.contains("\"n_hosts\":0"));
            }
            stop.cancel();
        };
        tokio::join!(beating, listening);
    }
}
