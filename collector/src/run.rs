//! Joins the parts: opens the store, restores, listens, sweeps, checks, and ends in order.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alerts::{Kept, Silences, Watchman};
use crate::api::guard::{Guarded, Routes};
use crate::api::health::{self, Readiness};
use crate::api::live::Feed;
use crate::api::{self, Api};
use crate::auth::AllowedHosts;
use crate::checks::dial::Loopback;
use crate::checks::{self, OpenCredential, Prober};
use crate::config::Config;
use crate::history::{History, Recorder};
use crate::ingest::Desk;
use crate::metrics::meters::Meters;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::seal::{KeyError, Seal};
use crate::series::{self, HistoryState, SampleHistory};
use crate::serve::{BindError, Listeners, serve};
use crate::store::{Loaded, OpenError, Store, flush};
use crate::{dashboard, sweep};

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Why the collector does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key that seals credentials cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Nobody reads what is announced.
    #[error("failed to say where it listens")]
    Announce(#[source] std::io::Error),
    /// A part of the collector broke, which is a bug: it ends, to be started anew.
    #[error("a part of the collector broke")]
    Broken(#[source] tokio::task::JoinError),
}

impl RunError {
    /// 2 where the configuration is to blame, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(_) | Self::Key(_) | Self::Bind(_) => 2,
            Self::Announce(_) | Self::Broken(_) => 1,
        }
    }
}

/// Runs until `stop`, and says on `out` where it listens.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(
    config: Config,
    stop: CancellationToken,
    out: &mut (dyn Write + Send),
) -> Result<(), RunError> {
    let listeners = Listeners::bind(&config.listen)?;
    let (store, loaded) = Store::open(&config.data_dir)?;
    let store = Arc::new(store);
    let seal = Arc::new(Seal::of_dir(&config.data_dir)?);
    let (history_state, history_seen) = watch::channel(HistoryState::Ok);
    let readiness = Arc::new(Readiness::new(store.watch_state(), history_seen));
    let registry = restored(&config, &loaded);
    readiness.set_restored();

    let recorder = Recorder::new(Arc::clone(&registry), Arc::clone(&store));
    let meters = Arc::new(Meters::new(store.watch_state(), recorder.backlog()));
    let (series, keeper) = SampleHistory::of_dir(&config.data_dir, &config.history);
    let connections = TaskTracker::new();
    let api = Api {
        registry: Arc::clone(&registry),
        seal: Arc::clone(&seal),
        desk: Desk::new(&loaded.collector_id),
        tasks: connections.clone(),
        stop: stop.clone(),
        store: Arc::clone(&store),
        history: History::new(&store),
        series,
        feed: Feed::new(Arc::clone(&registry)),
        alerts: Arc::new(Kept::of_docs(&loaded.alerts)),
        silences: Arc::new(Silences::of_docs(&loaded.silences, Arc::clone(&registry))),
        meters: Arc::clone(&meters),
    };
    let dropped = Arc::clone(&api.desk.dropped);
    let mut parts = JoinSet::new();
    parts.spawn(sweep::run(Arc::clone(&registry), meters.sweep.clone(), stop.clone()));
    parts.spawn(meters.run(Arc::clone(&registry), stop.clone()));
    parts.spawn(checks::run(Arc::clone(&registry), prober(&config, seal), stop.clone()));
    parts.spawn(api.feed.clone().run(stop.clone()));
    let flushing = CancellationToken::new();
    parts.spawn({
        let (store, registry, flushing) = (store.clone(), registry.clone(), flushing.clone());
        async move { flush(&store, registry, flushing).await }
    });
    parts.spawn(recorder.run(flushing.clone()));
    parts.spawn(watchman(&config, &api).run(flushing.clone()));
    let recorder = series::Recorder::new(Arc::clone(&registry), keeper, history_state);
    parts.spawn(recorder.run(flushing.clone()));
    let routes = Routes::new()
        .merge(health::routes(readiness))
        .merge(dashboard::routes())
        .merge(api::routes(api));
    let app = Guarded::new(routes, AllowedHosts::new(config.public_names));
    listeners.announce(out).map_err(RunError::Announce)?;

    let mut outcome = serve_until_broken(listeners, app, &mut parts, &stop).await;
    end_connections(&connections).await;
    flushing.cancel();
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(ended.map_err(RunError::Broken));
    }
    let (n_samples, n_unlisted) = (registry.n_samples(), registry.n_unlisted());
    let n_let_go = registry.n_let_go();
    tracing::info!(n_samples, n_unlisted, n_let_go, dropped = ?dropped.all(), "stopped");
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close().await;
    }
    outcome
}

/// Who raises alerts.
fn watchman(config: &Config, api: &Api) -> Watchman {
    let (registry, store) = (Arc::clone(&api.registry), Arc::clone(&api.store));
    let (alerts, silences) = (Arc::clone(&api.alerts), Arc::clone(&api.silences));
    Watchman::new(registry, store, config.alerts.clone(), alerts, silences)
}

/// What asks services that nobody else judges. The collector listens on loopback alone, so whoever
/// declares a service is on this machine.
fn prober(config: &Config, seal: Arc<Seal>) -> Prober {
    let open: OpenCredential = Arc::new(move |credential| {
        let name = credential.header.parse().ok()?;
        let opened = seal.open(credential).ok()?;
        let mut value = HeaderValue::from_str(opened.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    });
    Prober::new(config.checks.clone(), open, Loopback::Allowed)
}

/// The registry as it was when the collector stopped.
fn restored(config: &Config, loaded: &Loaded) -> Arc<Registry> {
    let registry = Registry::new(config.liveness.clone()).with_checks(config.checks.clone());
    let registry = registry.with_boot_id(boot_id()).with_recent(config.history.recent);
    let registry = Arc::new(registry);
    let n_unreadable = registry.restore(&loaded.hosts, &loaded.services, Moment::now());
    let (n_hosts, n_services) = (loaded.hosts.len(), loaded.services.len());
    tracing::info!(n_hosts, n_services, n_unreadable, "restored");
    registry
}

/// Since which boot this machine runs; `None` where the system does not tell.
fn boot_id() -> Option<String> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot_id.trim().to_owned()).filter(|boot_id| !boot_id.is_empty())
}

/// Serves until `stop`, or until one of the parts that never end does so.
async fn serve_until_broken(
    listeners: Listeners,
    app: Guarded,
    parts: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut serving = std::pin::pin!(serve(listeners, app, stop.clone()));
    tokio::select! {
        () = &mut serving => Ok(()),
        Some(ended) = parts.join_next() => {
            stop.cancel();
            serving.await;
            ended.map_err(RunError::Broken)
        }
    }
}

/// Connections were told to end; those that do not within the grace are dropped.
async fn end_connections(connections: &TaskTracker) {
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(n_left = connections.len(), "connections did not end in time");
    }
}
