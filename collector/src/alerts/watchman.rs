//! The task that follows the registry and the clock, and has alerts kept.

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::config::Alerts;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::store::{Store, StoreState, flush};

use super::engine::Engine;
use super::kept::Kept;
use super::silence::Silences;

/// How long changes are gathered after the first. The ring holds what 10,000 hosts do meanwhile.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
/// Changes that are looked at before the sockets get their turn.
const CHANGES_A_TURN: usize = 200;
/// How often the rules look at what is only seen by the clock.
const TICK: Duration = Duration::from_secs(1);
/// How often what is too old is let go.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// How far the two clocks may part between two prunings.
const CLOCK_JUMP_MS: u64 = 60_000;
/// Nothing is let go before both clocks agreed for this long.
const AGREED_FOR: Duration = Duration::from_hours(1);

/// See the module's words.
#[derive(Debug)]
pub struct Watchman {
    registry: Arc<Registry>,
    store: Arc<Store>,
    kept: Arc<Kept>,
    silences: Arc<Silences>,
    engine: Engine,
    /// How the store does.
    state: watch::Receiver<StoreState>,
    pruned: Moment,
    agree_since: Instant,
    /// Up to when what is over is let go of.
    old: watch::Sender<Timestamp>,
}

impl Watchman {
    /// Begins with the registry as it is, and restores the alerts that were open when the collector
    /// stopped. Nothing is told before it runs, so that whoever is to be told can begin until then.
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        store: Arc<Store>,
        settings: Alerts,
        kept: Arc<Kept>,
        silences: Arc<Silences>,
    ) -> Self {
        let moment = Moment::now();
        let settings = Arc::new(settings);
        let engine = Engine::new(Arc::clone(&registry), settings, Arc::clone(&kept), moment);
        let (state, agree_since) = (store.watch_state(), moment.now);
        let (pruned, old) = (moment, watch::Sender::new(moment.at));
        Self { registry, store, kept, silences, engine, state, pruned, agree_since, old }
    }

    /// Watches until `stop`, then has kept what was raised until then, within 5 s.
    pub async fn run(self, stop: CancellationToken) {
        let (store, kept) = (Arc::clone(&self.store), Arc::clone(&self.kept));
        let writing = flush(&store, kept, stop.clone());
        let (silences, old, stopped) =
            (Arc::clone(&self.silences), self.old.subscribe(), stop.clone());
        let pruning = prune_silences(&silences, &store, old);
        // What is over is let go of another time.
        tokio::join!(self.watch(stop), writing, stopped.run_until_cancelled(pruning));
    }

    async fn watch(mut self, stop: CancellationToken) {
        let mut changed = self.registry.watch();
        // What happened between the snapshot and now wakes nobody.
        changed.mark_changed();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.engine.begin(Moment::now());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changed.changed() => {
                    sleep(FOLLOW_EVERY).await;
                    changed.mark_unchanged();
                    self.take_all().await;
                }
                _ = ticks.tick() => self.tick(),
                Ok(()) = self.state.changed() => self.see_store(),
            }
            while self.engine.raise_due(Moment::now()) {
                yield_now().await;
            }
        }
    }

    /// Takes in all changes that there are.
    async fn take_all(&mut self) {
        loop {
            match self.registry.changes_since(self.engine.seq(), CHANGES_A_TURN) {
                Ok(changes) if changes.is_empty() => return,
                Ok(changes) => self.engine.take(&changes, Moment::now()),
                Err(_) => self.resume().await,
            }
            yield_now().await;
        }
    }

    /// Goes on from a snapshot. With 10,000 hosts it takes milliseconds to take one, and the hosts
    /// are looked at in turns.
    async fn resume(&mut self) {
        let registry = Arc::clone(&self.registry);
        let taken = tokio::task::spawn_blocking(move || registry.snapshot(Moment::now())).await;
        // Nothing comes of it where the runtime ends.
        let Ok(snapshot) = taken else { return };
        self.engine.resume(&snapshot);
        for hosts in snapshot.hosts.chunks(CHANGES_A_TURN) {
            self.engine.see_hosts(hosts, Moment::now());
            yield_now().await;
        }
        for services in snapshot.services.chunks(CHANGES_A_TURN) {
            self.engine.see_services(services, Moment::now());
            yield_now().await;
        }
    }

    fn tick(&mut self) {
        let moment = Moment::now();
        self.engine.tick(moment);
        if moment.now.saturating_duration_since(self.pruned.now) >= PRUNE_EVERY {
            self.prune(moment);
        }
    }

    /// Lets go of what is too old, by a wall clock that goes as the monotonic one.
    fn prune(&mut self, moment: Moment) {
        let before = std::mem::replace(&mut self.pruned, moment);
        let passed = moment.now.saturating_duration_since(before.now).as_millis();
        let passed_ms = i64::try_from(passed).unwrap_or(i64::MAX);
        if moment.at.ms_since(before.at).abs_diff(passed_ms) > CLOCK_JUMP_MS {
            self.agree_since = moment.now;
        } else if moment.now.saturating_duration_since(self.agree_since) >= AGREED_FOR {
            self.kept.prune(moment.at);
            self.old.send_replace(moment.at);
        }
    }

    fn see_store(&mut self) {
        let state = *self.state.borrow_and_update();
        self.engine.see_store(state, Moment::now());
    }
}

/// Lets go of silences that are over, beside whoever raises alerts: this waits for the disk, which
/// may hang.
async fn prune_silences(silences: &Silences, store: &Store, mut old: watch::Receiver<Timestamp>) {
    while old.changed().await.is_ok() {
        let until = *old.borrow_and_update();
        silences.prune(store, until).await;
    }
}

#[cfg(test)]
#[path = "watchman_tests.rs"]
mod tests;
