//! The clock of the history: once a step it has the [`Keeper`] write, and when hosts are removed it
//! has it forget them. It follows the registry as any subscriber does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;
use crate::registry::change::Subject;
use crate::registry::moment::Moment;

use super::file::HistoryError;
use super::keeper::{Keeper, Until};

/// How long changes are gathered after the first.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Changes that are looked at before the sockets get their turn.
const CHANGES_A_TURN: usize = 1_000;
/// How long after the end of a step it is written, at most.
const AFTER_STEP_MS: i64 = 2_000;
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// How the history of samples does, for `/readyz` and the page's banner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryState {
    /// What is rolled up is kept.
    #[default]
    Ok,
    /// The disk is full. The last minutes wait in memory.
    DiskFull,
    /// It cannot be written for another reason, which the log tells.
    Failing,
}

/// See the module's words.
#[derive(Debug)]
pub struct Recorder {
    registry: Arc<Registry>,
    keeper: Option<Keeper>,
    step_ms: i64,
    state: watch::Sender<HistoryState>,
    seq: u64,
    /// The hosts that were there, for when the ring does not reach back.
    known: HashSet<String>,
}

impl Recorder {
    /// Begins with the registry as it is.
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        keeper: Keeper,
        state: watch::Sender<HistoryState>,
    ) -> Self {
        let (_, seq) = registry.cursor();
        let (step_ms, known) = (keeper.step_ms(), ids(&registry));
        Self { registry, keeper: Some(keeper), step_ms, state, seq, known }
    }

    /// Records until `stop`, then what was sampled until then, within 5 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changed = self.registry.watch();
        changed.mark_changed();
        self.keep(Until::Step).await;
        let mut next = self.next();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(next) => {
                    self.keep(Until::Step).await;
                    next = self.next();
                }
                _ = changed.changed() => {
                    let _ = stop.run_until_cancelled(sleep(FOLLOW_EVERY)).await;
                    changed.mark_unchanged();
                    self.forget_removed().await;
                }
            }
        }
        if timeout(LAST_WRITE, self.keep(Until::Now)).await.is_err() {
            tracing::error!("the last minute of the history of samples could not be kept");
        }
    }

    /// A moment after the end of the present step.
    fn next(&self) -> Instant {
        let after_ms = (self.step_ms / 20).min(AFTER_STEP_MS);
        let since_ms = (Timestamp::now().unix_ms() - after_ms).rem_euclid(self.step_ms);
        let ms = u64::try_from(self.step_ms - since_ms).unwrap_or(1000);
        Instant::now() + Duration::from_millis(ms)
    }

    /// Hosts that were removed since this was asked last take their history with them.
    async fn forget_removed(&mut self) {
        let removed = self.removed();
        if removed.is_empty() {
            return;
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.forget(removed);
        }
        self.keep(Until::Step).await;
    }

    fn removed(&mut self) -> Vec<String> {
        let mut removed = Vec::new();
        loop {
            let Ok(changes) = self.registry.changes_since(self.seq, CHANGES_A_TURN) else {
                (_, self.seq) = self.registry.cursor();
                let there = ids(&self.registry);
                removed.extend(self.known.difference(&there).cloned());
                self.known = there;
                return removed;
            };
            let Some(last) = changes.last() else { return removed };
            self.seq = last.seq;
            for change in &changes {
                match &change.subject {
                    Subject::NoHost(id) if self.known.remove(id.as_str()) => {
                        removed.push(id.to_string());
                    }
                    Subject::Host(host) if !host.id.is_clone() => {
                        self.known.insert(host.id.to_string());
                    }
                    _ => (),
                }
            }
        }
    }

    /// Writes beside the thread that carries all sockets.
    async fn keep(&mut self, until: Until) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let registry = Arc::clone(&self.registry);
        let kept = tokio::task::spawn_blocking(move || {
            let kept = keeper.tick(&registry, until, Moment::now());
            (keeper, kept)
        });
        match kept.await {
            Ok((keeper, kept)) => {
                self.keeper = Some(keeper);
                self.tell(kept);
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends.
            Err(_) => (),
        }
    }

    fn tell(&self, kept: Result<(), HistoryError>) {
        let state = match &kept {
            Ok(()) => HistoryState::Ok,
            Err(error) if error.is_disk_full() => HistoryState::DiskFull,
            Err(_) => HistoryState::Failing,
        };
        let before = self.state.send_replace(state);
        match kept {
            Err(error) if before != state => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, "the history of samples is not kept, for now");
            }
            Ok(()) if before != state => tracing::info!("the history of samples is kept again"),
            _ => (),
        }
    }
}

fn ids(registry: &Registry) -> HashSet<String> {
    let hosts = registry.hosts().into_iter().filter(|host| !host.id.is_clone());
    hosts.map(|host| host.id.to_string()).collect()
}
