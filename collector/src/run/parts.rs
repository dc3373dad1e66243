//! The parts of a running collector: what each needs, and when it ends. Those that write what is
//! kept end last, once no connection can change anything any more.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderValue;
use herdbook_shared::time::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alerts::Watchman;
use crate::api::Api;
use crate::api::guard::Guarded;
use crate::checks::dial::Loopback;
use crate::checks::policy::Policy;
use crate::checks::{self, OpenCredential, Prober};
use crate::config::Config;
use crate::journal::Journal;
use crate::metrics::meters::Told;
use crate::notify::{Notifier, Silenced};
use crate::seal::Seal;
use crate::serve::{Listeners, Walls, serve};
use crate::store::{flush, keep_snapshots};
use crate::tls::Keys;
use crate::{announce, catalog, sweep};

use super::RunError;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Parts {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    kept: CancellationToken,
}

impl Parts {
    /// None yet; most end with `stop`.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stop, kept: CancellationToken::new() }
    }

    /// Starts one that ends by itself when it is told to stop.
    pub(super) fn spawn(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(part);
    }

    /// Starts one that ends once everything is over that could still be kept.
    pub(super) fn spawn_until_kept<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        part: impl FnOnce(CancellationToken) -> F,
    ) {
        self.tasks.spawn(part(self.kept.clone()));
    }

    /// Who looks after the fleet: the sweep, the checks, the folders, and the meters. `own` is where
    /// the collector listens.
    pub(super) fn watch(&mut self, config: &Config, api: &Api, own: &[SocketAddr]) {
        let (registry, stop) = (&api.registry, &self.stop);
        let prober = prober(config, Arc::clone(&api.seal), own);
        let sweep = sweep::run(Arc::clone(registry), Arc::clone(&api.meters.sweep), stop.clone());
        let parts = &mut self.tasks;
        parts.spawn(sweep);
        parts.spawn(checks::run(Arc::clone(registry), prober, stop.clone()));
        parts.spawn(catalog::watch::run(Arc::clone(&api.catalogs), stop.clone()));
        parts.spawn(api.feed.clone().run(stop.clone()));
        parts.spawn(Arc::clone(&api.meters).run(Arc::clone(registry), stop.clone()));
        let disk = Arc::clone(&api.meters.disk);
        parts.spawn(disk.run(config.data_dir.clone(), stop.clone()));
    }

    /// Who writes what the registry has to keep, and copies of it; and who ends rights in time.
    pub(super) fn keep(&mut self, api: &Api) {
        self.spawn_until_kept(|kept| Arc::clone(&api.access).run(kept));
        let (store, registry) = (Arc::clone(&api.store), Arc::clone(&api.registry));
        self.spawn_until_kept(|kept| async move { flush(&store, registry, kept).await });
        let store = Arc::clone(&api.store);
        self.spawn_until_kept(|kept| async move { keep_snapshots(&store, kept).await });
    }

    /// Who tells the network where the collector is, where that is wanted.
    pub(super) fn announce(
        &mut self,
        config: &Config,
        own: &[SocketAddr],
        keys: Option<Arc<Keys>>,
    ) {
        if let (true, Some(keys)) = (config.announces(), keys) {
            let secure = own.iter().copied().filter(|at| config.speaks_tls(*at)).collect();
            self.tasks.spawn(announce::run(secure, keys, self.stop.clone()));
        }
    }

    /// Who raises alerts, and tells of them. The first restores what was told before the others
    /// begin to follow, and tells nothing before they do.
    pub(super) fn tell(&mut self, config: &Config, api: &Api, link: &str) {
        let watchman = watchman(config, api);
        let recent = api.heartbeat_alerts.clone();
        let journal = Journal::new(Arc::clone(&api.registry), &config.data_dir, recent);
        let notifier = notifier(config, api, link);
        let messages = notifier.counts().into_iter().map(|(_, counts)| counts).collect();
        // Nobody told before: these are the first.
        let _ = api.meters.told.set(Told { journal: journal.counts(), messages });
        self.spawn_until_kept(|kept| watchman.run(kept));
        self.spawn_until_kept(|kept| journal.run(kept));
        self.spawn_until_kept(|kept| notifier.run(kept));
    }

    /// Serves until it is told to stop, or until one of the parts that never end does so.
    ///
    /// # Errors
    ///
    /// Where one broke.
    pub(super) async fn serve_until_broken(
        &mut self,
        listeners: Listeners,
        app: Guarded,
        walls: Arc<Walls>,
    ) -> Result<(), RunError> {
        let mut serving = std::pin::pin!(serve(listeners, app, walls, self.stop.clone()));
        tokio::select! {
            () = &mut serving => Ok(()),
            Some(ended) = self.tasks.join_next() => {
                self.stop.cancel();
                serving.await;
                ended.map_err(RunError::Broken)
            }
        }
    }

    /// Ends all of them, and waits for it.
    ///
    /// # Errors
    ///
    /// Where one broke.
    pub(super) async fn end(mut self) -> Result<(), RunError> {
        self.kept.cancel();
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            outcome = outcome.and(ended.map_err(RunError::Broken));
        }
        outcome
    }
}

/// Who raises alerts.
fn watchman(config: &Config, api: &Api) -> Watchman {
    let (registry, store) = (Arc::clone(&api.registry), Arc::clone(&api.store));
    let (alerts, silences) = (Arc::clone(&api.alerts), Arc::clone(&api.silences));
    Watchman::new(registry, store, config.alerts.clone(), alerts, silences)
}

/// What asks services that nobody else judges. Services of the collector's own machine are asked only
/// where everybody who can declare one is on it.
fn prober(config: &Config, seal: Arc<Seal>, own: &[SocketAddr]) -> Prober {
    let open: OpenCredential = Arc::new(move |credential| {
        let name = credential.header.parse().ok()?;
        let opened = seal.open(credential).ok()?;
        let mut value = HeaderValue::from_str(opened.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    });
    let loopback = if config.demands_credentials() { Loopback::Refused } else { Loopback::Allowed };
    let policy = Policy::new(loopback, &config.checks.allow_dial, own);
    Prober::new(config.checks.clone(), open, policy)
}

/// What tells people of alerts.
fn notifier(config: &Config, api: &Api, link: &str) -> Notifier {
    let silences = Arc::clone(&api.silences);
    let silenced: Silenced =
        Arc::new(move |alert| silences.silenced_by(alert, Timestamp::now()).is_some());
    let (registry, authorities) = (Arc::clone(&api.registry), &config.checks.authorities);
    Notifier::new(registry, &config.notify, authorities, link, silenced)
}
