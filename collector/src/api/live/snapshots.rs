//! The snapshots that viewers begin with. Those who come together, as all do after a restart,
//! share one encoding and its bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::beside;

/// How long a snapshot is given to newcomers. The changes since it follow at once.
pub const FRESH_FOR: Duration = Duration::from_secs(1);

/// A snapshot frame.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The last change that it knows.
    pub seq: u64,
    /// JSON.
    pub text: Utf8Bytes,
    made: Instant,
}

impl Encoded {
    fn is_fresh(&self) -> bool {
        self.made.elapsed() < FRESH_FOR
    }
}

/// The newest snapshot of each view, for a moment. The lock is held while one is encoded, so that
/// the others wait for it instead of encoding their own.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<[Mutex<Option<Encoded>>; 2]>);

impl Snapshots {
    /// A snapshot from which the ring leads on to the present. `None` where it broke.
    pub async fn take(&self, registry: &Arc<Registry>, view: View) -> Option<Encoded> {
        let mut newest = self.slot(view).lock().await;
        let shared = newest.as_ref().filter(|shared| shared.is_fresh());
        // After a storm of changes even a fresh one can lie beyond the ring.
        if let Some(shared) = shared.filter(|it| registry.changes_since(it.seq, 0).is_ok()) {
            return Some(shared.clone());
        }
        let registry = Arc::clone(registry);
        let encoded = beside("a snapshot", move || encode(&registry, view)).await?;
        Some(newest.insert(encoded).clone())
    }

    /// Lets go of old snapshots until `stop`: they are large.
    pub async fn forget_old(self, stop: CancellationToken) {
        let mut ticks = interval(FRESH_FOR);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for slot in self.0.iter() {
                if let Ok(mut newest) = slot.try_lock() {
                    newest.take_if(|encoded| !encoded.is_fresh());
                }
            }
        }
    }

    fn slot(&self, view: View) -> &Mutex<Option<Encoded>> {
        match view {
            View::Summary => &self.0[0],
            View::Full => &self.0[1],
        }
    }
}

fn encode(registry: &Registry, view: View) -> Encoded {
    let snapshot = registry.snapshot(Moment::now());
    let (word, fields) = (view.word(), snapshot.fields(view));
    let text = format!("{{\"type\":\"snapshot\",\"view\":\"{word}\",{fields}}}").into();
    Encoded { seq: snapshot.seq, text, made: Instant::now() }
}

#[cfg(test)]
mod tests {
    use crate::config::Liveness;
    use crate::registry::change::ChangeKind;
    use crate::registry::ledger::RING_CHANGES_MIN;

    use super::*;

    fn is_shared(one: &Encoded, other: &Encoded) -> bool {
        one.text.as_str().as_ptr() == other.text.as_str().as_ptr()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_together_shares_the_bytes() {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let snapshots = Snapshots::default();
        let take = |view| snapshots.take(&registry, view);
        let (one, other) = tokio::join!(take(View::Summary), take(View::Summary));
        let one = one.unwrap();
        assert!(is_shared(&one, &other.unwrap()));
        assert!(!is_shared(&one, &take(View::Full).await.unwrap()));
        tokio::time::advance(FRESH_FOR).await;
        assert!(!is_shared(&one, &take(View::Summary).await.unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_the_ring_does_not_reach_is_not_given_again() {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let snapshots = Snapshots::default();
        let before = snapshots.take(&registry, View::Summary).await.unwrap();
        while registry.cursor().1 <= RING_CHANGES_MIN as u64 {
            let (kind, cause) = (ChangeKind::FleetMassOffline, "test".to_owned());
            registry.tell_mass(kind, serde_json::json!({ "n_hosts": 1 }), cause, Moment::now());
        }
        let after = snapshots.take(&registry, View::Summary).await.unwrap();
        assert_eq!((before.seq, after.seq), (0, registry.cursor().1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_one_is_let_go() {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let snapshots = Snapshots::default();
        snapshots.take(&registry, View::Summary).await.unwrap();
        let stop = CancellationToken::new();
        let forgetting = snapshots.clone().forget_old(stop.clone());
        let _ = tokio::time::timeout(2 * FRESH_FOR, forgetting).await;
        assert!(snapshots.slot(View::Summary).lock().await.is_none());
    }
}
