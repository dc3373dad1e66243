//! Joins the parts: opens the store, restores, listens, sweeps, checks, and ends in order.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use herdbook_shared::time::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alerts::{Kept, Silences, Watchman};
use crate::api::guard::{Guarded, Routes};
use crate::api::health::{self, Readiness};
use crate::api::live::Feed;
use crate::api::{self, Api};
use crate::auth::{AllowedHosts, HostName};
use crate::catalog::catalogs::Trigger;
use crate::catalog::{self, Catalogs};
use crate::checks::dial::Loopback;
use crate::checks::{self, OpenCredential, Prober};
use crate::config::Config;
use crate::history::{History, Recorder};
use crate::ingest::Desk;
use crate::journal::{HeartbeatAlerts, Journal};
use crate::metrics::meters::Meters;
use crate::notify::{Notifier, Silenced};
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::reload::{Reloader, Signals};
use crate::seal::{KeyError, Seal};
use crate::series::{self, HistoryState, SampleHistory};
use crate::serve::{BindError, Listeners, serve};
use crate::store::{Loaded, OpenError, Store, flush, keep_snapshots};
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

/// Runs until it is told to stop, and says on `out` where it listens.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(
    config: Config,
    signals: Signals,
    out: &mut (dyn Write + Send),
) -> Result<(), RunError> {
    let (listeners, stop) = (Listeners::bind(&config.listen)?, signals.stop.clone());
    let (store, loaded) = Store::open(&config.data_dir)?;
    let store = Arc::new(store);
    let seal = Arc::new(Seal::of_dir(&config.data_dir)?);
    let (history_state, history_seen) = watch::channel(HistoryState::Ok);
    let readiness = Arc::new(Readiness::new(store.watch_state(), history_seen));
    let registry = restored(&config, &loaded);
    let catalogs = catalogs(&config, &loaded, &registry, &seal).await;
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
        heartbeat_alerts: HeartbeatAlerts::of_data_dir(&config.data_dir),
        alerts: Arc::new(Kept::of_docs(&loaded.alerts)),
        silences: Arc::new(Silences::of_docs(&loaded.silences, Arc::clone(&registry))),
        meters: Arc::clone(&meters),
        catalogs: Arc::clone(&catalogs),
    };
    let dropped = Arc::clone(&api.desk.dropped);
    let mut parts = JoinSet::new();
    parts.spawn(Reloader::new(signals, &config.told, Arc::clone(&catalogs)).run());
    parts.spawn(catalog::watch::run(catalogs, stop.clone()));
    parts.spawn(sweep::run(Arc::clone(&registry), meters.sweep.clone(), stop.clone()));
    parts.spawn(meters.run(Arc::clone(&registry), stop.clone()));
    parts.spawn(checks::run(Arc::clone(&registry), prober(&config, seal), stop.clone()));
    parts.spawn(api.feed.clone().run(stop.clone()));
    let flushing = CancellationToken::new();
    parts.spawn(recorder.run(flushing.clone()));
    let recorder = series::Recorder::new(Arc::clone(&registry), keeper, history_state);
    parts.spawn(recorder.run(flushing.clone()));
    spawn_keepers(&mut parts, &api, &flushing);
    spawn_tellers(&mut parts, &config, &api, &listeners, &flushing)?;
    let app = guarded(readiness, api, config.public_names);
    listeners.announce(out).map_err(RunError::Announce)?;

    let mut outcome = serve_until_broken(listeners, app, &mut parts, &stop).await;
    end_connections(&connections).await;
    flushing.cancel();
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(ended.map_err(RunError::Broken));
    }
    say_stopped(&registry, &dropped.all());
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close().await;
    }
    outcome
}

/// All that is answered, behind the guard.
fn guarded(readiness: Arc<Readiness>, api: Api, public_names: Vec<HostName>) -> Guarded {
    let routes = Routes::new()
        .merge(health::routes(readiness))
        .merge(dashboard::routes())
        .merge(api::routes(api));
    Guarded::new(routes, AllowedHosts::new(public_names))
}

fn say_stopped(registry: &Registry, dropped: &impl std::fmt::Debug) {
    let (n_samples, n_unlisted) = (registry.n_samples(), registry.n_unlisted());
    tracing::info!(n_samples, n_unlisted, n_let_go = registry.n_let_go(), dropped = ?dropped, "stopped");
}

/// Those who write down how everything is.
fn spawn_keepers(parts: &mut JoinSet<()>, api: &Api, flushing: &CancellationToken) {
    let (store, registry, until) = (api.store.clone(), api.registry.clone(), flushing.clone());
    parts.spawn(async move { flush(&store, registry, until).await });
    let (store, until) = (api.store.clone(), flushing.clone());
    parts.spawn(async move { keep_snapshots(&store, until).await });
}

/// Those who raise alerts, write them down, and tell people of them. The first of them restores
/// those that were told before.
fn spawn_tellers(
    parts: &mut JoinSet<()>,
    config: &Config,
    api: &Api,
    listeners: &Listeners,
    flushing: &CancellationToken,
) -> Result<(), RunError> {
    parts.spawn(watchman(config, api).run(flushing.clone()));
    let (registry, recent) = (Arc::clone(&api.registry), api.heartbeat_alerts.clone());
    let journal = Journal::new(registry, &config.data_dir, recent);
    parts.spawn(journal.run(flushing.clone()));
    parts.spawn(notifier(config, api, listeners)?.run(flushing.clone()));
    Ok(())
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

/// What tells people of alerts.
fn notifier(config: &Config, api: &Api, listeners: &Listeners) -> Result<Notifier, RunError> {
    let link = link_to(&listeners.addresses().map_err(RunError::Announce)?);
    let silences = Arc::clone(&api.silences);
    let silenced: Silenced =
        Arc::new(move |alert| silences.silenced_by(alert, Timestamp::now()).is_some());
    let (registry, authorities) = (Arc::clone(&api.registry), &config.checks.authorities);
    Ok(Notifier::new(registry, &config.notify, authorities, &link, silenced))
}

/// Where people on this machine open the page.
#[must_use]
pub fn link_to(listen: &[SocketAddr]) -> String {
    listen.first().map_or_else(String::new, |address| format!("http://{address}/"))
}

/// What the folders of the catalogs hold. One that cannot be loaded does not keep the collector
/// from starting, as a mistake in a file would else end it at the next reboot: it says so in the
/// log and in the list of catalogs, and the services that its files declared before stay.
async fn catalogs(
    config: &Config,
    loaded: &Loaded,
    registry: &Arc<Registry>,
    seal: &Arc<Seal>,
) -> Arc<Catalogs> {
    let (registry, seal) = (Arc::clone(registry), Arc::clone(seal));
    let catalogs = Catalogs::new(&config.catalog, &loaded.catalog_entries, registry, seal);
    let catalogs = Arc::new(catalogs);
    catalogs.reload_all(Trigger::Start).await;
    catalogs
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
